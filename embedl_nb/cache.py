"""Models by the key of what they were made from, compiled or quantized, in the user's cache folder.

An entry is one folder: ``model.tflite``, ``meta.json`` (what is known of it) and, for each set of samples it was
verified on, three files that begin with the samples' hash. Entries appear whole or not at all, are checked when they
are used, and leave least recently used first when the folder grows over its limit. It knows files, not compilers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedl_nb import config, progress
from embedl_nb.errors import CompileError, EmbedlWarning

__all__ = [
    "ANSWERS",
    "MODEL",
    "Entry",
    "Evidence",
    "add_evidence",
    "bypassed",
    "clear",
    "evidence_paths",
    "find",
    "is_bypassed",
    "locked",
    "publish",
    "remove_damaged",
    "write_meta",
]

MODEL, _META = "model.tflite", "meta.json"
ANSWERS = "placement"
"""The folder, beside the models, of what is known of models and is no model."""
_LOCKS = "locks"
_in_use: set[str] = set()
_bypassed: ContextVar[bool] = ContextVar("_bypassed", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a model on one set of samples.

    Attributes
    ----------
    parity
        A parity's record; None where the model was not verified on them.
    """

    samples_path: Path
    golden_path: Path
    parity: dict[str, Any] | None

    def moved_to(self, folder: Path) -> Evidence:
        """Return the same, after its files have moved."""
        samples_path, golden_path = folder / self.samples_path.name, folder / self.golden_path.name
        return Evidence(samples_path=samples_path, golden_path=golden_path, parity=self.parity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model in a folder of its own."""

    folder: Path
    meta: dict[str, Any]

    @property
    def model_path(self) -> Path:
        """The flatbuffer."""
        return self.folder / MODEL

    def evidence(self, samples_digest: str) -> Evidence | None:
        """Return what was verified on the samples with this hash, None where nothing was."""
        paths = _evidence_paths(self.folder, samples_digest)
        try:
            parity = json.loads(paths[2].read_bytes())
        except (OSError, ValueError):
            return None
        if not (paths[0].is_file() and paths[1].is_file()):
            return None
        return Evidence(samples_path=paths[0], golden_path=paths[1], parity=parity)


@contextlib.contextmanager
def bypassed() -> Iterator[None]:
    """Have everything made anew until the block ends; what is made is cached all the same."""
    token = _bypassed.set(True)
    try:
        yield
    finally:
        _bypassed.reset(token)


def is_bypassed() -> bool:
    """Say whether what was made before must not be used."""
    return _bypassed.get()


def find(key: str) -> Entry | None:
    """Return the entry of ``key``, None where there is none. A damaged one is removed first."""
    if is_bypassed():
        return None
    try:
        folder = _root() / key
    except OSError:
        return None
    try:
        meta = json.loads((folder / _META).read_bytes())
        content = (folder / MODEL).read_bytes()
    except FileNotFoundError:
        if folder.exists():
            _remove(folder)
        return None
    except (OSError, ValueError):
        remove_damaged(key)
        return None
    if not isinstance(meta, dict) or hashlib.sha256(content).hexdigest() != meta.get("sha256"):
        remove_damaged(key)
        return None
    with contextlib.suppress(OSError):  # a read-only cache still gives its models
        os.utime(folder / _META)
    _in_use.add(key)
    return Entry(folder=folder, meta=meta)


def remove_damaged(key: str) -> None:
    """Remove an entry that cannot be what was written, and say so."""
    progress.emit("cache", "a cached model is damaged; it is removed and made anew")
    _remove(_root() / key)


def write_meta(folder: Path, meta: dict[str, Any]) -> Entry:
    """Describe the model in ``folder``, which is an entry from then on; ``meta`` needs its ``sha256``."""
    (folder / _META).write_text(json.dumps(meta), encoding="utf-8")
    return Entry(folder=folder, meta=meta)


def add_evidence(entry: Entry, samples_digest: str, parity: dict[str, Any] | None) -> Evidence:
    """State the verdict on samples whose two files are in the entry (see :func:`evidence_paths`)."""
    samples_path, golden_path, parity_path = _evidence_paths(entry.folder, samples_digest)
    temporary = parity_path.with_name(f".{parity_path.name}-{uuid.uuid4().hex}")
    temporary.write_text(json.dumps(parity), encoding="utf-8")
    temporary.replace(parity_path)
    return Evidence(samples_path=samples_path, golden_path=golden_path, parity=parity)


def evidence_paths(folder: Path, samples_digest: str) -> tuple[Path, Path]:
    """Return where an entry keeps the samples with this hash and their golden outputs."""
    return _evidence_paths(folder, samples_digest)[:2]


def publish(key: str, built: Entry) -> Entry | None:
    """Copy a finished entry into the cache, in one step as others see it, and make room for it.

    Returns
    -------
    Entry or None
        None where the cache cannot take it (a full disk); the reason is warned of and ``built`` stays what it is.
    """
    staging: Path | None = None
    try:
        root = _root()
        staging = root / f".{key[:16]}-{uuid.uuid4().hex}"
        shutil.copytree(built.folder, staging)
        _remove(root / key)
        staging.replace(root / key)
    except OSError as err:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        warnings.warn(
            f"the model is not kept in the cache {config.cache_dir()}: {_reason(err)}. It is usable in this "
            "session; save it with model.save(path).",
            EmbedlWarning,
            stacklevel=4,
        )
        return None
    _in_use.add(key)
    _make_room(root)
    return Entry(folder=root / key, meta=built.meta)


def clear() -> int:
    """Remove every entry.

    Returns
    -------
    int
        Bytes freed.
    """
    root = _root()
    freed = 0
    answers = config.cache_dir() / ANSWERS
    for folder in [*(path for path in root.iterdir() if path.is_dir() and path.name != _LOCKS), answers]:
        freed += _size(folder)
        _remove(folder)
    _in_use.clear()
    return freed


@contextlib.contextmanager
def locked(key: str, *, timeout_s: float) -> Iterator[None]:
    """Hold the right to make the entry of ``key``; one process makes it, others wait and then find it.

    Raises
    ------
    CompileError
        If another process holds it for longer than ``timeout_s``.
    """
    import filelock

    lock: Any = None
    try:
        folder = _root() / _LOCKS
        folder.mkdir(exist_ok=True)
        lock = filelock.FileLock(folder / f"{key}.lock", is_singleton=False, thread_local=False)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        progress.emit("wait", "waiting for another process that makes the same model")
        try:
            lock.acquire(timeout=timeout_s, poll_interval=0.1)
        except filelock.Timeout as err:
            raise CompileError(
                f"another process has been making the same model for more than {timeout_s:g} s",
                hint="look for it, or give timeout_s more time",
            ) from err
    except OSError:
        lock = None  # a full disk or a folder without locks: work done twice is better than none
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _reason(err: OSError) -> str:
    if isinstance(err, shutil.Error):  # a list of (from, to, why)
        return str(err.args[0][0][2])
    return err.strerror or str(err)


def _root() -> Path:
    root = config.cache_dir() / "models"
    root.mkdir(parents=True, exist_ok=True)
    return root


def _evidence_paths(folder: Path, samples_digest: str) -> tuple[Path, Path, Path]:
    stem = samples_digest[:32]
    return folder / f"{stem}.samples.npz", folder / f"{stem}.golden.npz", folder / f"{stem}.parity.json"


def _make_room(root: Path) -> None:
    """Remove the least recently used entries until the cache is within its limit; this session's own stay."""
    for leftover in root.glob(".*-*"):  # of a process that was killed while it published
        if leftover.stat().st_mtime < time.time() - 3600:
            _remove(leftover)
    entries = [path for path in root.iterdir() if (path / _META).is_file()]
    sizes = {path: _size(path) for path in entries}
    total, limit = sum(sizes.values()), config.cache_limit_bytes()
    for path in sorted(entries, key=_last_use):
        if total <= limit:
            return
        if path.name not in _in_use:
            _remove(path)
            total -= sizes[path]


def _last_use(folder: Path) -> float:
    try:
        return (folder / _META).stat().st_mtime
    except OSError:  # another process has just removed it
        return 0.0


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def _remove(folder: Path) -> None:
    """Remove a folder; it is out of sight at once, as a whole."""
    if not folder.exists():
        return
    doomed = folder.with_name(f".removed-{uuid.uuid4().hex}")
    try:
        folder.replace(doomed)
    except OSError:
        doomed = folder
    shutil.rmtree(doomed, ignore_errors=True)
