"""Results on their way into the store: one JSON file each, complete or not there at all.

A file is written before :func:`embedl_nb.runstore.store.record` returns and removed by the recorder once MLflow has
it. Its name carries the run id and the store it is meant for; a result never goes to another store than that.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from embedl_nb import config
from embedl_nb.errors import InputError, RunStoreError, SchemaTooNewError
from embedl_nb.runstore.fields import wrong_field
from embedl_nb.runstore.summary import Summary

__all__ = [
    "SCHEMA_VERSION",
    "Entry",
    "folder",
    "new_run_id",
    "paths",
    "read",
    "run_id_of",
    "set_aside",
    "write",
]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One result as it waits.

    Attributes
    ----------
    started_ms, recorded_ms
        Unix time in ms.
    source
        Where it was made: notebook, git commit, user.
    result
        What the result's ``to_record`` returned.
    tables
        Rows by name; each becomes a CSV file of the run.
    pictures
        SVG or HTML text by name.
    model_file
        The kept model, for a store that is to get a copy; empty where there is none.
    call
        What the step was asked for, by which it is done again; empty in records of before 0.2.
    imported_from
        The host that exported it; empty for a run of this one.
    """

    run_id: str
    kind: str
    store: str
    started_ms: int
    recorded_ms: int
    result: dict[str, Any]
    summary: Summary
    source: dict[str, str] = field(default_factory=dict)
    parent_run_id: str | None = None
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    model_file: str = ""
    call: dict[str, Any] = field(default_factory=dict)
    imported_from: str = ""
    schema_version: int = SCHEMA_VERSION

    def to_record(self) -> dict[str, Any]:
        """Return what is kept with the run and handed back by ``get``: all but the tables and pictures."""
        hidden = ("tables", "pictures", "model_file", "store")
        return {key: value for key, value in asdict(self).items() if key not in hidden}


def folder() -> Path:
    """Return the folder of the waiting files."""
    path = config.data_dir() / "spool"
    path.mkdir(parents=True, exist_ok=True)
    return path


def new_run_id(now: datetime) -> str:
    """Make an id that sorts by time: ``20261122-170401-3f9ac81e`` (UTC).

    Writers of one server share nothing else, and the store takes a second run of the same id for a repeat: four digits
    lost two of 2,000 runs.
    """
    return f"{now.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def write(entry: Entry, *, fingerprint: str) -> Path:
    """Write ``entry`` so that it survives a crash of the machine.

    Raises
    ------
    RunStoreError
        If it cannot be written; the message names the folder. Nothing is left behind.
    FileExistsError
        If its id is taken.
    InputError
        If the result holds something that is not JSON.
    """
    try:
        text = json.dumps(asdict(entry), default=_plain)
    except (TypeError, ValueError) as err:
        raise InputError(f"the result of this {entry.kind} cannot be written as JSON: {err}") from err
    temporary: str | None = None
    try:
        target = folder() / f"{entry.run_id}.{fingerprint}.json"
        fd, temporary = tempfile.mkstemp(prefix=".writing-", dir=target.parent)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, target)
    except FileExistsError:
        raise
    except OSError as err:
        raise RunStoreError(
            f"the result cannot be written to {config.data_dir() / 'spool'}: {err.strerror or err}",
            hint="free space there, or set EMBEDL_NB_HOME to a folder with room",
        ) from err
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - a name from mkstemp
    return target


def paths(fingerprint: str | None = None, *, within: Path | None = None) -> list[Path]:
    """Return the files that wait (``within`` a folder of an earlier call), oldest first.

    Only those meant for one store where its fingerprint is given.
    """
    ending = f".{fingerprint}.json" if fingerprint else ".json"
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(within or folder()) as entries:
        for item in entries:
            if item.name.endswith(ending) and not item.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):  # recorded meanwhile
                    found.append((item.stat().st_mtime_ns, item.name, Path(item.path)))
    return [path for *_, path in sorted(found)]


def run_id_of(path: Path) -> str:
    """Return the run id in a waiting file's name."""
    return path.name.split(".", 1)[0]


def read(path: Path) -> Entry:
    """Read a waiting file.

    Raises
    ------
    FileNotFoundError
        If it was recorded meanwhile.
    SchemaTooNewError
        If a newer embedl_nb wrote it.
    InputError
        If it is damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        SchemaTooNewError.check(str(path), data["schema_version"], SCHEMA_VERSION)
        if (wrong := wrong_field(data)) is not None:
            raise ValueError(wrong)
        return Entry(**{**data, "summary": Summary(**data["summary"])})
    except (ValueError, TypeError, KeyError) as err:
        raise InputError(f"{path} is damaged: {err}", hint="look at it; it was not deleted") from err


def set_aside(path: Path) -> Path:
    """Move a damaged file out of the way, and return where it is now."""
    target = path.parent / "damaged" / path.name
    target.parent.mkdir(exist_ok=True)
    return path.replace(target)


def _publish(temporary: str, target: Path) -> None:
    try:
        os.link(temporary, target)  # unlike a rename, refuses to replace another result
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(target) from None
        os.replace(temporary, target)  # noqa: PTH105 - a name from mkstemp
    _sync_folder(target.parent)


def _sync_folder(path: Path) -> None:
    with contextlib.suppress(OSError):  # Windows cannot open folders; the file itself is safe
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _plain(value: object) -> object:
    """Make JSON of what a record may hold besides plain data: paths and numpy's scalars."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    item = getattr(value, "item", None)
    if callable(item):
        return item()
    raise TypeError(f"a {type(value).__name__} is not plain data")
