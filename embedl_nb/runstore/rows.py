"""The table of runs as plain rows, and run ids completed from their beginning; the same wherever a run was found."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from typing import Any

from embedl_nb.errors import UnknownNameError
from embedl_nb.query import Kind
from embedl_nb.runstore.spool import Entry
from embedl_nb.runstore.summary import Summary, flatten

__all__ = [
    "COLUMNS",
    "COMMIT",
    "EXPERIMENT",
    "METRICS",
    "NAMES",
    "PARAMETERS",
    "ROW_METRICS",
    "SECOND",
    "SHORT_HASH",
    "TAGS",
    "TAG_PREFIX",
    "VIEW",
    "complete",
    "named",
    "row",
    "waiting_row",
    "when_recorded",
]

EXPERIMENT = "embedl_nb"
VIEW = "embedl_nb"
"""The key of the view of our runs that MLflow's page is opened with."""
TAG_PREFIX = "embedl_nb."
METRICS = ("p50_ms", "p95_ms", "peak_memory_bytes", "energy_mj")
ROW_METRICS = (*METRICS, "size_bytes")
PARAMETERS = {"compute_unit": "placement.got"}
"""What a row has of MLflow's parameters, and how they are called there."""
COMMIT = "mlflow.source.git.commit"
SHORT_HASH = 12
SECOND = len("20261122-170401")
"""What of an id is a second: within it a step follows its parent."""

COLUMNS = {
    "run_id": "run_id",
    "kind": "kind",
    "name": "name",
    "model": "model_sha256",
    "device": "device",
    "compute_unit": "compute_unit",
    "precision": "precision",
    "p50_ms": "p50_ms",
    "p95_ms": "p95_ms",
    "peak_memory_bytes": "peak_memory_bytes",
    "energy_mj": "energy_mj",
    "provenance": "provenance",
    "started": "started_ms",
    "parent": "parent_run_id",
    "status": "status",
    "notebook": "notebook",
    "git_commit": "git_commit",
    "git_dirty": "git_dirty",
    "imported_from": "imported_from",
}
"""What a reader calls a column of the table of runs, and its key in a row."""

NAMES: dict[str, str] = {
    **dict.fromkeys(COLUMNS, Kind.TEXT),
    **dict.fromkeys((*METRICS, "peak_memory_mib"), Kind.NUMBER),
    "started": Kind.TIME,
}
"""What may stand in a query for runs."""

_OWN = (
    *("run_id", "kind", *(field.name for field in fields(Summary))),
    *("parent_run_id", "notebook", "git_dirty", "imported_from"),
)
TAGS = (*(TAG_PREFIX + name for name in _OWN), COMMIT)


def row(
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    parameters: Mapping[str, str],
    *,
    started_ms: int | None,
    is_finished: bool,
) -> dict[str, Any]:
    """Return the row of a run in MLflow, from its :data:`TAGS`, :data:`ROW_METRICS` and :data:`PARAMETERS`."""
    return {
        **{name: tags.get(TAG_PREFIX + name, "") for name in _OWN},
        **{name: metrics.get(name) for name in ROW_METRICS},
        **{name: parameters.get(key, "") for name, key in PARAMETERS.items()},
        "git_commit": tags.get(COMMIT, ""),
        "started_ms": started_ms,
        "status": "recorded" if is_finished else "incomplete",
    }


def waiting_row(entry: Entry) -> dict[str, Any]:
    """Return the row of a result that no store has yet."""
    parameters, metrics = flatten(entry.result)
    return {
        **asdict(entry.summary),
        **{name: metrics.get(name) for name in ROW_METRICS},
        **{name: parameters.get(key, "") for name, key in PARAMETERS.items()},
        "run_id": entry.run_id,
        "kind": entry.kind,
        "parent_run_id": entry.parent_run_id or "",
        "notebook": entry.source.get("notebook", ""),
        "git_commit": entry.source.get("git_commit", ""),
        "git_dirty": "",
        "imported_from": entry.imported_from,
        "started_ms": entry.started_ms,
        "status": "waiting",
    }


def named(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row by the names of :data:`NAMES`, as a reader sees it."""
    memory = row["peak_memory_bytes"]
    return {
        **{name: row[key] for name, key in COLUMNS.items()},
        "model": str(row["model_sha256"])[:SHORT_HASH],
        "peak_memory_mib": None if memory is None else memory / 2**20,
    }


def when_recorded(row: Mapping[str, Any]) -> tuple[str, bool, str]:
    """Return what sorts runs by time: ids begin with a second, within which a step follows its parent."""
    run_id = str(row["run_id"])
    return run_id[:SECOND], bool(row["parent_run_id"]), run_id


def complete(wanted: str, known: Collection[str]) -> str:
    """Return the one id in ``known`` that is ``wanted`` or begins with it.

    Raises
    ------
    UnknownNameError
        If none or several do; ``candidates`` are the close ones.
    """
    if wanted in known:
        return wanted
    begin = sorted(run_id for run_id in known if wanted and run_id.startswith(wanted))
    if len(begin) == 1:
        return begin[0]
    if begin:
        raise UnknownNameError(
            f"{len(begin)} runs begin with {wanted!r}", candidates=tuple(begin), hint=f"one of: {', '.join(begin[:5])}"
        )
    error = UnknownNameError.among("run", wanted, known)
    if not error.candidates:
        error.hint = "embedl_nb.runs() lists them all" if known else "nothing is recorded yet"
    raise error
