"""The log file of a child: opened where it can be, read through its own handle, pruned when it is old.

A full disk, a read-only home or a folder that somebody removes costs the log, never the run.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

from embedl_nb import config

__all__ = ["ChildLog", "own_log_since", "own_log_size_bytes"]

_KEPT_LOGS = 50
_TAIL_BYTES = 16 * 1024


class ChildLog:
    """What a child writes on its standard error (and native code on its standard output).

    Parameters
    ----------
    name
        Start of the file's name: the child's module.
    """

    def __init__(self, name: str) -> None:
        self.path, self.fd = _open(name)
        self._is_closed = False

    def size_bytes(self) -> int:
        """Return how much has been written; 0 where there is no log."""
        return 0 if self._is_closed else os.fstat(self.fd).st_size

    def tail(self, *, since_bytes: int = 0) -> str:
        """Return the end of what was written after ``since_bytes``; also when the file was removed meanwhile."""
        if self._is_closed:
            return ""
        try:
            os.lseek(self.fd, max(since_bytes, self.size_bytes() - _TAIL_BYTES), os.SEEK_SET)
            return os.read(self.fd, _TAIL_BYTES).decode(errors="replace")
        except OSError:
            return ""  # no log could be opened, or its disk is gone: the run's own error is what matters

    def close(self) -> None:
        """Close the parent's handle; the file stays."""
        if not self._is_closed:
            self._is_closed = True
            os.close(self.fd)


def _open(name: str) -> tuple[Path, int]:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for folder in (config.log_dir, lambda: Path(tempfile.gettempdir())):
        try:
            directory = folder()
            _prune(directory)
            fd, path = tempfile.mkstemp(prefix=f"embedl_nb-{name}-{stamp}-", suffix=".log", dir=directory)
            os.close(fd)
            # Append mode, because parent and child share the file: reading the tail must not move the child's position.
            return Path(path), os.open(path, os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except OSError:
            continue  # no room or no such folder here: the next one, and in the end no log at all
    return Path(os.devnull), os.open(os.devnull, os.O_RDWR)


def _prune(directory: Path) -> None:
    logs = sorted(directory.glob("embedl_nb-*.log"), key=_modified, reverse=True)
    for old in logs[_KEPT_LOGS - 1 :]:
        with contextlib.suppress(OSError):  # gone already, or on Windows still open elsewhere
            old.unlink()


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process pruned it first
        return 0.0


def own_log_size_bytes() -> int:
    """In a child: return how much has been written to its log so far; 0 where there is none."""
    try:
        return os.fstat(2).st_size
    except OSError:
        return 0


def own_log_since(start_bytes: int) -> str:
    """In a child: return what native code and others have written to its log after ``start_bytes``."""
    try:
        os.lseek(2, start_bytes, os.SEEK_SET)
        return os.read(2, 2**20).decode(errors="replace")
    except OSError:
        return ""  # standard error is a pipe or a terminal: somebody runs the child by hand
