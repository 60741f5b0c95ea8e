"""Recording and reading back: what the pipeline calls, in the kernel, without MLflow.

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
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError, EmbedlWarning, InputError, RunStoreError, SchemaTooNewError, UnknownNameError
from embedl_nb.runstore import models, source, spool
from embedl_nb.runstore.client import recorder
from embedl_nb.runstore.location import Store, current_store
from embedl_nb.runstore.summary import flatten, summarize

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Flushed", "flush", "get", "idle", "model_path", "pausing", "record", "runs"]

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
    "provenance": "provenance",
    "started": "started_ms",
    "parent": "parent_run_id",
    "status": "status",
    "notebook": "notebook",
    "git_commit": "git_commit",
    "git_dirty": "git_dirty",
}
_SHORT_HASH = 12
_DRAIN_S = 30.0
_LAYER_TABLE = "layer_table"
_told: set[str] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """What :func:`flush` has come to.

    Attributes
    ----------
    num_waiting
        Results that are still in their files.
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

    Returns
    -------
    str
        The run id: sortable by time, usable at once in :func:`get`.

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
    )
    run_id = _spooled(entry, store, now)
    _tell()
    recorder().wake(store)
    _drain_at_exit_of_a_script()
    return run_id


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
        recorded = recorder().ask("rows", {"store": store.to_json()})["rows"]
    except EmbedlError as err:
        problems.append(err)
    ids = {row["run_id"] for row in waiting}
    if not ids:
        _told.clear()  # the store works: a later failure is news
    rows = sorted([*waiting, *(row for row in recorded if row["run_id"] not in ids)], key=_newest_first)
    _tell(*problems)
    if ids:
        recorder().wake(store)
    frame = pd.DataFrame([{new: row[old] for new, old in _COLUMNS.items()} for row in rows], columns=list(_COLUMNS))
    frame["model"] = frame["model"].astype(str).str[:_SHORT_HASH]
    frame["started"] = pd.to_datetime(frame["started"], unit="ms", utc=True)
    return frame.astype(dict.fromkeys(("p50_ms", "p95_ms", "peak_memory_bytes"), "float64"))


def get(run_id: str) -> dict[str, Any]:
    """Return what was recorded: ``run_id``, ``kind``, ``result`` and the circumstances.

    Parameters
    ----------
    run_id
        An id as :func:`record` returned it, or its unique beginning.

    Raises
    ------
    UnknownNameError
        If no run, or more than one, has this id; ``candidates`` are the close ones.
    RunStoreError
        If the store cannot be read.
    """
    wanted = str(run_id).strip()
    waiting = {spool.run_id_of(path): path for path in spool.paths()}
    if wanted not in waiting:
        question = {"store": current_store().to_json(), "run_id": wanted, "waiting": list(waiting)}
        try:
            answer = recorder().ask("get", question)
        except UnknownNameError:
            raise
        except EmbedlError as err:
            begin = [name for name in waiting if wanted and name.startswith(wanted)]
            if len(begin) != 1:
                raise RunStoreError(f"run {wanted!r} cannot be looked up: {err.message}", hint=err.hint) from err
            answer = {"run_id": begin[0], "record": None}
        if answer["record"] is not None:
            found: dict[str, Any] = answer["record"]
            return found
        wanted = answer["run_id"]
    try:
        return spool.read(waiting[wanted]).to_record()
    except FileNotFoundError:
        return get(wanted)  # recorded between the two looks


def model_path(sha256: str) -> Path:
    """Return the kept model with this hash, or with this unique beginning of it.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    return models.find(sha256)


def flush(timeout_s: float = 20.0) -> Flushed:
    """Have all waiting results recorded now, and wait for it up to ``timeout_s``.

    A result whose store does not work stays in its file; the sentence says why.
    """
    store = current_store()
    if spool.paths(store.fingerprint):
        recorder().wake(store, after_s=0)
        recorder().wait(timeout_s, drained=True)
    problems = recorder().problems()
    num_waiting = len(spool.paths())
    if not num_waiting:
        _tell(*problems)
        return Flushed(num_waiting=0, sentence="")
    _told.update(err.message for err in problems)
    why = f": {problems[-1].message}" if problems else ""
    return Flushed(num_waiting=num_waiting, sentence=_waiting_sentence(num_waiting) + why)


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


def _waiting_rows() -> tuple[list[dict[str, Any]], list[EmbedlError]]:
    rows: list[dict[str, Any]] = []
    problems: list[EmbedlError] = []
    for path in spool.paths():
        try:
            entry = spool.read(path)
        except FileNotFoundError:
            continue
        except (InputError, SchemaTooNewError) as err:
            problems.append(err)
            continue
        _, metrics = flatten(entry.result)
        rows.append(
            {
                **asdict(entry.summary),
                **{key: metrics.get(key) for key in ("p50_ms", "p95_ms", "peak_memory_bytes")},
                "run_id": entry.run_id,
                "kind": entry.kind,
                "started_ms": entry.started_ms,
                "parent_run_id": entry.parent_run_id or "",
                "notebook": entry.source.get("notebook", ""),
                "git_commit": entry.source.get("git_commit", ""),
                "git_dirty": "",
                "status": "waiting",
            }
        )
    return rows, problems


def _newest_first(row: Mapping[str, Any]) -> tuple[int, str]:
    return -int(row["started_ms"] or 0), str(row["run_id"])


def _tell(*problems: EmbedlError) -> None:
    """Warn of what the recorder met, once a process for each problem."""
    for err in (*recorder().problems(), *problems):
        if err.message in _told:
            continue
        _told.add(err.message)
        num_waiting = len(spool.paths())
        warnings.warn(
            f"{err}\n{_waiting_sentence(num_waiting)}" if num_waiting else str(err), EmbedlWarning, stacklevel=4
        )


def _waiting_sentence(num_waiting: int) -> str:
    what = "1 result waits" if num_waiting == 1 else f"{num_waiting} results wait"
    return f"{what} in {spool.folder()}; nothing is lost, and each is recorded when its store works"
