"""What a caller of quantize may choose, checked once before any work."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from embedl_nb.device.address import DeviceAddress
from embedl_nb.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from embedl_nb.model import LiteRTModel

__all__ = ["Effort", "QuantizeOptions", "check_time_limit"]

_WHOLE = {"num_samples": 1, "seed": 0}
"""Options that are whole numbers, and the least that each may be."""


class Effort(StrEnum):
    """How much work the search for a good recipe may do."""

    LIGHT = "light"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """The options of one call.

    Attributes
    ----------
    num_samples
        To calibrate with, >= 1.
    seed
        Of the choice of samples, >= 0.
    effort
        Of the search.
    evaluate
        The caller's metric; None without.
    higher_is_better
        Whether a larger metric is better.
    max_degradation
        The most that the metric may lose, >= 0; None for no limit.
    min_sqnr_db
        The least SQNR of the worst output, dB; None for no limit.
    device
        Address of the device whose latencies are the prices.
    name
        Of the result; None keeps the model's.
    """

    num_samples: int = 100
    seed: int = 0
    effort: Effort = Effort.NORMAL
    evaluate: Callable[[LiteRTModel], Any] | None = None
    higher_is_better: bool = True
    max_degradation: float | None = None
    min_sqnr_db: float | None = None
    device: str = "host://"
    name: str | None = None

    @classmethod
    def checked(cls, **given: Any) -> QuantizeOptions:
        """Check every option by itself, and those that need each other.

        Raises
        ------
        InputError
            Naming the option and its value.
        UnknownNameError
            For an effort that does not exist, and a device that is no address.
        """
        whole = {name: _whole(name, given[name], least=least) for name, least in _WHOLE.items() if name in given}
        options = cls(**{**given, **whole, "effort": _effort(given.get("effort", Effort.NORMAL))})
        _real("max_degradation", options.max_degradation, least=0.0)
        _real("min_sqnr_db", options.min_sqnr_db, least=-math.inf)
        DeviceAddress.parse(options.device)
        if options.evaluate is not None and not callable(options.evaluate):
            raise InputError(
                f"evaluate={options.evaluate!r} cannot be called", hint="give a function that takes a model"
            )
        if options.max_degradation is not None and options.evaluate is None:
            raise InputError(
                f"max_degradation={options.max_degradation!r} limits a metric, and there is none",
                hint="give evaluate=, a function of a model; or min_sqnr_db=",
            )
        if not isinstance(options.higher_is_better, bool):
            raise InputError(
                f"higher_is_better={options.higher_is_better!r} is neither True nor False", hint="give True or False"
            )
        if options.name is not None and (not isinstance(options.name, str) or not options.name.strip()):
            raise InputError(f"name={options.name!r} is no name", hint="give a text, or leave it out")
        return options


def check_time_limit(time_limit_s: Any) -> None:
    """Raise where a limit in seconds is none.

    Raises
    ------
    InputError
        Naming the value.
    """
    _real("time_limit_s", time_limit_s, least=0.0)


def _effort(value: Any) -> Effort:
    if value not in tuple(Effort):
        raise UnknownNameError.among("effort", str(value), tuple(Effort))
    return Effort(value)


def _whole(option: str, value: Any, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise InputError(
            f"{option}={value!r} is no whole number from {least} on", hint=f"give {option}={least} or more"
        )
    return int(value)


def _real(option: str, value: Any, *, least: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < least:
        hint = f"give a number, {least:g} or more" if math.isfinite(least) else "give a number"
        raise InputError(f"{option}={value!r} is out of range", hint=hint)
