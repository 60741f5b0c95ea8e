"""What the doctor looks at, one function a check. Each returns what it found and, where something is missing, the fix.

A check never raises for what it looks for: that is its finding. Nothing heavy is imported: versions are read from the
installed packages' metadata, and the runtime is tried in its own process.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from embedl_nb import config
from embedl_nb.errors import EmbedlError, RunStoreError
from embedl_nb.imports import is_installed
from embedl_nb.pipeline.platforms import Platform
from embedl_nb.units import format_bytes

__all__ = [
    "COMPILER",
    "KERAS",
    "ONNX",
    "QUANTIZER",
    "RUNTIME",
    "Check",
    "Requirement",
    "Status",
    "check_browser",
    "check_compiler",
    "check_cpu",
    "check_folder",
    "check_keras",
    "check_memory",
    "check_notebook",
    "check_onnx",
    "check_python",
    "check_quantizer",
    "check_run_store",
    "check_runtime",
    "folders",
]

_NEWEST_PYTHON = (3, 14)
_LITTLE_DISK_BYTES = 2**30
_LITTLE_MEMORY_BYTES = 2 * 2**30
_STORE_TIMEOUT_S = 1.0
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Works, but something will surprise."""
    MISSING = "missing"
    """Does not work until it is fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding.

    Attributes
    ----------
    found
        What is there, or what is wrong.
    fix
        One command or action; empty where all is well.
    """

    name: str
    status: Status
    found: str
    fix: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether nothing stands in the way; a warning does not."""
        return self.status is not Status.MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A package and the versions that are known to work: ``at_least <= version < below``, any newer one without."""

    package: str
    at_least: str
    below: str = ""
    install: str

    @property
    def pinned(self) -> str:
        """The argument of pip that installs it, quoted for a shell."""
        return f"'{self.package}>={self.at_least}" + (f",<{self.below}'" if self.below else "'")

    def check(self, name: str) -> Check:
        """Compare with what is installed."""
        try:
            version = importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return Check(name=name, status=Status.MISSING, found=f"{self.package} is not installed", fix=self.install)
        is_new = _numbers(version) >= _numbers(self.at_least)
        if is_new and (not self.below or _numbers(version) < _numbers(self.below)):
            return Check(name=name, status=Status.OK, found=f"{self.package} {version}")
        wanted = f"between {self.at_least} and {self.below}" if self.below else f"{self.at_least} or newer"
        return Check(
            name=name,
            status=Status.MISSING,
            found=f"{self.package} {version} is not {wanted}",
            fix=f"pip install {self.pinned}",
        )


_INSTALL_TORCH = "pip install 'embedl-nb[torch]'"
RUNTIME = Requirement(package="ai-edge-litert", at_least="2.3", below="2.4", install="pip install embedl-nb")
COMPILER = (
    Requirement(package="torch", at_least="2.9", below="2.14", install=_INSTALL_TORCH),
    Requirement(package="litert-torch", at_least="0.10", below="0.11", install=_INSTALL_TORCH),
    Requirement(package="litert-converter", at_least="0.5", below="0.6", install=_INSTALL_TORCH),
)
_INSTALL_ONNX = "pip install 'embedl-nb[onnx]'"
ONNX = (
    Requirement(package="onnx", at_least="1.17", install=_INSTALL_ONNX),
    Requirement(package="onnxruntime", at_least="1.20", install=_INSTALL_ONNX),
)
KERAS = (Requirement(package="tensorflow", at_least="2.18", install="pip install 'embedl-nb[keras]'"),)
QUANTIZER = Requirement(
    package="ai-edge-quantizer", at_least="0.10", below="0.11", install="pip install 'embedl-nb[quantize]'"
)


