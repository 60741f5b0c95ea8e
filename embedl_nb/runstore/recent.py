"""The ids of the latest runs, at once: for Tab, which cannot wait for MLflow to be imported.

Reads the waiting files' names and, where the store is a SQLite file, that file. Where it cannot be read the ids are
merely fewer.
"""

from __future__ import annotations

import contextlib

from embedl_nb.runstore import direct, spool
from embedl_nb.runstore.location import current_store

__all__ = ["recent_ids"]

_PATIENCE_S = 0.05


def recent_ids(limit: int = 50) -> list[str]:
    """Return the ids of the latest runs, newest first; at most ``limit``."""
    ids = {spool.run_id_of(path) for path in spool.paths()}
    file = current_store().sqlite_path
    if file is not None:
        with contextlib.suppress(direct.NotReadable):  # locked, not a database, another MLflow's tables
            ids.update(direct.latest_ids(file, limit, patience_s=_PATIENCE_S))
    return sorted(ids, reverse=True)[:limit]
