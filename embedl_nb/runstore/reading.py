"""Reading back what was recorded, in the kernel, without MLflow: the table of runs, one run, a run's model.

A SQLite store is read directly; any other is asked about through the recorder. What still waits for its store counts
as recorded, and is marked.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError, InputError, RunStoreError, SchemaTooNewError, UnknownNameError
from embedl_nb.query import Query, parse
from embedl_nb.runstore import direct, models, notices, spool
from embedl_nb.runstore.client import recorder
from embedl_nb.runstore.location import Store, current_store
from embedl_nb.runstore.rows import NAMES, SHORT_HASH, complete, named, waiting_row, when_recorded

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["find", "get", "known_ids", "maker_of", "model_path", "records", "runs"]

_PAGE = 200
_MOST = 2**63 - 1  # what SQLite counts up to
_WHOLE_HASH = re.compile(r"[0-9a-f]{64}")


def runs(query: str | None = None, *, limit: int | None = _PAGE) -> pd.DataFrame:
    """Return one row a run, newest first; results that still wait for their store have the status ``waiting``.

    Parameters
    ----------
    query
        ``'kind == "benchmark" and p50_ms < 10 and device ~ "S24"'``: what is to hold of the columns.
    limit
        How many rows at most; None for all. Where there are more, the table says so below.

    Raises
    ------
    InputError
        If the query cannot be read, or the limit is no count.
    UnknownNameError
        If the query names an unknown column; close ones are its candidates.

    Warns
    -----
    EmbedlWarning
        If the store cannot be read: the rows are then those that wait.
    """
    from embedl_nb.runstore.table import runs_table

    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= _MOST):
        raise InputError(f"limit={limit!r} is no number of runs", hint="give 1 or more, or None for all")
    page, problems = find(None if query is None else parse(query, NAMES), limit=limit)
    notices.tell(*problems)
    return runs_table([named(row) for row in page.rows], total=page.total)


def find(query: Query | None, *, limit: int | None) -> tuple[direct.Found, list[EmbedlError]]:
    """Return the newest runs that ``query`` holds of, recorded and waiting, and what could not be read of them."""
    waiting, problems = _waiting_rows()
    ids = {row["run_id"] for row in waiting}
    found = direct.Found(rows=[], total=0)
    try:
        found = _found(current_store(), query, limit=limit, leaving_out=ids)
    except EmbedlError as err:
        problems.append(err)
    if ids:
        recorder().wake(current_store())
    elif not problems:
        notices.forget()
    fitting = [row for row in waiting if query is None or query.matches(named(row))]
    rows = sorted([*fitting, *found.rows], key=when_recorded, reverse=True)[:limit]
    return direct.Found(rows=rows, total=len(fitting) + found.total), [*recorder().problems(), *problems]


def maker_of(sha256: str) -> dict[str, Any] | None:
    """Return the record of the latest step that made the model of this hash; None where none is recorded.

    Raises
    ------
    RunStoreError
        If the store cannot be read.
    """
    made = parse(f"model == '{sha256[:SHORT_HASH]}' and (kind == quantize or kind == compile)", NAMES)
    waiting, _ = _waiting_rows()
    fitting = [row for row in waiting if made.matches(named(row))]
    rows = [*fitting, *_found(current_store(), made, limit=None).rows]
    whole = [row for row in rows if row["model_sha256"] == sha256]
    return get(max(whole, key=when_recorded)["run_id"]) if whole else None


def get(run_id: str) -> dict[str, Any]:
    """Return what was recorded: ``run_id``, ``kind``, ``result`` and the circumstances.

    Parameters
    ----------
    run_id
        An id as ``record`` returned it, or its unique beginning.

    Raises
    ------
    UnknownNameError
        If no run, or more than one, has this id; ``candidates`` are the close ones.
    SchemaTooNewError
        If a newer embedl_nb wrote it.
    RunStoreError
        If the store cannot be read.
    """
    wanted = str(run_id).strip()
    store = current_store()
    waiting = {spool.run_id_of(path): path for path in spool.paths()}
    if wanted not in waiting:
        try:
            wanted = complete(wanted, _ids_like(wanted, store) | set(waiting))
        except UnknownNameError:
            raise
        except EmbedlError as err:
            wanted = _complete_without_store(wanted, waiting, err)
    if wanted in waiting:
        try:
            return spool.read(waiting[wanted]).to_record()
        except FileNotFoundError:
            pass  # recorded between the two looks
    return _recorded(wanted, store)


def records(run_ids: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return several records, as :func:`get` each; by default all, oldest first.

    Raises
    ------
    UnknownNameError, SchemaTooNewError, RunStoreError
        As :func:`get`.
    """
    store = current_store()
    known = known_ids()
    waiting = {spool.run_id_of(path): path for path in spool.paths()}
    wanted = sorted(known) if run_ids is None else [complete(run_id.strip(), known) for run_id in run_ids]
    found = []
    for run_id in dict.fromkeys(wanted):
        try:
            found.append(spool.read(waiting[run_id]).to_record())
        except (KeyError, FileNotFoundError):  # not waiting, or not any more
            found.append(_recorded(run_id, store))
    return found