def check_python() -> Check:
    """Check the interpreter; the runtime has wheels for some versions only."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] > _NEWEST_PYTHON:
        newest = ".".join(str(part) for part in _NEWEST_PYTHON)
        return Check(
            name="python",
            status=Status.WARNING,
            found=f"{version}: the runtime's wheels are known up to {newest}",
            fix=f"use Python {newest}",
        )
    return Check(name="python", status=Status.OK, found=f"{version} in {sys.prefix}")


def check_runtime(row: Platform) -> Check:
    """Check the LiteRT runtime: its version, and that a model of one operator runs in a process of its own."""
    if not row.cpu.is_available:
        fix = "use a platform that has one: Linux, macOS on Apple silicon, or Windows on x86-64"
        return Check(name="runtime", status=Status.MISSING, found=f"{row.cpu.reason} on {row.name}", fix=fix)
    installed = RUNTIME.check("runtime")
    if not installed.is_ok:
        return installed
    import numpy as np

    from embedl_nb.model import as_model

    reinstall = f"pip install --force-reinstall {RUNTIME.pinned}"
    try:
        one = np.ones((1, 4), np.float32)
        outputs = as_model(Path(__file__).with_name("probe.tflite"))(one, one)
    except EmbedlError as err:
        found = f"{installed.found} does not run a model: {err.message}"
        return Check(name="runtime", status=Status.MISSING, found=found, fix=err.hint or reinstall)
    if any(float(value.sum()) != 8.0 for value in outputs.values()):
        found = f"{installed.found} adds 1 and 1 wrongly"
        return Check(name="runtime", status=Status.MISSING, found=found, fix=reinstall)
    return Check(name="runtime", status=Status.OK, found=f"{installed.found}, runs a model in its own process")


def check_compiler(row: Platform) -> Check:
    """Check all that turning a PyTorch model into a LiteRT model needs."""
    if not row.compile.is_available:
        return Check(
            name="compiler",
            status=Status.MISSING,
            found=f"{row.compile.reason} for {row.name}",
            fix="compile on Linux x86-64 or macOS arm64, and measure the .tflite file here",
        )
    return _check_all("compiler", COMPILER)


def check_onnx(row: Platform) -> Check | None:
    """Check what compiling an ONNX model needs besides the compiler; None where that cannot be had."""
    return _check_all("onnx", ONNX) if row.onnx.is_available else None


def check_keras(row: Platform) -> Check | None:
    """Check what compiling a Keras model or a SavedModel needs; None where that cannot be had."""
    return _check_all("keras", KERAS) if row.keras.is_available else None


def check_quantizer(row: Platform) -> Check | None:
    """Check what quantizing needs; where there is no runtime, that is said once."""
    return QUANTIZER.check("quantizer") if row.quantize.is_available else None


def check_notebook() -> Check:
    """Look for a kernel and a page to open notebooks with."""
    if not is_installed("ipykernel"):
        fix = "pip install 'embedl-nb[notebook]'"
        return Check(name="notebook", status=Status.MISSING, found="ipykernel is not installed", fix=fix)
    kernel = f"ipykernel {importlib.metadata.version('ipykernel')}"
    for page in ("jupyterlab", "notebook"):
        if is_installed(page):
            return Check(
                name="notebook", status=Status.OK, found=f"{kernel}, {page} {importlib.metadata.version(page)}"
            )
    # Another program (VS Code, a hub) may bring the page.
    return Check(name="notebook", status=Status.OK, found=f"{kernel}; no JupyterLab in this environment")


def check_browser() -> Check | None:
    """Look for Chromium, which only the project's own browser tests need; None where those are not installed."""
    if not is_installed("playwright"):
        return None
    found = next(
        (path for name in (os.environ.get("EMBEDL_NB_CHROMIUM", ""), *_CHROMIUM) if (path := shutil.which(name))), None
    )
    if found is not None:
        return Check(name="browser", status=Status.OK, found=f"{found} (for the browser tests)")
    return Check(
        name="browser",
        status=Status.WARNING,
        found="no Chromium: the browser tests cannot run; nothing else needs it",
        fix="apt-get install chromium" if sys.platform == "linux" else "install Chromium or Chrome",
    )


