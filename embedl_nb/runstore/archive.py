"""Runs in one file: a zip of their records as JSON and of their models by hash. Written here, read from anybody.

What is read is not trusted: no name in it becomes a path, sizes are bounded before and while they are read, every model
is held against its hash, and nothing is taken over unless all of it is sound. Samples that runs were fed with are not
in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from embedl_nb import __version__
from embedl_nb.device import machine
from embedl_nb.errors import InputError, RunStoreError, SchemaTooNewError, UnknownNameError
from embedl_nb.runstore import models, spool
from embedl_nb.runstore.fields import wrong_field

__all__ = ["Archive", "write_archive"]

_FORMAT = 1
_HEADER = "export.json"
_RECORD = re.compile(r"runs/(?P<run_id>\d{8}-\d{6}-[0-9a-f]{4,16})\.json")
_MODEL = re.compile(r"models/(?P<sha256>[0-9a-f]{64})\.tflite")
_MOST_MEMBERS = 200_000
_LARGEST_RECORD_BYTES = 64 * 2**20
_LARGEST_MODEL_BYTES = 4 * 2**30
_LARGEST_TOTAL_BYTES = 32 * 2**30
_CHUNK_BYTES = 2**20
_LONGEST_HOST = 100


def write_archive(path: Path, records: Iterable[dict[str, Any]], *, with_models: bool) -> None:
    """Write ``records`` to ``path``, which appears whole or not at all.

    Raises
    ------
    InputError
        If ``path`` is a device or a pipe.
    RunStoreError
        If it cannot be written.
    """
    hashes: dict[str, None] = {}
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a file must not take a device's place
            raise InputError(f"{path} is not a regular file", hint="give the path of the file to write")
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(fd, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                header = {"format": _FORMAT, "host": machine.hostname(), "embedl_nb": __version__}
                archive.writestr(_HEADER, json.dumps(header))
                for record in records:
                    archive.writestr(f"runs/{record['run_id']}.json", json.dumps(record))
                    hashes[record["summary"]["model_sha256"]] = None
                files = _kept(hashes) if with_models else {}
                for sha256, file in files.items():
                    archive.write(file, f"models/{sha256}.tflite", zipfile.ZIP_STORED)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as err:
        raise RunStoreError(
            f"{path} cannot be written: {err.strerror or err}", hint="free space there, or give another path"
        ) from err


class Archive:
    """A file of runs, checked when it is opened.

    Parameters
    ----------
    path
        Of the file.

    Raises
    ------
    InputError
        If it is no such file, is damaged, or holds what does not belong into one.
    SchemaTooNewError
        If a newer embedl_nb wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as archive:
            members = {info.filename: info for info in archive.infolist()}
            self._check(members, num_members=len(archive.infolist()))
            header = self._json(archive, _HEADER)
        if not isinstance(header, dict) or not isinstance(header.get("format"), int):
            raise self._refused(f"its {_HEADER} is none")
        if header["format"] > _FORMAT:
            raise self._too_new()
        self.host = str(header.get("host", ""))[:_LONGEST_HOST] or "another host"
        self._records = [name for name in members if _RECORD.fullmatch(name)]
        self._models = {match["sha256"]: name for name in members if (match := _MODEL.fullmatch(name))}

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records, each checked to be one.

        Raises
        ------
        InputError, SchemaTooNewError
            As when it is opened.
        """
        with self._opened() as archive:
            for name in self._records:
                record = self._json(archive, name)
                if (wrong := wrong_field(record)) is not None:
                    raise self._refused(f"{name} is no record of a run: {wrong}")
                if record["schema_version"] > spool.SCHEMA_VERSION:
                    raise self._too_new()
                if f"runs/{record['run_id']}.json" != name:
                    raise self._refused(f"{name} is the record of another run")
                yield record

    def keep_models(self) -> int:
        """Keep the models that are not here yet; return how many were new.

        Raises
        ------
        InputError
            If one is not what its hash says; none is kept then.
        """
        with self._opened() as archive:
            new = [sha256 for sha256 in self._models if not _is_kept(sha256)]
            for sha256 in new:
                digest = self._digest(archive, sha256)
                if digest != sha256:
                    raise self._refused(f"the model {sha256[:12]} in it has another hash, {digest[:12]}")
            for sha256 in new:
                with tempfile.TemporaryDirectory(prefix="embedl_nb-import-") as folder:
                    file = Path(folder) / "model.tflite"
                    with file.open("wb") as target:
                        target.writelines(self._chunks(archive, sha256))
                    models.keep(file, sha256)
        return len(new)

    def _digest(self, archive: zipfile.ZipFile, sha256: str) -> str:
        digest = hashlib.sha256()
        for chunk in self._chunks(archive, sha256):
            digest.update(chunk)
        return digest.hexdigest()

    def _chunks(self, archive: zipfile.ZipFile, sha256: str) -> Iterator[bytes]:
        """Yield what the model of this hash holds: at most its stated size, which is what was checked."""
        name = self._models[sha256]
        left = archive.getinfo(name).file_size
        with archive.open(name) as stream:
            while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk

    @contextlib.contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except FileNotFoundError as err:
            raise InputError(f"there is no file {self.path}", hint="give the path that export-runs wrote") from err
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as err:
            raise self._refused(str(err)) from err

    def _check(self, members: dict[str, zipfile.ZipInfo], *, num_members: int) -> None:
        if _HEADER not in members:
            raise self._refused(f"it has no {_HEADER}")
        if num_members != len(members) or num_members > _MOST_MEMBERS:
            raise self._refused("it has the same name twice, or more members than any store has runs")
        total = 0
        for name, info in members.items():
            is_model = _MODEL.fullmatch(name) is not None
            if not is_model and name != _HEADER and not _RECORD.fullmatch(name):
                raise self._refused(f"{name[:80]!r} does not belong in it")
            if info.file_size > (_LARGEST_MODEL_BYTES if is_model else _LARGEST_RECORD_BYTES):
                raise self._refused(f"{name} is larger than any")
            total += info.file_size
        if total > _LARGEST_TOTAL_BYTES:
            raise self._refused("it unpacks to more than 32 GiB")

    def _json(self, archive: zipfile.ZipFile, name: str) -> Any:
        with archive.open(name) as stream:
            data = stream.read(_LARGEST_RECORD_BYTES + 1)
        if len(data) > _LARGEST_RECORD_BYTES:
            raise self._refused(f"{name} is larger than any")
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as err:
            raise self._refused(f"{name} cannot be read: {err}") from err

    def _refused(self, why: str) -> InputError:
        return InputError(
            f"{self.path} is no sound file of runs: {why}", hint="nothing was taken from it; export the runs again"
        )

    def _too_new(self) -> SchemaTooNewError:
        return SchemaTooNewError(f"{self.path} was written by a newer embedl_nb", hint="pip install -U embedl-nb")


def _kept(hashes: Iterable[str]) -> dict[str, Path]:
    found = {}
    for sha256 in hashes:
        with contextlib.suppress(UnknownNameError):  # deleted since: its runs are exported without it
            if sha256:
                found[sha256] = models.find(sha256)
    return found


def _is_kept(sha256: str) -> bool:
    with contextlib.suppress(UnknownNameError):
        models.find(sha256)
        return True
    return False
