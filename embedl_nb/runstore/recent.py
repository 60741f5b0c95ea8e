"""The ids of the latest runs, at once: for Tab, which cannot wait for MLflow to be imported.

Reads the waiting files' names and, where the store is a SQLite file, MLflow's table of tags. Where that cannot be read
the ids are merely fewer.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from embedl_nb.runstore import spool
from embedl_nb.runstore.location import current_store

__all__ = ["recent_ids"]

_BUSY_S = 0.05
# Tables of MLflow's SQL store; a run's tags have the primary key (key, run_uuid).
_LATEST = (
    "SELECT tags.value FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid "
    "WHERE tags.key = 'embedl_nb.run_id' AND runs.lifecycle_stage = 'active' ORDER BY tags.value DESC LIMIT ?"
)


def recent_ids(limit: int = 50) -> list[str]:
    """Return the ids of the latest runs, newest first; at most ``limit``."""
    ids = {spool.run_id_of(path) for path in spool.paths()}
    file = current_store().sqlite_path
    if file is not None and file.exists():
        ids.update(_recorded(file, limit))
    return sorted(ids, reverse=True)[:limit]


def _recorded(file: Path, limit: int) -> list[str]:
    with (
        contextlib.suppress(sqlite3.Error),  # locked, not a database, another MLflow's tables: Tab offers fewer
        contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as connection,
    ):
        return [str(value) for (value,) in connection.execute(_LATEST, (limit,))]
    return []
