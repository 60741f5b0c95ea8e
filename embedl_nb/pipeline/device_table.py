"""What can measure a model now, as a table that words or a query narrow down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedl_nb.query import Kind, Query, is_condition, parse

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NAMES", "devices_table"]

_COUNTED = ("num_cores", "memory_mib")
_TEXTS = ("address", "name", "state", "soc", "cpu", "os", "compute_units", "next_step")
NAMES = {**dict.fromkeys(_TEXTS, Kind.TEXT), **dict.fromkeys(_COUNTED, Kind.NUMBER)}


def devices_table(query: str | None) -> pd.DataFrame:
    """Return the devices of which ``query`` holds, or whose row has its words; a query is read before any is asked."""
    import pandas as pd

    from embedl_nb.device import list_devices

    asked = parse(query, NAMES) if query is not None and is_condition(query) else None
    words = (query or "").casefold().split() if asked is None else []
    rows = [device.to_row() for device in list_devices()]
    fitting = [row for row in rows if _fits(row, asked, words)]
    frame = pd.DataFrame(fitting, columns=list(rows[0]))  # this machine is always one of them
    return frame.astype(dict.fromkeys(_COUNTED, "Int64"))  # unknown of some


def _fits(row: dict[str, Any], asked: Query | None, words: list[str]) -> bool:
    if asked is not None:
        return asked.matches(row) is True
    text = " ".join(str(value) for value in row.values()).casefold()
    return all(word in text for word in words)
