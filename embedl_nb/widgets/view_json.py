"""A result's View as plain JSON: the browser makes elements of it, in which every text is text."""

from __future__ import annotations

from typing import Any

from embedl_nb.display import View
from embedl_nb.units import Provenance

__all__ = ["view_json"]

_MOST_ROWS = 200


def view_json(view: View) -> dict[str, Any]:
    """Return what ``view`` says; of long tables the first rows, and how many more there are."""
    provenance = view.provenance
    return {
        "headline": view.headline,
        "provenance": "" if provenance in (None, Provenance.MEASURED) else str(provenance),
        "facts": [[fact.label, fact.value] for fact in view.facts],
        "warnings": list(view.warnings),
        "tables": [
            {
                "title": table.title,
                "columns": list(table.columns),
                "numeric": list(table.numeric),
                "rows": [list(row) for row in table.rows[:_MOST_ROWS]],
                "numMore": max(0, len(table.rows) - _MOST_ROWS),
                "note": table.note,
            }
            for table in view.tables
        ],
        "unknown": view.unknown,
        "nextStep": view.next_step,
    }
