"""A source seen through something: whatever is not changed is the inner source's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedl_nb.compiler.sources.source import Source
    from embedl_nb.compiler.sources.varying import Symbols

__all__ = ["WrappedSource"]


class WrappedSource:
    """A source that does what its inner one does; to be inherited from, with ``fingerprint``, ``run`` and samples."""

    def __init__(self, source: Source) -> None:
        self._inner = source
        self.converter = source.converter
        self.samples = source.samples

    @property
    def can_vary(self) -> bool:
        """Whether dimensions of its inputs can stay open."""
        return self._inner.can_vary

    @property
    def symbols(self) -> Symbols:
        """See :class:`~embedl_nb.compiler.sources.source.Source`."""
        return self._inner.symbols

    @property
    def name(self) -> str:
        """What to call it."""
        return self._inner.name

    @property
    def origin(self) -> str:
        """What it is, for the model's lineage."""
        return self._inner.origin

    @property
    def output_names(self) -> tuple[str, ...]:
        """Known once it has run."""
        return self._inner.output_names

    @property
    def dropped(self) -> tuple[str, ...]:
        """Outputs that are numbers or strings."""
        return self._inner.dropped

    @property
    def reference_notes(self) -> tuple[str, ...]:
        """Known once it has run."""
        return self._inner.reference_notes

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the result must know."""
        return self._inner.notes()

    def check(self) -> None:
        """Raise if it cannot be compiled."""
        self._inner.check()

    def export(self, folder: Path) -> dict[str, Any]:
        """Write what the child needs."""
        return self._inner.export(folder)
