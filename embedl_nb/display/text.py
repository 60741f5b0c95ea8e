"""A View as plain text, for terminals, logs and ``print``: a headline first, nothing wider than a page."""

from __future__ import annotations

import textwrap
import unicodedata

from embedl_nb.display.view import Table, View

__all__ = ["render"]

_WIDTH = 110
_MAX_ROWS = 10
_MAX_CELL = 40
_MIN_CELL = 8
_GAP = "  "
_INDENT = "  "


def render(view: View) -> str:
    """Write ``view`` as text.

    Returns
    -------
    str
        Lines without a closing newline; the first is the headline, the last says what is unknown and what finds out.
        Control characters in names are shown escaped, so that a name cannot drive a terminal.
    """
    lines = [_clean(view.headline)]
    lines += _facts(view)
    lines += [line for warning in view.warnings for line in _wrapped(f"{_INDENT}! ", warning)]
    for table in view.tables:
        lines += ["", *_table(table)]
    closing = " ".join(
        part
        for part in (
            f"Still unknown: {_sentence(view.unknown)}" if view.unknown else "",
            f"Next: {_clean(view.next_step)}" if view.next_step else "",
        )
        if part
    )
    if closing:
        lines += ["", closing] if view.tables else [closing]
    return "\n".join(lines)


def _facts(view: View) -> list[str]:
    pairs = [(_clean(fact.label), fact.value) for fact in view.facts]
    if view.provenance is not None:
        pairs.insert(0, ("numbers are", str(view.provenance)))
    widest = max((_width(label) for label, _ in pairs), default=0)
    return [line for label, value in pairs for line in _wrapped(f"{_INDENT}{_pad(label, widest)}{_GAP}", value)]


def _wrapped(prefix: str, value: str) -> list[str]:
    """Wrap ``value`` behind ``prefix``; paths and commands are never broken inside."""
    wrapped = textwrap.wrap(
        _clean(value), max(20, _WIDTH - _width(prefix)), break_long_words=False, break_on_hyphens=False
    )
    rest = " " * _width(prefix)
    return [(rest if number else prefix) + line for number, line in enumerate(wrapped or [""])]


def _table(table: Table) -> list[str]:
    shown = [tuple(_clean(cell) for cell in row) for row in table.rows[:_MAX_ROWS]]
    widths = _column_widths(table, shown)
    numeric = [column in table.numeric for column in table.columns]

    def line(cells: tuple[str, ...]) -> str:
        parts = [
            _pad(_clip(cell, width), width, right=right)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        ]
        return (_INDENT + _GAP.join(parts)).rstrip()

    lines = [_clean(table.title)] if table.title else []
    lines += [line(tuple(_clean(column) for column in table.columns)), *(line(row) for row in shown)]
    if len(table.rows) > len(shown):
        lines.append(f"{_INDENT}... {len(table.rows) - len(shown)} more")
    if table.note:
        lines += _wrapped(_INDENT, table.note)
    return lines


def _column_widths(table: Table, rows: list[tuple[str, ...]]) -> list[int]:
    """Give each column what it needs, then take from the widest text column until the page is wide enough."""
    cells = list(zip(*(table.columns, *rows), strict=True))
    widths = [min(_MAX_CELL, max(_width(cell) for cell in column)) for column in cells]
    shrinkable = [place for place, column in enumerate(table.columns) if column not in table.numeric]
    room = _WIDTH - len(_INDENT) - len(_GAP) * (len(widths) - 1)
    while shrinkable and sum(widths) > room:
        widest = max(shrinkable, key=widths.__getitem__)
        if widths[widest] <= _MIN_CELL:
            break
        widths[widest] -= 1
    return widths


def _sentence(text: str) -> str:
    cleaned = _clean(text)
    return cleaned if cleaned.endswith((".", "?", "!")) else f"{cleaned}."


def _clean(text: str) -> str:
    """Make one printable line of ``text``: an escape sequence or a bidi override in a name becomes visible."""
    flat = text.replace("\n", " ").replace("\t", " ")
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode("ascii") for ch in flat)


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(ch) else 2 if unicodedata.east_asian_width(ch) in "WF" else 1 for ch in text)


def _clip(text: str, width: int) -> str:
    """Shorten the middle: the start of a name says what it is, its end says which one."""
    if _width(text) <= width:
        return text
    head = _beginning(text, (width - 1) // 2)
    tail = _beginning(text[::-1], width - 1 - _width(head))[::-1]
    return f"{head}…{tail}"


def _beginning(text: str, width: int) -> str:
    """Return as much of ``text`` as fits, in one look at each letter: an error may have a million."""
    left = width
    for place, ch in enumerate(text):
        left -= _width(ch)
        if left < 0:
            return text[:place]
    return text


def _pad(text: str, width: int, *, right: bool = False) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
