"""Rows of runs -> a pandas frame that says below how many more there are. pandas loads with this module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pandas as pd

from embedl_nb.runstore.rows import COLUMNS, METRICS

__all__ = ["RunsTable", "runs_table"]


class RunsTable(pd.DataFrame):
    """One row a run; whatever is made of it is an ordinary frame."""

    num_more: int
    _metadata: ClassVar[list[str]] = ["num_more"]

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        return f"{super().__repr__()}{_note(self.num_more)}"

    def _repr_html_(self) -> str | None:
        table: str | None = super()._repr_html_()  # type: ignore[misc]  # pandas' stubs leave it out
        note = _note(self.num_more).strip()
        return f"{table}<p>{note}</p>" if table and note else table


def runs_table(rows: Sequence[Mapping[str, Any]], *, total: int) -> RunsTable:
    """Return the table of ``rows``, the first of ``total``."""
    frame = pd.DataFrame([{name: row[name] for name in COLUMNS} for row in rows], columns=list(COLUMNS))
    frame["started"] = pd.to_datetime(frame["started"], unit="ms", utc=True)
    table = RunsTable(frame.astype(dict.fromkeys(METRICS, "float64")))
    table.num_more = total - len(rows)
    return table


def _note(num_more: int) -> str:
    if not num_more:
        return ""
    return f"\n{num_more:,} more are older: enb.runs(query) finds some of them, enb.runs(limit=None) lists all"
