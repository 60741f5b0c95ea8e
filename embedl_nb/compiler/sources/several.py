"""Several sources in one file: each is a signature of the compiled model, and weights that they share are stored once.

In: sources by signature key. What is done to one source is done to each here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.converter import TORCH
from embedl_nb.compiler.keys.fingerprint import Fingerprint, extended
from embedl_nb.errors import InputError

if TYPE_CHECKING:
    from embedl_nb.compiler.sources.source import Source

__all__ = ["SeveralSources", "samples_by_key"]


class SeveralSources:
    """Sources by signature key, in the order that the signatures will have.

    Raises
    ------
    InputError
        If one of them has another converter than PyTorch and ONNX models.
    """

    def __init__(self, parts: dict[str, Source]) -> None:
        foreign = [key for key, part in parts.items() if part.converter is not TORCH]
        if foreign:
            raise InputError(
                f"the source of signature {foreign[0]!r} is neither a PyTorch nor an ONNX model",
                hint="only those can share a file; compile this one by itself",
            )
        self.parts = parts
        self.converter = TORCH

    @property
    def name(self) -> str:
        """What to call it."""
        return "_".join(self.parts)

    @property
    def origin(self) -> str:
        """What it is, for the model's lineage."""
        return " and ".join(f"{part.origin} ({key})" for key, part in self.parts.items())

    def fingerprint(self) -> Fingerprint:
        """Return the key of compiling all of them."""
        keys = {key: part.fingerprint() for key, part in self.parts.items()}
        missing = next((f"signature {key}: {each.reason}" for key, each in keys.items() if not each.key), "")
        if missing:
            return Fingerprint(reason=missing)
        return extended(next(iter(keys.values())), "signatures", tuple((key, each.key) for key, each in keys.items()))

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the result must know."""
        return tuple(dict.fromkeys(note for part in self.parts.values() for note in part.notes()))

    def check(self) -> None:
        """Raise if one of them cannot be compiled."""
        for part in self.parts.values():
            part.check()

    def export(self, folder: Path) -> dict[str, Any]:
        """Write what the child needs, each into a folder of its own."""
        signatures = []
        for index, (key, part) in enumerate(self.parts.items()):
            (folder / str(index)).mkdir()
            signatures.append({**part.export(folder / str(index)), "signature_key": key})
        return {"signatures": signatures}


def samples_by_key(keys: list[Any], example_inputs: Any) -> dict[str, Any]:
    """Return the example inputs of each signature, None for all where none were given.

    Raises
    ------
    InputError
        If the keys are no names, or the example inputs have other ones.
    """
    bad = [key for key in keys if not (isinstance(key, str) and key.strip() and "\0" not in key)]  # C ends a text there
    if bad:
        raise InputError(f"{bad[0]!r} is no name of a signature", hint="give texts, e.g. {'encode': encoder}")
    if example_inputs is None:
        return dict.fromkeys(keys)
    if not isinstance(example_inputs, dict) or set(example_inputs) != set(keys):
        given = ", ".join(map(str, example_inputs)) if isinstance(example_inputs, dict) else "no dict"
        raise InputError(
            f"the sources have the signatures {', '.join(keys)}, and the example inputs {given or 'none'}",
            hint=f"give example inputs by signature: {{{keys[0]!r}: ..., ...}}",
        )
    return dict(example_inputs)
