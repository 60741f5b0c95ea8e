"""Results of any kind, by themselves, by run id or as the table of runs -> one HTML file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.display import Displayable, Table, View
from embedl_nb.errors import EmbedlError, InputError
from embedl_nb.pipeline.steps import load, runs
from embedl_nb.units import counted, format_bytes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RecordedRuns", "report"]

_MAX_RUNS = 100


def report(
    results: Displayable | str | pd.DataFrame | Sequence[Displayable | str] | None = None,
    path: str | Path = "embedl_nb_report.html",
) -> Path:
    """Write results to one HTML file that opens offline.

    Parameters
    ----------
    results
        One result or several, in the order they are to be read: models, benchmarks, comparisons, the ids of recorded
        runs; or rows of :func:`runs`. By default, all that this notebook has recorded since its kernel started.
    path
        The file to write; its folder is made.

    Returns
    -------
    Path
        Of the file written.

    Raises
    ------
    InputError
        If there is nothing to report, or more than 100 runs.
    UnknownNameError
        If there is no run of an id.

    Examples
    --------
    >>> enb.report([model, result], "report.html")  # doctest: +SKIP
    >>> enb.report(enb.runs().head(5))  # doctest: +SKIP
    """
    from embedl_nb.reports import write_report

    return write_report(_found(results), path)


def _found(results: Any) -> Any:
    import pandas as pd

    if results is None:
        return _of_runs(_of_this_session())
    if isinstance(results, pd.DataFrame):
        return _of_runs(results)
    if isinstance(results, str):
        if results.endswith(".html"):
            raise InputError(
                f"{results} is where to write, not what",
                hint=f"enb.report(path={results!r}), or give results before it",
            )
        return load(results)
    if isinstance(results, list | tuple):
        return [load(each) if isinstance(each, str) else each for each in results]
    return results


def _of_this_session() -> pd.DataFrame:
    """Return the runs that bear this notebook's name and began since this process did."""
    import pandas as pd
    import psutil

    from embedl_nb.runstore import source

    recorded = runs()
    began = pd.Timestamp(psutil.Process().create_time(), unit="s", tz="UTC")
    own = recorded[(recorded["notebook"] == source.describe().get("notebook", "")) & (recorded["started"] >= began)]
    if own.empty:
        raise InputError(
            "nothing was recorded here since the kernel started",
            hint="give what is to be reported: enb.report(result), or runs of before: enb.report(enb.runs().head())",
        )
    return own.iloc[::-1]  # as they were made


def _of_runs(frame: pd.DataFrame) -> list[Displayable]:
    """Return the table of runs, and each of them in its order."""
    if "run_id" not in frame.columns:
        raise InputError("this table has no column run_id", hint="give rows of enb.runs()")
    if frame.empty or len(frame) > _MAX_RUNS:
        raise InputError(
            f"a report shows 1 to {_MAX_RUNS} runs, not {len(frame)}",
            hint="choose rows: enb.report(enb.runs().head(20))",
        )
    found: dict[str, Displayable] = {}
    lost: dict[str, str] = {}
    for run_id in frame["run_id"].astype(str):
        try:
            found[run_id] = load(run_id)
        except EmbedlError as err:  # its model was removed, a newer version wrote it: the others are shown all the same
            lost[run_id] = str(err)
    return [RecordedRuns(rows=tuple(_row(run) for _, run in frame.iterrows()), lost=lost), *found.values()]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RecordedRuns(Displayable):
    """The table of runs that opens a report of them.

    Attributes
    ----------
    rows
        One a run: its values as they are read, by column.
    lost
        Why a run could not be shown, by its id.
    """

    rows: tuple[dict[str, str], ...]
    lost: dict[str, str]

    def _view(self) -> View:
        kinds = Counter(row["kind"] for row in self.rows)
        return View(
            headline=" | ".join(
                (
                    f"{counted(len(self.rows), 'recorded run')} of {_named({row['name'] for row in self.rows})}",
                    ", ".join(f"{number} {kind}" for kind, number in kinds.items()),
                )
            ),
            warnings=tuple(f"run {run_id} is not shown: {why}" for run_id, why in self.lost.items()),
            tables=(
                Table(
                    title="Recorded runs",
                    columns=tuple(self.rows[0]),
                    rows=tuple(tuple(row.values()) for row in self.rows),
                    numeric=("p50 ms", "p95 ms", "peak memory"),
                ),
            ),
        )


def _named(names: set[str]) -> str:
    first, *more = sorted(names)
    return first if not more else counted(len(names), "model")


def _row(run: pd.Series[Any]) -> dict[str, str]:
    started, memory = run["started"], run["peak_memory_bytes"]
    return {
        "run": run["run_id"],
        "kind": run["kind"],
        "name": run["name"],
        "precision": run["precision"],
        "device": run["device"],
        "p50 ms": _number(run["p50_ms"]),
        "p95 ms": _number(run["p95_ms"]),
        "peak memory": "" if math.isnan(memory) else format_bytes(memory),
        "numbers": run["provenance"],
        "started": f"{started:%Y-%m-%d %H:%M:%S}",
    }


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"
