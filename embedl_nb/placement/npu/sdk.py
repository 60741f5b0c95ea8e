"""A vendor's compiler on this machine: its libraries, LiteRT's plugin for it and the tool that drives both.

The libraries are those of the vendor's SDK package, which fetches them from the vendor while it is installed: without
a connection it is installed and holds none. Qualcomm's are also in onnxruntime-qnn, but one.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import io
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from embedl_nb.errors import EmbedlError, MissingDependencyError
from embedl_nb.imports import is_installed, version_of
from embedl_nb.placement.npu.plugin import check_plugin, file_sha256
from embedl_nb.placement.npu.relinking import UNNEEDED, relinked
from embedl_nb.placement.npu.vendors import VENDORS, Vendor

__all__ = ["INSTALL", "Sdk", "find_sdk", "package_folder"]

INSTALL = VENDORS["qualcomm"].install


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """Everything that a compile for a vendor's NPU needs.

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

    vendor: Vendor
    package: str
    library_folders: tuple[Path, ...]
    plugin_folder: Path
    tool: Path
    digest: str

    @property
    def reinstall(self) -> str:
        """The command that mends it."""
        command = _reinstall(self.package)
        return f"{command} ai-edge-litert" if command.startswith("pip") else command


def find_sdk(vendor: Vendor, chip_name: str = "") -> Sdk:
    """Return a vendor's compiler, ready to be run.

    Parameters
    ----------
    chip_name
        The chip to compile for, as the plugin calls it; ``""`` to look whether there is a compiler at all.

    Raises
    ------
    MissingDependencyError
        If its package is not installed, LiteRT's plugin for it does not load, or there is none for this machine.
    EmbedlError
        If what is installed is not whole, or the plugin does not know the chip.
    """
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise MissingDependencyError(
            f"{vendor.compiler} runs on Linux x86-64, not on {sys.platform} {platform.machine()}",
            extra=vendor.extra,
            hint="ask on a Linux x86-64 machine",
        )
    runtime = package_folder("ai_edge_litert")
    tool, plugin = runtime / "tools" / "apply_plugin_main", runtime / "vendors" / vendor.plugin
    _check_whole(f"ai-edge-litert {version_of('ai-edge-litert')}", (tool, plugin))
    if not vendor.is_linked:
        check_plugin(tool, plugin, vendor, chip_name)
    package, folders = _libraries(vendor, chip_name)
    libraries = tuple(folders[0] / name for name in vendor.libraries)
    _check_whole(package, libraries)
    needs_relinking = vendor.is_linked and not (folders[0] / UNNEEDED).exists()
    return Sdk(
        vendor=vendor,
        package=package,
        library_folders=(*folders, runtime),
        plugin_folder=relinked(plugin, install=vendor.install) if needs_relinking else plugin.parent,
        tool=tool,
        digest=_digest(package, tool, plugin, libraries),
    )


def _libraries(vendor: Vendor, chip_name: str) -> tuple[str, tuple[Path, ...]]:
    """Return which package has a vendor's libraries, and their folders."""
    if is_installed(vendor.package.replace("-", "_")):
        return _in_sdk_package(vendor, chip_name)
    if vendor.folder_variable and os.environ.get(vendor.folder_variable):
        return vendor.folder_variable, (Path(os.environ[vendor.folder_variable]),)
    if vendor.other_package and is_installed(other := vendor.other_package.replace("-", "_")):
        folder = package_folder(other)
        package = f"{vendor.other_package} {version_of(vendor.other_package)}"
        return package, (folder, folder.with_name(f"{other}.libs"))
    raise MissingDependencyError(
        f"{vendor.compiler} is not installed",
        extra=vendor.extra,
        install=vendor.install,
        hint=vendor.install,
    )


def _in_sdk_package(vendor: Vendor, chip_name: str) -> tuple[str, tuple[Path, ...]]:
    name = next((n for n in (vendor.package, f"{vendor.package}-nightly") if version_of(n)), vendor.package)
    package = f"{name} {version_of(name)}".strip()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # on which it warns of what is an error here
            module = importlib.import_module(vendor.package.replace("-", "_"))
            folder = module.path_to_sdk_libs(*vendor.sdk_arguments(chip_name))
    except Exception as err:  # somebody else's code
        raise EmbedlError(
            f"{package} does not say where its libraries are: {type(err).__name__}: {err}", hint=_reinstall(package)
        ) from err
    if folder is None or not Path(folder).is_dir():
        raise EmbedlError(
            f"{package} is installed without {vendor.name}'s libraries, which it fetches from the internet while it "
            "is installed",
            hint=f"with a connection and without SKIP_SDK_DOWNLOAD: {_reinstall(package)}",
        )
    return package, (Path(folder),)


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
            raise EmbedlError(f"{package} is not whole: it has no {file.name}", hint=_reinstall(package))


def _reinstall(package: str) -> str:
    """Return the command that installs a package anew; of an SDK, without what pip has kept of it."""
    name = package.split()[0]
    if name.isupper():  # no package: the variable that names the folder
        return f"set {name} to the folder of the libraries"
    fresh = " --no-cache-dir" if name.startswith("ai-edge-litert-sdk-") else ""
    return f"pip install --force-reinstall{fresh} {name}"


def _digest(package: str, tool: Path, plugin: Path, libraries: tuple[Path, ...]) -> str:
    """Return a hash of versions and contents; the libraries, which are large, count by their size."""
    parts = [package, version_of("ai-edge-litert"), file_sha256(tool), file_sha256(plugin)]
    parts += [f"{library.name} {library.stat().st_size}" for library in libraries]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
