"""All rows of the store for whoever looks at them for long: read again only where the store may have changed.

A SQLite file and the folder of waiting files say by their times and names whether anybody, in this process or in
another, has recorded or deleted something. Any other store is read again only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedl_nb.errors import EmbedlError, RunStoreError
from embedl_nb.runstore import notices, reading, spool
from embedl_nb.runstore.location import current_store
from embedl_nb.runstore.rows import when_recorded

__all__ = ["Listing", "list_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Every run there is.

    Attributes
    ----------
    rows
        Newest first, by the keys of :data:`~embedl_nb.runstore.rows.COLUMNS`.
    problems
        Why some of them, or all, could not be read.
    store
        Where they are, without passwords.
    """

    rows: list[dict[str, Any]]
    problems: tuple[EmbedlError, ...]
    store: str
    _stamp: tuple[object, ...]

    @property
    def by_id(self) -> Mapping[str, dict[str, Any]]:
        """The rows by their run's id."""
        return {row["run_id"]: row for row in self.rows}


def list_all(before: Listing | None = None, *, is_asked_for: bool = True) -> Listing:
    """Return all runs; ``before`` itself where nothing can have changed since.

    Parameters
    ----------
    is_asked_for
        Whether somebody waits for news: a store that cannot tell is then read again.
    """
    # Before the rows: what changes while they are read is seen the next time.
    stamp, can_tell = _stamp()
    if before is not None and before._stamp == stamp and (can_tell or not is_asked_for):
        return before
    page, problems = reading.find(None, limit=None)
    notices.mark_told(*problems)
    rows = page.rows
    if before is not None and any(type(each) is RunStoreError for each in problems):  # it is down: what was, stays
        here = {row["run_id"] for row in rows}
        rows = sorted(
            [*rows, *(row for row in before.rows if row["run_id"] not in here)], key=when_recorded, reverse=True
        )
    return Listing(rows=rows, problems=tuple(problems), store=current_store().label, _stamp=stamp)


def _stamp() -> tuple[tuple[object, ...], bool]:
    """Return what changes with the store, and whether it surely does."""
    store = current_store()
    path = store.sqlite_path
    names = tuple(path.name for path in spool.paths())
    if path is None:
        return (store.fingerprint, names), False
    files = tuple(_state(each) for each in (path, Path(f"{path}-wal")))
    return (store.fingerprint, names, files), True


def _state(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
