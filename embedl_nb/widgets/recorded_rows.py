"""Recorded runs as the rows of the run browser: plain JSON, in which a word that many runs share stands once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from embedl_nb.runstore import Listing

__all__ = ["changes_since", "compact_rows"]

_VALUES = ("run_id", "started_ms", "p50_ms", "p95_ms", "peak_memory_bytes", "energy_mj", "size_bytes")
_NAMES = ("model_sha256", "parent_run_id")
_WORDS = (
    *("kind", "name", "device", "compute_unit", "precision", "provenance"),
    *("status", "imported_from", "notebook", "git_commit"),
)
_SHORT_HASH = 12

Row = Mapping[str, Any]


def compact_rows(rows: Iterable[Row]) -> dict[str, Any]:
    """Return ``{"columns": [...], "words": [...], "rows": [[value, ..., place of a word, ...], ...]}``."""
    places: dict[str, int] = {}
    compact = [
        [
            *(_rounded(row[name]) for name in _VALUES),
            str(row["model_sha256"])[:_SHORT_HASH],
            row["parent_run_id"],
            *(places.setdefault(str(row[name]), len(places)) for name in _WORDS),
        ]
        for row in rows
    ]
    return {
        "columns": [*_VALUES, *_NAMES, *_WORDS],
        "numWords": len(_WORDS),
        "words": list(places),
        "rows": compact,
    }


def changes_since(before: Listing, after: Listing) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows that are new or not as they were, and the ids of those that are gone."""
    known, now = before.by_id, after.by_id
    changed = [row for row in after.rows if known.get(row["run_id"]) != row]
    return changed, [run_id for run_id in known if run_id not in now]


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value
