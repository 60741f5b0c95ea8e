"""The models of recorded runs, kept by hash in the data folder: ``models/<sha256>.tflite``.

A compiled model comes from the cache and costs a hard link. A file of the user's is copied, because the user may write
into it later.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from pathlib import Path

from embedl_nb import config
from embedl_nb.errors import RunStoreError, UnknownNameError

__all__ = ["find", "keep"]

_HEX = re.compile(r"[0-9a-f]{4,64}")
_CHUNK_BYTES = 2**20
_SHOWN, _MOST_SHOWN = 12, 5


def keep(source: Path, sha256: str) -> Path:
    """Keep a model and return where.

    Parameters
    ----------
    sha256
        Its hash as the result states it; empty to take it from the file.

    Raises
    ------
    RunStoreError
        If the file is gone, is no longer the model of the result, or there is no room for it.
    """
    try:
        if not sha256:
            sha256 = _sha256(source)
        target = _folder() / f"{sha256}.tflite"
        if target.exists():
            if (source.exists() and target.samefile(source)) or _sha256(target) == sha256:
                return target
            target.unlink()  # damaged on disk, maybe together with the cached file it was a link of
        if source.absolute().is_relative_to(config.cache_dir().absolute()):
            with contextlib.suppress(OSError):  # another file system: copied below
                os.link(source, target)
                return target
        _copy(source, target, sha256)
    except OSError as err:
        raise RunStoreError(
            f"the model {source} cannot be kept in {config.data_dir() / 'models'}: {err.strerror or err}",
            hint="free space there, or save the model yourself with model.save(path)",
        ) from err
    return target


def find(sha256: str) -> Path:
    """Return the kept model with this hash; a unique beginning of four digits or more is enough.

    Raises
    ------
    UnknownNameError
        If there is none, or more than one begins so.
    """
    wanted = sha256.strip().lower()
    kept = [path for path in _folder().glob("*.tflite") if _HEX.fullmatch(wanted) and path.stem.startswith(wanted)]
    if len(kept) == 1:
        return kept[0]
    if kept:
        raise UnknownNameError(
            f"{len(kept)} kept models begin with {sha256!r}",
            candidates=tuple(path.stem for path in kept),
            hint=f"give more of its digits: {', '.join(path.stem[:_SHOWN] for path in kept[:_MOST_SHOWN])}",
        )
    raise UnknownNameError(
        f"no kept model has the hash {sha256[:12]!r} in {_folder()}",
        hint="compile it again, or look on the machine that recorded it",
    )


def _folder() -> Path:
    path = config.data_dir() / "models"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _copy(source: Path, target: Path, sha256: str) -> None:
    fd, temporary = tempfile.mkstemp(prefix=".copying-", dir=target.parent)
    try:
        digest = hashlib.sha256()
        with source.open("rb") as model, os.fdopen(fd, "wb") as copy:
            while chunk := model.read(_CHUNK_BYTES):
                digest.update(chunk)
                copy.write(chunk)
        if digest.hexdigest() != sha256:
            raise RunStoreError(
                f"{source} has changed since it was measured: it is no longer the model {sha256[:12]}",
                hint="measure it again",
            )
        os.replace(temporary, target)  # noqa: PTH105 - a name from mkstemp
    finally:
        Path(temporary).unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
