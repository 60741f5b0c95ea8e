"""Reading a SQLite store without MLflow, whose import takes seconds: milliseconds for thousands of runs.

Only MLflow's oldest tables are looked at, never written. :class:`NotReadable` means that MLflow has to be asked.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from embedl_nb.query import Query
from embedl_nb.runstore.rows import (
    COMMIT,
    EXPERIMENT,
    METRICS,
    PARAMETERS,
    ROW_METRICS,
    SHORT_HASH,
    TAG_PREFIX,
    TAGS,
    row,
    when_recorded,
)

__all__ = ["Found", "NotReadable", "find_rows", "ids_beginning", "latest_ids", "read_record"]

_BUSY_S = 2.0
# The key of the tags' index comes first: SQLite would otherwise look at every run, then for its tag.
_OURS = (
    "FROM tags AS id CROSS JOIN runs ON runs.run_uuid = id.run_uuid "
    "JOIN experiments ON experiments.experiment_id = runs.experiment_id "
    f"WHERE id.key = '{TAG_PREFIX}run_id' AND experiments.name = '{EXPERIMENT}' AND runs.lifecycle_stage = 'active'"
)
# Times are in the table of runs itself, which is read from one end to the other; only the latest are looked up.
_LATEST = (
    "SELECT tags.value FROM (SELECT run_uuid FROM runs "
    "JOIN experiments ON experiments.experiment_id = runs.experiment_id "
    "WHERE experiments.name = ? AND runs.lifecycle_stage = 'active' ORDER BY runs.start_time DESC LIMIT ?) AS latest "
    "JOIN tags ON tags.run_uuid = latest.run_uuid WHERE tags.key = ?"
)
_MANY = 1000


def _text(name: str, *, prefix: str = TAG_PREFIX) -> str:
    value = f"SELECT value FROM tags WHERE tags.run_uuid = runs.run_uuid AND tags.key = '{prefix}{name}'"  # noqa: S608
    return f"coalesce(({value}), '')"


def _metric(name: str) -> str:
    return f"(SELECT value FROM latest_metrics AS m WHERE m.run_uuid = runs.run_uuid AND m.key = '{name}')"  # noqa: S608 - constants


def _parameter(key: str) -> str:
    value = f"SELECT value FROM params WHERE params.run_uuid = runs.run_uuid AND params.key = '{key}'"  # noqa: S608 - constants
    return f"coalesce(({value}), '')"


_OWN = ("kind", "name", "device", "precision", "provenance", "notebook", "git_dirty", "imported_from")
_COLUMNS = {
    "run_id": "id.value",
    **{name: _text(name) for name in _OWN},
    **{name: _parameter(key) for name, key in PARAMETERS.items()},
    **{name: _metric(name) for name in METRICS},
    "model": f"substr({_text('model_sha256')}, 1, {SHORT_HASH})",
    "peak_memory_mib": f"({_metric('peak_memory_bytes')} / {2**20}.0)",
    "started": "runs.start_time",
    "parent": _text("parent_run_id"),
    "status": "CASE runs.status WHEN 'FINISHED' THEN 'recorded' ELSE 'incomplete' END",
    "git_commit": _text(COMMIT, prefix=""),
}
"""What each name of a query is in MLflow's tables."""


class NotReadable(Exception):
    """The file is locked, damaged, or not what this module knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of rows, newest first, and how many rows there are in all."""

    rows: list[dict[str, Any]]
    total: int


def find_rows(path: Path, query: Query | None, *, limit: int | None, leaving_out: Collection[str] = ()) -> Found:
    """Return the newest runs that ``query`` holds of, and how many there are in all.

    Parameters
    ----------
    query
        Its names are those of :data:`~embedl_nb.runstore.rows.NAMES`; its values become bound parameters.
    limit
        How many rows at most; None for all.
    leaving_out
        Run ids that are known already.

    Raises
    ------
    NotReadable
        If MLflow has to be asked.
    """
    if not path.exists():
        return Found(rows=[], total=0)
    where, parameters = ("1", []) if query is None else query.to_sql(_COLUMNS)
    select = (
        f"SELECT runs.run_uuid, runs.start_time, runs.status, count(*) OVER () {_OURS} "  # noqa: S608 - see to_sql
        f"AND id.value NOT IN (SELECT value FROM json_each(?)) AND {where} ORDER BY id.value DESC LIMIT ?"
    )
    with _reading(path) as connection:
        values = (json.dumps([*leaving_out]), *parameters, -1 if limit is None else limit)
        runs = connection.execute(select, values).fetchall()
        uuids = [uuid for uuid, *_ in runs]
        tags = _by_run(connection, "tags", TAGS, uuids)
        metrics = _by_run(connection, "latest_metrics", ROW_METRICS, uuids)
        params = _by_run(connection, "params", tuple(PARAMETERS.values()), uuids)
    rows = [
        row(tags[uuid], metrics[uuid], params[uuid], started_ms=started_ms, is_finished=status == "FINISHED")
        for uuid, started_ms, status, _ in runs
    ]
    rows.sort(key=when_recorded, reverse=True)
    return Found(rows=rows, total=runs[0][3] if runs else 0)


def ids_beginning(path: Path, begin: str) -> list[str]:
    """Return our ids of the runs that begin so; none where there is no file yet.

    Raises
    ------
    NotReadable
        If MLflow has to be asked.
    """
    if not path.exists():
        return []
    query = f"SELECT id.value {_OURS} AND substr(id.value, 1, ?) = ?"
    with _reading(path) as connection:
        return [str(value) for (value,) in connection.execute(query, (len(begin), begin))]


def latest_ids(path: Path, limit: int, *, patience_s: float) -> list[str]:
    """Return our ids of the runs that started last; none where there is no file yet.

    Raises
    ------
    NotReadable
        If MLflow has to be asked, or somebody writes to the file for longer than ``patience_s``.
    """
    if not path.exists():
        return []
    with _reading(path, patience_s) as connection:
        return [str(value) for (value,) in connection.execute(_LATEST, (EXPERIMENT, limit, f"{TAG_PREFIX}run_id"))]


def read_record(path: Path, run_id: str) -> dict[str, Any]:
    """Return the ``record.json`` of a run whose files are on this machine.

    Raises
    ------
    NotReadable
        If MLflow has to be asked.
    """
    with _reading(path) as connection:
        found = connection.execute(f"SELECT artifact_uri {_OURS} AND id.value = ?", (run_id,)).fetchone()
    if found is None or urlsplit(found[0]).scheme != "file":
        raise NotReadable(run_id)
    try:
        file = Path(url2pathname(urlsplit(found[0]).path)) / "record.json"
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise NotReadable(run_id) from err
    return record


@contextlib.contextmanager
def _reading(path: Path, patience_s: float = _BUSY_S) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=patience_s)
        ) as connection:
            yield connection
    except sqlite3.Error as err:
        raise NotReadable(str(err)) from err


def _by_run(
    connection: sqlite3.Connection, table: str, keys: tuple[str, ...], uuids: list[str]
) -> defaultdict[str, dict[str, Any]]:
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    query = f"SELECT run_uuid, key, value FROM {table} WHERE key IN ({', '.join('?' * len(keys))})"  # noqa: S608
    wanted: tuple[str, ...] = ()
    if len(uuids) <= _MANY:  # of most runs all are sooner read than each is looked up
        query += " AND run_uuid IN (SELECT value FROM json_each(?))"
        wanted = (json.dumps(uuids),)
    for uuid, key, value in connection.execute(query, (*keys, *wanted)):
        found[uuid][key] = value
    return found