def check_run_store() -> Check:
    """Check that runs can be recorded: asked within a second, and without loading MLflow."""
    from embedl_nb.runstore.database import check_writable
    from embedl_nb.runstore.knock import knock
    from embedl_nb.runstore.location import current_store
    from embedl_nb.runstore.spool import paths

    store = current_store()
    waiting = len(paths())
    note = f"; waiting to be recorded: {waiting}" if waiting else ""
    file = store.sqlite_path
    try:
        if file is not None and file.exists():
            check_writable(file)
        elif file is None:
            knock(store, timeout_s=_STORE_TIMEOUT_S)
    except RunStoreError as err:
        found = f"{err.message}; results are kept and recorded later{note}"
        return Check(name="run store", status=Status.WARNING, found=found, fix=err.hint)
    state = "" if file is None or file.exists() else " (made with the first run)"
    return Check(name="run store", status=Status.OK, found=f"{store.label}{state}{note}")


def check_folder(name: str, path: Path) -> Check:
    """Look at a folder of ours: where it is, how much it holds, and the room that is left."""
    free_bytes = shutil.disk_usage(path).free
    found = f"{path}: {format_bytes(_size_bytes(path))}, {format_bytes(free_bytes)} free"
    if path.parent == Path(tempfile.gettempdir()) and path.name.startswith("embedl_nb-"):
        return Check(
            name=name,
            status=Status.WARNING,
            found=f"{found}; temporary, because the usual folder cannot be written",
            fix="set EMBEDL_NB_HOME to a folder that can be written",
        )
    if free_bytes < _LITTLE_DISK_BYTES:
        return Check(name=name, status=Status.WARNING, found=found, fix="free space, or run: embedl-nb cache clear")
    return Check(name=name, status=Status.OK, found=found)


def check_cpu() -> Check:
    """Look at the processor: cores we may use, its frequency policy, and whether others use it now."""
    from embedl_nb.device import machine

    usable, total = machine.num_usable_cores(), machine.num_cores()
    cores = f"{usable} of {total}" if usable < total else f"{total}"
    found = f"{machine.cpu_name()}, {cores} cores"
    limit = machine.container_cpu_limit()
    found += f", container limit {limit:g} cores" if limit is not None else ""
    governor = machine.governor()
    found += f", governor {governor}" if governor else ""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if governor == "powersave":
        return Check(
            name="cpu",
            status=Status.WARNING,
            found=f"{found}: clocks change while it measures",
            fix="sudo cpupower frequency-set -g performance",
        )
    if load > usable / 2:
        return Check(
            name="cpu",
            status=Status.WARNING,
            found=f"{found}; busy now, load {load:.1f}",
            fix="measure when other programs are done",
        )
    return Check(name="cpu", status=Status.OK, found=found)


def check_memory() -> Check:
    """Look at the memory we may use, and how much of it is free now."""
    import psutil

    from embedl_nb.device import machine

    usable = machine.usable_memory_bytes()
    available = min(usable, int(psutil.virtual_memory().available))
    found = f"{format_bytes(available)} of {format_bytes(usable)} free"
    limit = machine.container_memory_limit_bytes()
    found += f", container limit {format_bytes(limit)}" if limit is not None else ""
    if available < _LITTLE_MEMORY_BYTES:
        fix = "close other programs; compiling a small model takes about 2 GiB"
        return Check(name="memory", status=Status.WARNING, found=found, fix=fix)
    return Check(name="memory", status=Status.OK, found=found)


def folders() -> tuple[tuple[str, Path], ...]:
    """Return our folders by what they are for."""
    return ("data", config.data_dir()), ("cache", config.cache_dir())


def _check_all(name: str, requirements: Sequence[Requirement]) -> Check:
    """Return the first package that is missing, or all that are there."""
    checks = [requirement.check(name) for requirement in requirements]
    missing = next((check for check in checks if not check.is_ok), None)
    return missing or Check(name=name, status=Status.OK, found=", ".join(check.found for check in checks))


def _size_bytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # gone meanwhile
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - strings are five times faster
    return total


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numeric part of a version: ``2.13.0+cpu`` -> (2, 13, 0)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
