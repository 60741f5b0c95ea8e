"""Where embedl_nb keeps its files, and the few settings that come from the environment.

``EMBEDL_NB_HOME`` moves everything to one folder. Without it, recorded runs and their models go to the user's data
folder and what can be made again goes to the cache folder. Nothing is created before it is needed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import stat
import sys
import tempfile
import warnings
from pathlib import Path

from embedl_nb.errors import EmbedlWarning, InputError

__all__ = ["cache_dir", "cache_limit_bytes", "data_dir", "log_dir", "repro_dir"]

_DEFAULT_CACHE_LIMIT_BYTES = 5 * 2**30


def data_dir() -> Path:
    """Return the folder of recorded runs and their models, created on first use."""
    return _writable(_base("data"))


def cache_dir() -> Path:
    """Return the folder of what can be made again (compiled models), created on first use."""
    return _writable(_base("cache"))


def log_dir() -> Path:
    """Return the folder of child processes' logs, created on first use."""
    path = cache_dir() / "logs"
    path.mkdir(parents=True, exist_ok=True)
    return path


def repro_dir() -> Path:
    """Return the folder of the scripts that failed compiles leave, created on first use."""
    path = cache_dir() / "repros"
    path.mkdir(parents=True, exist_ok=True)
    return path


def cache_limit_bytes() -> int:
    """Return the size above which the oldest cached models are removed (``EMBEDL_NB_CACHE_LIMIT``, e.g. ``2GiB``).

    Raises
    ------
    InputError
        If the variable does not hold a size.
    """
    text = os.environ.get("EMBEDL_NB_CACHE_LIMIT", "").strip()
    if not text:
        return _DEFAULT_CACHE_LIMIT_BYTES
    match = re.fullmatch(r"(\d+)\s*(KiB|MiB|GiB|B|)", text)
    if match is None:
        raise InputError(f"EMBEDL_NB_CACHE_LIMIT={text!r} is not a size", hint="write it like 500MiB or 2GiB")
    return int(match[1]) * {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[match[2]]


def _base(kind: str) -> Path:
    home = os.environ.get("EMBEDL_NB_HOME")
    if home:
        return Path(home).expanduser().absolute() / kind
    if sys.platform == "darwin":
        folder = {"data": "Application Support", "cache": "Caches"}[kind]
        return Path.home() / "Library" / folder / "embedl_nb"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(local) / "embedl_nb" / kind
    variable, fallback = {"data": ("XDG_DATA_HOME", ".local/share"), "cache": ("XDG_CACHE_HOME", ".cache")}[kind]
    return Path(os.environ.get(variable) or Path.home() / fallback).absolute() / "embedl_nb"


@functools.cache
def _writable(path: Path) -> Path:
    """Create ``path``, or say that it cannot be written and use a private temporary folder."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as err:
        substitute = _substitute(path)
        warnings.warn(
            f"{path} cannot be written ({err.strerror or err}); using {substitute}, which the system clears. "
            "Set EMBEDL_NB_HOME to a folder that can be written to keep results.",
            EmbedlWarning,
            stacklevel=4,
        )
        return substitute


def _substitute(path: Path) -> Path:
    """Return the same temporary folder in every process of this user: what errors point to is in there afterwards.

    Anybody can make a folder of that name before we do; one that is not ours alone is left, and a new one is made.
    """
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"embedl_nb-{path.name}-{digest}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        is_private = sys.platform == "win32" or (found.st_uid == os.getuid() and not found.st_mode & 0o077)
        if stat.S_ISDIR(found.st_mode) and is_private:
            return folder
    return Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
