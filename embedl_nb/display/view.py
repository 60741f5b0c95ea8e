"""What a result says of itself, before anybody decides how it looks. Plain data: no HTML, no colours, no widths."""

from __future__ import annotations

from dataclasses import dataclass

from embedl_nb.units import Provenance

__all__ = ["Fact", "Table", "View"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under named columns; every cell is already text, as the user is to read it.

    Attributes
    ----------
    numeric
        Names of the columns that are aligned right.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value, e.g. ``Fact("peak memory", "44.1 MiB (measured)")``."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A result's own description.

    Attributes
    ----------
    headline
        One line that answers the question the user had; parts are separated by ``" | "``.
    provenance
        Where its numbers come from, shown beside the headline; ``None`` where there are no numbers.
    facts
        Labelled values, most important first.
    warnings
        Sentences that a reader must not miss.
    tables
        Rows worth reading.
    pictures
        Kinds of pure-SVG figures (see :mod:`embedl_nb.display.figures`) drawn with the result in HTML.
    figures
        Kinds of interactive figures, which a report shows in place of the pictures; by default those that are called as
        the pictures are, without their ``_svg``.
    unknown
        The closing line: what is still unknown.
    next_step
        The command that finds out, ready to be copied.
    """

    headline: str
    provenance: Provenance | None = None
    facts: tuple[Fact, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    unknown: str = ""
    next_step: str = ""
