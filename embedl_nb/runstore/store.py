"""Recording: what the pipeline calls, in the kernel, without MLflow.

:func:`record` writes a file and returns; the recorder does the rest in the background. Every call has the files that
still wait tried again, and says once what stands in their way.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from embedl_nb.errors import EmbedlWarning, RunStoreError
from embedl_nb.runstore import models, notices, source, spool
from embedl_nb.runstore.client import recorder
from embedl_nb.runstore.location import Store, current_store
from embedl_nb.runstore.reading import get, known_ids
from embedl_nb.runstore.summary import summarize

__all__ = ["Flushed", "flush", "idle", "pausing", "prepare_store", "record", "take_over"]

_DRAIN_S = 30.0
_LAYER_TABLE = "layer_table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """What :func:`flush` has come to.

    Attributes
    ----------
    num_waiting
        Results for the present store that are still in their files.
    sentence
        What to tell the user; empty where nothing waits.
    """

    num_waiting: int
    sentence: str


def record(
    kind: str,
    record: Mapping[str, Any],
    *,
    model_path: Path | None = None,
    parent_run_id: str | None = None,
    tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    pictures: Mapping[str, str] | None = None,
    call: Mapping[str, Any] | None = None,
) -> str:
    """Record a result; it is safe on disk when this returns, and in MLflow soon after.

    Parameters
    ----------
    kind
        The step: ``"compile"``, ``"benchmark"``.
    record
        The result as plain data. Its ``layer_table`` also becomes the table ``layers``.
    model_path
        The model that the step made or used. It is kept by the hash that the record states; a remote store gets a copy
        only where ``EMBEDL_NB_UPLOAD_MODELS=1``.
    parent_run_id
        The run that this one builds on.
    tables, pictures
        Rows, and SVG or HTML text, by name: files of the run.
    call
        What was asked for, as plain data, so that the step can be done again.

    Returns
    -------
    str
        The run id: sortable by time, usable at once in ``get``.

    Raises
    ------
    RunStoreError
        If the result cannot even be written to its file; the result itself is unharmed.
    InputError
        If the record is not plain data.

    Warns
    -----
    EmbedlWarning
        If the model could not be kept, or if earlier results still wait for their store.
    """
    store = current_store()
    summary = summarize(record)
    now = datetime.now(UTC)
    entry = spool.Entry(
        run_id="",
        kind=kind,
        store=store.label,
        started_ms=_started_ms(record, now),
        recorded_ms=_milliseconds(now),
        result=dict(record),
        summary=summary,
        source=source.describe(),
        parent_run_id=parent_run_id,
        tables=_tables(record, tables or {}),
        pictures=dict(pictures or {}),
        model_file=_kept(model_path, summary.model_sha256, store),
        call=dict(call or {}),
    )
    run_id = _spooled(entry, store, now)
    notices.tell(*recorder().problems())
    recorder().wake(store)
    _drain_at_exit_of_a_script()
    return run_id


def take_over(
    records: Sequence[Mapping[str, Any]], *, pictures: Mapping[str, Mapping[str, str]], host: str
) -> tuple[list[str], list[str], list[str]]:
    """Record the runs of another host under their own ids.

    Parameters
    ----------
    records
        As :func:`~embedl_nb.runstore.reading.get` returns them.
    pictures
        SVG or HTML text by name, by run id.
    host
        Where they were exported.

    Returns
    -------
    lists of str
        Ids that are new, that were here already, and that are those of other runs here.

    Raises
    ------
    RunStoreError
        If the store cannot be read, or a record not be written.
    """
    store = current_store()
    new: list[str] = []
    here: list[str] = []
    taken: list[str] = []
    known = known_ids()
    for record in records:
        run_id = record["run_id"]
        if run_id in known:
            (here if get(run_id)["result"] == record["result"] else taken).append(run_id)
            continue
        with contextlib.suppress(FileExistsError):  # another import has just brought it
            entry = _foreign(record, store, host=host, pictures=pictures[run_id])
            spool.write(entry, fingerprint=store.fingerprint)
            new.append(run_id)
    recorder().wake(store)
    _drain_at_exit_of_a_script()
    return new, here, taken


def flush(timeout_s: float = 20.0) -> Flushed:
    """Have all waiting results recorded now, and wait for it up to ``timeout_s``.

    A result whose store does not work stays in its file; the sentence says why.
    """
    store = current_store()
    if spool.paths(store.fingerprint):
        recorder().wake(store, after_s=0)
        recorder().wait(timeout_s, drained=True)
    problems = recorder().problems()
    num_waiting = len(spool.paths(store.fingerprint))
    if not num_waiting:
        notices.tell(*problems)
        return Flushed(num_waiting=0, sentence="")
    notices.mark_told(*problems)
    why = f": {problems[-1].message}" if problems else ""
    return Flushed(num_waiting=num_waiting, sentence=notices.waiting_sentence(num_waiting) + why)


def idle(timeout_s: float = 10.0) -> bool:
    """Wait until nothing is being recorded; False where ``timeout_s`` was not enough."""
    return recorder().wait(timeout_s, drained=False)


@contextlib.contextmanager
def pausing() -> Iterator[None]:
    """Keep the recorder from working until the block ends: something is being measured."""
    with recorder().pausing():
        yield


def prepare_store() -> tuple[Store, str]:
    """Make sure that the present store exists; return it with the id of our experiment in it (empty where none is).

    Raises
    ------
    RunStoreError
        If it cannot be opened.
    """
    store = current_store()
    answer = recorder().ask("prepare", {"store": store.to_json()})
    return store, str(answer["experiment_id"])


@functools.cache
def _drain_at_exit_of_a_script() -> None:
    """Register the last flush of a process that nobody sits at; a kernel leaves it to its next session."""
    if "ipykernel" not in sys.modules and not hasattr(sys, "ps1"):
        atexit.register(_drain)


def _drain() -> None:
    if recorder().has_work and sys.stderr.isatty():
        sys.stderr.write("embedl_nb: recording; Ctrl-C leaves it for the next time\n")
    with contextlib.suppress(KeyboardInterrupt):
        recorder().wait(_DRAIN_S, drained=True)
        for err in recorder().problems():
            sys.stderr.write(f"embedl_nb: a result waits to be recorded: {err.message}\n")


def _spooled(entry: spool.Entry, store: Store, now: datetime) -> str:
    while True:
        run_id = spool.new_run_id(now)
        with contextlib.suppress(FileExistsError):  # two results of one second drew the same id
            spool.write(replace(entry, run_id=run_id), fingerprint=store.fingerprint)
            return run_id


def _kept(path: Path | None, sha256: str, store: Store) -> str:
    """Keep the model; return the file to upload, which is none unless the user asked for that."""
    if path is None:
        return ""
    try:
        kept = models.keep(Path(path), sha256)
    except RunStoreError as err:
        warnings.warn(f"the run is recorded without its model: {err}", EmbedlWarning, stacklevel=4)
        return ""
    is_wanted = os.environ.get("EMBEDL_NB_UPLOAD_MODELS", "").strip().lower() in ("1", "true", "yes")
    return str(kept) if is_wanted and store.is_remote else ""


def _foreign(record: Mapping[str, Any], store: Store, *, host: str, pictures: Mapping[str, str]) -> spool.Entry:
    """Make an entry of a record of another host; only what is known here is taken, and no folder of it is asked."""
    result = record["result"]
    described = {str(key): str(value) for key, value in record.get("source", {}).items() if key != "git_folder"}
    return spool.Entry(
        run_id=record["run_id"],
        kind=record["kind"],
        store=store.label,
        started_ms=int(record["started_ms"]),
        recorded_ms=int(record["recorded_ms"]),
        result=result,
        summary=summarize(result),
        source=described,
        parent_run_id=record.get("parent_run_id"),
        tables=_tables(result, {}),
        pictures=dict(pictures),
        call=record.get("call", {}),
        imported_from=record.get("imported_from") or host,
    )


def _tables(
    record: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    found = {"layers": record[_LAYER_TABLE]} if record.get(_LAYER_TABLE) else {}
    return {name: [dict(row) for row in rows] for name, rows in {**found, **tables}.items()}


def _started_ms(record: Mapping[str, Any], now: datetime) -> int:
    environment = record.get("environment")
    started = environment.get("started_at") if isinstance(environment, Mapping) else None
    try:
        return _milliseconds(datetime.fromisoformat(str(started))) if started else _milliseconds(now)
    except ValueError:
        return _milliseconds(now)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
