"""The Vulkan drivers of this machine that LiteRT's GPU delegate can be tried on, best first.

Nothing is loaded here: a driver is a manifest, a JSON file that names a library. A real GPU's comes before SwiftShader,
the software GPU that Chromium brings beside its binary, and that before lavapipe, which is often too old.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["INSTALL_COMMAND", "LAVAPIPE", "Driver", "find_drivers"]

INSTALL_COMMAND = "apt-get install chromium"
"""Brings SwiftShader and a Vulkan loader; nothing is run of it but these."""

LAVAPIPE = "lavapipe"

_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
_SYSTEM_FOLDERS = ("/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d")
_BROWSER_FOLDERS = ("/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome")
_SWIFTSHADER = "vk_swiftshader_icd.json"
_SOFTWARE = ("lvp_icd", "vk_swiftshader")
_LOADER = "libvulkan.so.1"
# A GPU that a process can use shows as one of these.
_GPU_NODES = (("/dev/dri", "renderD*"), ("/dev", "nvidiactl"), ("/dev", "dxg"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A way to a GPU.

    Attributes
    ----------
    name
        To tell it from others: ``"SwiftShader"``.
    manifests
        Of Vulkan drivers, which the loader chooses from; empty where the system's own way to the GPU is no Vulkan.
    loader
        A Vulkan loader to use where the system has none: Chromium brings one too.
    """

    name: str
    manifests: tuple[Path, ...] = ()
    loader: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process uses it."""
        files = os.pathsep.join(map(str, self.manifests))
        return dict.fromkeys(_VARIABLES, files) if files else {}

    @property
    def identity(self) -> list[list[object]]:
        """Name, size and time of its files, which change when it is installed anew."""
        stats = [(path, path.stat()) for path in self._files() if path.is_file()]
        return [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]

    def _files(self) -> list[Path]:
        return [file for manifest in self.manifests for file in (manifest, *_library(manifest))]


def find_drivers(*, root: Path = Path("/")) -> list[Driver]:
    """Return what the user has chosen, else every driver that is installed, the most telling first.

    Parameters
    ----------
    root
        Where the file system begins.
    """
    if sys.platform != "linux":
        return [Driver(name="the system's own graphics driver")]
    chosen = next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), "")
    if chosen:
        return [_driver("the chosen Vulkan driver", map(Path, chosen.split(os.pathsep)), root)]
    installed = [path for folder in _SYSTEM_FOLDERS for path in sorted(_under(root, folder).glob("*.json"))]
    software = [path for path in installed if path.name.startswith(_SOFTWARE)]
    hardware = [path for path in installed if path not in software]
    drivers = []
    if hardware and any(_any(_under(root, folder).glob(pattern)) for folder, pattern in _GPU_NODES):
        drivers.append(_driver("this machine's GPU", hardware, root))
    browsers = [_under(root, folder) / _SWIFTSHADER for folder in _BROWSER_FOLDERS]
    drivers += [_driver("SwiftShader", [manifest], root) for manifest in browsers if manifest.is_file()][:1]
    if software:
        drivers.append(_driver(LAVAPIPE, software, root))
    return drivers


def _driver(name: str, manifests: Iterable[Path], root: Path) -> Driver:
    loaders = [_under(root, folder) / _LOADER for folder in _BROWSER_FOLDERS]
    return Driver(
        name=name, manifests=tuple(manifests), loader=next((path for path in loaders if path.is_file()), None)
    )


def _library(manifest: Path) -> list[Path]:
    """Return the library that a manifest names by a path; none where the loader searches for it or it is unreadable."""
    try:
        named = str(json.loads(manifest.read_text(encoding="utf-8"))["ICD"]["library_path"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [manifest.parent / named] if "/" in named else []


def _under(root: Path, folder: str) -> Path:
    return root / folder.lstrip("/")


def _any(paths: Iterable[Path]) -> bool:
    return next(iter(paths), None) is not None
