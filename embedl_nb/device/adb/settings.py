"""What ``runtime_options`` may say of a run on a phone that is no flag of the tool: cores, version, what is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embedl_nb.errors import InputError

__all__ = ["PhoneSettings"]

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneSettings:
    """How a run on a phone is to be made.

    Attributes
    ----------
    cpu_mask
        Cores it may use, bit n for core n, written in hexadecimal: ``"0xf0"`` for cores 4 to 7. None for all.
    tool_version
        Of LiteRT, whose benchmark_model is to be used: ``"2.2.0"``.
    keep_on_phone
        Whether the model and the libraries pushed with it stay on the phone for good.
    """

    cpu_mask: int | None = None
    tool_version: str | None = None
    keep_on_phone: bool = False

    @classmethod
    def split(
        cls, options: Mapping[str, str], *, allowed_cpus: Sequence[int] = ()
    ) -> tuple[PhoneSettings, dict[str, str]]:
        """Return the settings among the options, and the others, which are flags of the tool.

        Parameters
        ----------
        allowed_cpus
            Cores that the phone lets us use; empty where it does not say.

        Raises
        ------
        InputError
            If a value is not allowed.
        """
        flags = dict(options)
        mask, keep = flags.pop("cpu_mask", None), flags.pop("keep_on_phone", "false").strip().lower()
        if keep not in _BOOLEANS:
            raise InputError(f"keep_on_phone={keep!r} is not allowed", hint="give true or false")
        settings = cls(
            cpu_mask=None if mask is None else _mask(mask, allowed_cpus),
            tool_version=flags.pop("tool_version", None),
            keep_on_phone=_BOOLEANS[keep],
        )
        return settings, flags


def _mask(text: str, allowed_cpus: Sequence[int]) -> int:
    if not re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", text.strip(), re.ASCII) or not (mask := int(text, 16)):
        raise InputError(
            f"cpu_mask={text!r} names no core",
            hint="write bit n for core n in hexadecimal: cpu_mask='0xf0' for cores 4 to 7",
        )
    refused = [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1 and cpu not in allowed_cpus]
    if allowed_cpus and refused:
        raise InputError(
            f"cpu_mask={text!r} names core {', '.join(map(str, refused))}, which the phone does not let us use",
            hint=f"choose among the cores {', '.join(map(str, allowed_cpus))}",
        )
    return mask
