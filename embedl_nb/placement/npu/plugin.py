"""LiteRT's compiler plugins on this machine: where one is, whether it loads, and which chips it knows by itself."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from embedl_nb.errors import EmbedlError, MissingDependencyError
from embedl_nb.imports import version_of
from embedl_nb.placement.npu.log import loading_failure
from embedl_nb.placement.npu.vendors import Vendor

__all__ = ["check_plugin", "file_sha256"]

_TIMEOUT_S = 30.0
_CHIP = re.compile(r'"(\w+)"')


def check_plugin(tool: Path, plugin: Path, vendor: Vendor, chip_name: str) -> None:
    """Ask a plugin which chips it knows, for which it needs none of its vendor's libraries.

    Parameters
    ----------
    chip_name
        That must be one of them; ``""`` for none in particular.

    Raises
    ------
    MissingDependencyError
        If it does not load.
    EmbedlError
        If it does not know the chip.
    """
    litert = f"ai-edge-litert {version_of('ai-edge-litert')}"
    known, why = _known_chips(tool, plugin, file_sha256(plugin))
    if not known:
        raise MissingDependencyError(
            f"LiteRT's plugin for {vendor.name} does not load in {litert}: {why}",
            hint="a later LiteRT may mend it: pip install --upgrade ai-edge-litert",
        )
    if chip_name and chip_name not in known:
        raise EmbedlError(
            f"LiteRT's plugin for {vendor.name} in {litert} does not know the chip {chip_name}, and none stands "
            f"in for another; it knows {', '.join(known)}",
            hint="a later LiteRT may know it: pip install --upgrade ai-edge-litert",
        )


@functools.lru_cache(maxsize=16)
def _known_chips(tool: Path, plugin: Path, _plugin_sha256: str) -> tuple[tuple[str, ...], str]:
    """Return the names of the chips that a plugin knows, and where there are none, why."""
    with tempfile.TemporaryDirectory(prefix="embedl_nb-npu-") as folder:
        work = Path(folder)
        (work / "plugins").symlink_to(plugin.parent)  # the tool takes a comma in a folder's name for its end
        listed = work / "chips"
        command = [str(tool), "--cmd=info", f"--o={listed.name}", "--err=none", "--libs=plugins"]
        try:
            run = subprocess.run(
                command,
                cwd=work,
                env={**os.environ, "LD_LIBRARY_PATH": str(tool.parent.parent)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as err:
            raise EmbedlError(
                f"LiteRT's {tool.name} did not list the chips of {plugin.name}: {err}",
                hint="pip install --force-reinstall ai-edge-litert",
            ) from err
        # Of a line such as: < LiteRtCompilerPlugin > "MediaTek" | "mt6853", "mt6877"
        chips = listed.read_text().partition("|")[2] if listed.exists() else ""
    return tuple(_CHIP.findall(chips)), loading_failure(run.stderr) or f"it ended with exit code {run.returncode}"


def file_sha256(file: Path) -> str:
    """Return the hash of a file, which is read again only where it has changed."""
    stat = file.stat()
    return _sha256_of(file, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=16)
def _sha256_of(file: Path, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
