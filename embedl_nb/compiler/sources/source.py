"""What a source model is to the rest of the compiler, of whatever kind it is.

A source of one signature is its own part; one of several (a dict of models, a SavedModel) is divided into parts, each
with samples and a reference of its own. :func:`parts_of` takes either apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.compiler.converter import Converter
    from embedl_nb.compiler.keras.binding import ArraySamples
    from embedl_nb.compiler.keys.fingerprint import Fingerprint
    from embedl_nb.compiler.sources.samples import Samples
    from embedl_nb.compiler.sources.varying import Symbols

__all__ = ["Divided", "Part", "Source", "parts_of"]


class Part(Protocol):
    """What is run and compared as one signature."""

    @property
    def samples(self) -> Samples | ArraySamples:
        """What it is run on."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """Outputs that are numbers or strings, which a LiteRT model does not return."""

    @property
    def reference_notes(self) -> tuple[str, ...]:
        """Known once it has run: what a reader must know of the reference."""

    def run(self, samples: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Compute the reference on ``samples``, which are like its own: every output, as ``"<sample>/<name>"``."""


class _Whole(Protocol):
    """What is compiled into one file."""

    converter: Converter
    """Which child lowers it."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def origin(self) -> str:
        """What it is, for the model's lineage."""

    def fingerprint(self) -> Fingerprint:
        """Return the key of compiling it."""

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the result must know."""

    def check(self) -> None:
        """Raise if it cannot be compiled."""

    def export(self, folder: Path) -> dict[str, Any]:
        """Write what the child needs into ``folder``, and return what to ask it: the payload of ``lower``."""


class Source(Part, _Whole, Protocol):
    """A source model of one signature."""

    samples: Samples

    @property
    def can_vary(self) -> bool:
        """Whether dimensions of its inputs can stay open."""

    @property
    def symbols(self) -> Symbols:
        """Its own names of dimensions that are open in it."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Known once it has run."""


class Divided(_Whole, Protocol):
    """A source model of several signatures, or one that is taken apart like those."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """The signatures by key; a single one may have the key ``""``."""


def parts_of(source: Source | Divided) -> Mapping[str, Part]:
    """Return the parts by signature key; a source of one signature has the key ``""``, whatever that is called."""
    parts: Mapping[str, Part] | None = getattr(source, "parts", None)
    return {"": cast("Source", source)} if parts is None else parts
