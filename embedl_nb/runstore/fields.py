"""What the fields of a record have to be, whoever hands it in: an imported file, or one that waits."""

from __future__ import annotations

from typing import Any

__all__ = ["wrong_field"]

_NEEDED: dict[str, tuple[type, ...]] = {
    "run_id": (str,),
    "kind": (str,),
    "started_ms": (int,),
    "recorded_ms": (int,),
    "result": (dict,),
    "summary": (dict,),
    "schema_version": (int,),
}
_OPTIONAL: dict[str, tuple[type, ...]] = {
    "parent_run_id": (str, type(None)),
    "source": (dict,),
    "call": (dict,),
    "imported_from": (str,),
}
_LAST_MS = 253_402_300_800_000  # year 10000: no table shows a time from then on


def wrong_field(record: Any) -> str | None:
    """Say what makes this no record of a run; None where nothing does."""
    if not isinstance(record, dict):
        return f"it is a {type(record).__name__}"
    missing = next((name for name in _NEEDED if name not in record), None)
    if missing is not None:
        return f"{missing} is missing"
    for name, types in {**_NEEDED, **_OPTIONAL}.items():
        if name in record and type(record[name]) not in types:
            return f"{name} is a {type(record[name]).__name__}"
    return next(
        (f"{name} is no time" for name in ("started_ms", "recorded_ms") if not 0 <= record[name] < _LAST_MS), None
    )
