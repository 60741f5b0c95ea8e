"""A phone's file system: a folder of this machine for what is pushed, and what the system shows, which is in memory.

Paths are resolved as text and no link is followed, so nothing outside the folder can be named. A shell may write under
``/data/local/tmp`` and ``/sdcard`` only, and run only what is under the former.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import posixpath
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["TMP", "FileWriter", "PhoneFiles"]

TMP = "/data/local/tmp"
_WRITABLE = (TMP, "/sdcard")
_OWNER_MAY = {True: 0o700, False: 0o600}  # this program itself must always get at its files


class PhoneFiles:
    """The files of one phone.

    Parameters
    ----------
    root
        The folder for what is pushed, under the phone's own paths.

    Attributes
    ----------
    free_bytes
        How much more fits.
    denied
        Paths that a shell sees and may not read.
    """

    def __init__(self, root: Path, *, free_bytes: int) -> None:
        self.free_bytes = free_bytes
        self._root = root
        self.denied: frozenset[str] = frozenset()
        self._system: dict[str, bytes] = {}
        self._folders: dict[str, set[str]] = {"/": set()}
        self._links: dict[str, str] = {}
        self._started_s = time.time()
        for folder in _WRITABLE:
            self.here(folder).mkdir(parents=True, exist_ok=True)
            self._note_folder(folder)

    def absolute(self, path: str, cwd: str = "/") -> str:
        """Return a path of the phone without ``.`` and ``..``."""
        return posixpath.normpath("/" + posixpath.join(cwd, path)).replace("//", "/")

    def here(self, path: str) -> Path:
        """Return where the phone's ``path`` is on this machine, if it was pushed.

        Raises
        ------
        OSError
            If no file can have this name.
        """
        if "\0" in path:
            raise _error(errno.EINVAL, path)
        return self._root / self.absolute(path).lstrip("/")

    def provide(self, path: str, text: str) -> None:
        """Show a file of the system's there."""
        folder = posixpath.dirname(path)
        self._note_folder(folder)
        self._folders[folder].add(posixpath.basename(path))
        self._system[path] = text.encode()

    def provide_link(self, path: str, target: str) -> None:
        """Show a file there that is listed as a link; nothing follows it."""
        self.provide(path, "")
        self._links[path] = target

    def withdraw(self, folder: str) -> None:
        """Take a folder of the system's away."""
        self._folders[posixpath.dirname(folder)].discard(posixpath.basename(folder))
        for each in self._folders.pop(folder):
            del self._system[f"{folder}/{each}"]
            self._links.pop(f"{folder}/{each}", None)

    def link_target(self, path: str) -> str | None:
        """Return what a link points to; None for what is no link."""
        return self._links.get(path)

    def stat(self, path: str) -> os.stat_result:
        """Return what is known of a file.

        Raises
        ------
        OSError
            If there is none.
        """
        absolute = self.absolute(path)
        here = self.here(path)
        if absolute in self._system:
            return self._system_stat(stat.S_IFREG | 0o444, len(self._system[absolute]))
        if absolute in self._folders and not here.exists():
            return self._system_stat(stat.S_IFDIR | 0o755, 4096)
        return here.stat()

    def exists(self, path: str) -> bool:
        """Say whether there is a file or folder."""
        try:
            self.stat(path)
        except OSError:
            return False
        return True

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, in order.

        Raises
        ------
        OSError
            If it is none.
        """
        absolute, here = self.absolute(path), self.here(path)
        if absolute in self._system:
            raise _error(errno.ENOTDIR, path)
        names = set(self._folders.get(absolute, ()))
        if absolute not in self._folders or here.is_dir():
            names |= {entry.name for entry in here.iterdir()}
        return sorted(names)

    def read_blocks(self, path: str, size: int) -> Iterator[bytes]:
        """Return a file's content, piece by piece.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        absolute, here = self.absolute(path), self.here(path)
        if absolute in self.denied:
            raise _error(errno.EACCES, path)
        if absolute in self._folders:
            raise _error(errno.EISDIR, path)
        if absolute in self._system:
            yield self._system[absolute]
            return
        with here.open("rb") as file:
            while block := file.read(size):
                yield block

    def writer(self, path: str, *, append: bool = False) -> FileWriter:
        """Begin a file; folders on the way to it are made.

        Raises
        ------
        OSError
            If a shell may not write there.
        """
        self._check_writable(path)
        here = self.here(path)
        if here.is_dir() or path.endswith("/"):
            raise _error(errno.EISDIR, path)
        if not append:
            self.free_bytes += here.stat().st_size if here.exists() else 0
        return FileWriter(self, here, append=append)

    def make_folder(self, path: str, *, parents: bool) -> None:
        """Make a folder.

        Raises
        ------
        OSError
            If that is not allowed, or there is one.
        """
        if parents and self.here(path).is_dir():
            return
        self._check_writable(path)
        self.here(path).mkdir(parents=parents, exist_ok=parents)

    def remove(self, path: str, *, recursive: bool) -> None:
        """Remove a file, or a whole folder.

        Raises
        ------
        OSError
            If it is not there, or may not be removed.
        """
        self._check_writable(path, itself=False)
        here = self.here(path)
        if not here.is_dir():
            self.free_bytes += here.stat().st_size
            here.unlink()
            return
        if not recursive:
            raise _error(errno.EISDIR, path)
        self.free_bytes += sum(file.stat().st_size for file in here.rglob("*") if file.is_file())
        shutil.rmtree(here)

    def move(self, source: str, target: str) -> None:
        """Rename a file.

        Raises
        ------
        OSError
            If it is not there, or may not be moved.
        """
        self._check_writable(source, itself=False)
        self._check_writable(target)
        here = self.here(target)
        if here.is_dir():
            here = here / posixpath.basename(source)
        self.here(source).replace(here)

    def set_mode(self, path: str, mode: int) -> None:
        """Set permissions.

        Raises
        ------
        OSError
            If it is not there, or not a shell's.
        """
        here = self.here(path)
        here.stat()
        self._check_writable(path, itself=False)
        here.chmod(mode | _OWNER_MAY[here.is_dir()])

    def may_run(self, path: str) -> bool:
        """Say whether a file may be run."""
        return self.absolute(path).startswith(f"{TMP}/") and bool(self.stat(path).st_mode & stat.S_IXUSR)

    def matching(self, pattern: str, cwd: str) -> list[str]:
        """Return the paths that fit a pattern with ``*``, as they would be written; none if nothing does."""
        found = ["/" if pattern.startswith("/") else ""]
        for part in (part for part in pattern.split("/") if part):
            found = [f"{before}{name}/" for before in found for name in self._names(before, part, cwd)]
        return [path.rstrip("/") for path in found if path not in ("", "/")]

    def _names(self, before: str, part: str, cwd: str) -> list[str]:
        folder = self.absolute(before, cwd)
        if "*" not in part:
            return [part] if self.exists(f"{folder}/{part}") else []
        if not stat.S_ISDIR(self.stat(folder).st_mode):
            return []
        hidden = part.startswith(".")
        return [n for n in self.names(folder) if fnmatch.fnmatchcase(n, part) and (hidden or not n.startswith("."))]

    def _check_writable(self, path: str, *, itself: bool = True) -> None:
        absolute = self.absolute(path)
        if any(absolute.startswith(f"{folder}/") or (itself and absolute == folder) for folder in _WRITABLE):
            return
        raise _error(errno.EACCES if self.exists(path) else errno.EROFS, path)

    def _note_folder(self, path: str) -> None:
        """Remember a folder of the system's, and those it is in."""
        if path not in self._folders:
            before = posixpath.dirname(path)
            self._note_folder(before)
            self._folders[before].add(posixpath.basename(path))
            self._folders[path] = set()

    def _system_stat(self, mode: int, size: int) -> os.stat_result:
        return os.stat_result((mode, 1, 1, 1, 0, 0, size, self._started_s, self._started_s, self._started_s))


class FileWriter:
    """A file that is being written, as long as the phone has room."""

    def __init__(self, files: PhoneFiles, path: Path, *, append: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files, self._path = files, path
        self._file = path.open("ab" if append else "wb", buffering=0)
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Add to it.

        Raises
        ------
        OSError
            If the phone is full.
        """
        if len(data) > self._files.free_bytes:
            raise _error(errno.ENOSPC, self._path.name)
        self._files.free_bytes -= len(data)
        self._size += len(data)
        self._file.write(data)

    def close(self) -> None:
        """End it."""
        self._file.close()

    def discard(self) -> None:
        """End it and leave nothing behind."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._files.free_bytes += self._size


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
