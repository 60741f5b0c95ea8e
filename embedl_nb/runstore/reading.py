"""Reading back what was recorded, in the kernel, without MLflow: the table of runs, one run, a run's model.

A SQLite store is read directly; any other is asked about through the recorder. What still waits for its store counts
as recorded, and is marked.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError, InputError, RunStoreError, SchemaTooNewError, UnknownNameError
from embedl_nb.runstore import direct, models, notices, spool
from embedl_nb.runstore.client import recorder
from embedl_nb.runstore.location import Store, current_store
from embedl_nb.runstore.rows import METRICS, complete, waiting_row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["get", "known_ids", "model_path", "records", "runs"]

_SECOND = len("20261122-170401")
_COLUMNS = {
    "run_id": "run_id",
    "kind": "kind",
    "name": "name",
    "model": "model_sha256",
    "device": "device",
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
}
_SHORT_HASH = 12
_WHOLE_HASH = re.compile(r"[0-9a-f]{64}")


def runs() -> pd.DataFrame:
    """Return one row a run, newest first; results that still wait for their store have the status ``waiting``.

    Warns
    -----
    EmbedlWarning
        If the store cannot be read: the rows are then those that wait.
    """
    import pandas as pd

    store = current_store()
    waiting, problems = _waiting_rows()
    recorded: list[dict[str, Any]] = []
    try:
        recorded = _recorded_rows(store)
    except EmbedlError as err:
        problems.append(err)
    ids = {row["run_id"] for row in waiting}
    rows = sorted([*waiting, *(row for row in recorded if row["run_id"] not in ids)], key=_when_recorded, reverse=True)
    if ids:
        recorder().wake(store)
    elif not problems:
        notices.forget()
    notices.tell(*recorder().problems(), *problems)
    frame = pd.DataFrame([{new: row[old] for new, old in _COLUMNS.items()} for row in rows], columns=list(_COLUMNS))
    frame["model"] = frame["model"].astype(str).str[:_SHORT_HASH]
    frame["started"] = pd.to_datetime(frame["started"], unit="ms", utc=True)
    return frame.astype(dict.fromkeys(METRICS, "float64"))


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
            wanted = complete(wanted, {row["run_id"] for row in _recorded_rows(store)} | set(waiting))
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
    return waiting | {row["run_id"] for row in _recorded_rows(current_store())}


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


def _recorded_rows(store: Store) -> list[dict[str, Any]]:
    if store.sqlite_path is not None:
        try:
            return direct.list_rows(store.sqlite_path)
        except direct.NotReadable:
            pass  # MLflow knows how, or knows why not
    rows: list[dict[str, Any]] = recorder().ask("rows", {"store": store.to_json()})["rows"]
    return rows


def _recorded(run_id: str, store: Store) -> dict[str, Any]:
    record: dict[str, Any] | None = None
    if store.sqlite_path is not None:
        with contextlib.suppress(direct.NotReadable):  # as above
            record = direct.read_record(store.sqlite_path, run_id)
    if record is None:
        record = recorder().ask("get", {"store": store.to_json(), "run_id": run_id})["record"]
    assert record is not None  # noqa: S101 - for the type checker: the recorder raises otherwise
    if record["schema_version"] > spool.SCHEMA_VERSION:
        raise SchemaTooNewError(f"run {run_id} was recorded by a newer embedl_nb", hint="pip install -U embedl-nb")
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


def _when_recorded(row: Mapping[str, Any]) -> tuple[str, bool, str]:
    """Return what sorts runs by time: ids begin with a second, within which a step follows its parent."""
    run_id = str(row["run_id"])
    return run_id[:_SECOND], bool(row["parent_run_id"]), run_id