def known_ids() -> set[str]:
    """Return the ids of all runs that are recorded or wait to be.

    Raises
    ------
    RunStoreError
        If the store cannot be read.
    """
    # What waits first: it may be recorded between the two looks.
    waiting = {spool.run_id_of(path) for path in spool.paths()}
    return waiting | _ids_like("", current_store())


def model_path(sha256: str) -> Path:
    """Return the kept model with this hash, or with this unique beginning of it.

    A model that is not on this machine is downloaded where it was uploaded with its run.

    Raises
    ------
    UnknownNameError
        If there is none.
    RunStoreError
        If the store cannot be asked for it.
    """
    try:
        return models.find(sha256)
    except UnknownNameError:
        store = current_store()
        if not store.is_remote or not _WHOLE_HASH.fullmatch(sha256):
            raise
        with tempfile.TemporaryDirectory() as folder:
            question = {"store": store.to_json(), "sha256": sha256, "folder": folder}
            found = recorder().ask("model", question)["path"]
            if not found:
                raise
            return models.keep(Path(found), sha256)


def _found(store: Store, query: Query | None, *, limit: int | None, leaving_out: Collection[str] = ()) -> direct.Found:
    """Return the recorded rows that ``query`` holds of: a SQLite file looks for them itself."""
    if store.sqlite_path is not None:
        try:
            return direct.find_rows(store.sqlite_path, query, limit=limit, leaving_out=leaving_out)
        except direct.NotReadable:
            pass  # MLflow knows how, or knows why not
    every: list[dict[str, Any]] = recorder().ask("rows", {"store": store.to_json()})["rows"]
    rows = [row for row in every if row["run_id"] not in leaving_out and (query is None or query.matches(named(row)))]
    return direct.Found(rows=sorted(rows, key=when_recorded, reverse=True)[:limit], total=len(rows))


def _ids_like(wanted: str, store: Store) -> set[str]:
    """Return the ids that begin with ``wanted``; all, among which are close ones, where none does."""
    if store.sqlite_path is not None:
        with contextlib.suppress(direct.NotReadable):  # as above
            return set(direct.ids_beginning(store.sqlite_path, wanted) or direct.ids_beginning(store.sqlite_path, ""))
    return {row["run_id"] for row in _found(store, None, limit=None).rows}


def _recorded(run_id: str, store: Store) -> dict[str, Any]:
    record: dict[str, Any] | None = None
    if store.sqlite_path is not None:
        with contextlib.suppress(direct.NotReadable):  # as above
            record = direct.read_record(store.sqlite_path, run_id)
    if record is None:
        record = recorder().ask("get", {"store": store.to_json(), "run_id": run_id})["record"]
    assert record is not None  # noqa: S101 - for the type checker: the recorder raises otherwise
    SchemaTooNewError.check(f"run {run_id}", record["schema_version"], spool.SCHEMA_VERSION)
    return record


def _complete_without_store(wanted: str, waiting: Mapping[str, Path], err: EmbedlError) -> str:
    begin = [name for name in waiting if wanted and name.startswith(wanted)]
    if len(begin) != 1:
        raise RunStoreError(f"run {wanted!r} cannot be looked up: {err.message}", hint=err.hint) from err
    return begin[0]


def _waiting_rows() -> tuple[list[dict[str, Any]], list[EmbedlError]]:
    rows: list[dict[str, Any]] = []
    problems: list[EmbedlError] = []
    for path in spool.paths():
        try:
            rows.append(waiting_row(spool.read(path)))
        except FileNotFoundError:
            continue  # recorded meanwhile
        except (InputError, SchemaTooNewError) as err:
            problems.append(err)
    return rows, problems
