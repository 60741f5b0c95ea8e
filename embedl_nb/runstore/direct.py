"""Reading a SQLite store without MLflow, whose import takes seconds: milliseconds for thousands of runs.

Only MLflow's oldest tables are looked at, never written. :class:`NotReadable` means that MLflow has to be asked.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from embedl_nb.runstore.rows import EXPERIMENT, METRICS, TAG_PREFIX, TAGS, row

__all__ = ["NotReadable", "latest_ids", "list_rows", "read_record"]

_BUSY_S = 2.0
_OURS = (
    "FROM runs JOIN experiments ON experiments.experiment_id = runs.experiment_id "
    "WHERE experiments.name = ? AND runs.lifecycle_stage = 'active'"
)
_LATEST = (
    "SELECT tags.value FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid "
    "WHERE tags.key = ? AND runs.lifecycle_stage = 'active' ORDER BY tags.value DESC LIMIT ?"
)


class NotReadable(Exception):
    """The file is locked, damaged, or not what this module knows."""


def list_rows(path: Path) -> list[dict[str, Any]]:
    """Return one row a run; none where there is no file yet.

    Raises
    ------
    NotReadable
        If MLflow has to be asked.
    """
    if not path.exists():
        return []
    with _reading(path) as connection:
        runs = connection.execute(f"SELECT run_uuid, start_time, status {_OURS}", (EXPERIMENT,)).fetchall()
        tags = _by_run(connection, "tags", TAGS)
        metrics = _by_run(connection, "latest_metrics", METRICS)
    return [
        row(tags[uuid], metrics[uuid], started_ms=started_ms, is_finished=status == "FINISHED")
        for uuid, started_ms, status in runs
        if f"{TAG_PREFIX}run_id" in tags[uuid]
    ]


def latest_ids(path: Path, limit: int, *, patience_s: float) -> list[str]:
    """Return our ids of the latest runs, newest first; none where there is no file yet.

    Raises
    ------
    NotReadable
        If MLflow has to be asked, or somebody writes to the file for longer than ``patience_s``.
    """
    if not path.exists():
        return []
    with _reading(path, patience_s) as connection:
        return [str(value) for (value,) in connection.execute(_LATEST, (f"{TAG_PREFIX}run_id", limit))]


def read_record(path: Path, run_id: str) -> dict[str, Any]:
    """Return the ``record.json`` of a run whose files are on this machine.

    Raises
    ------
    NotReadable
        If MLflow has to be asked.
    """
    query = (
        f"SELECT artifact_uri {_OURS} AND runs.run_uuid IN "  # noqa: S608 - constants
        "(SELECT run_uuid FROM tags WHERE key = ? AND value = ?)"
    )
    with _reading(path) as connection:
        found = connection.execute(query, (EXPERIMENT, f"{TAG_PREFIX}run_id", run_id)).fetchone()
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


def _by_run(connection: sqlite3.Connection, table: str, keys: tuple[str, ...]) -> defaultdict[str, dict[str, Any]]:
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    marks = ", ".join("?" * len(keys))
    query = f"SELECT run_uuid, key, value FROM {table} WHERE key IN ({marks})"  # noqa: S608 - constants
    for uuid, key, value in connection.execute(query, keys):
        found[uuid][key] = value
    return found
