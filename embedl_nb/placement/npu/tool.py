"""Run LiteRT's tool that applies a compiler plugin to a model: in a session of its own, under limits, its log kept.

The vendor's compiler is somebody else's native code: it may crash, hang, or fill memory and disk. Whatever it does, it
ends here as a :class:`ToolRun`, and nothing of it stays behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from embedl_nb.errors import EmbedlError
from embedl_nb.placement.npu.sdk import Sdk

__all__ = ["ToolRun", "run_tool"]

_FIRST_TO_GO = 1000
_LARGEST_LOG_BYTES = 64 * 2**20
# Becomes the tool, in a process that the kernel ends with us: a notebook's kernel may be killed at any time, and nobody
# else would stop a compile that hangs. 1 is PR_SET_PDEATHSIG.
_BECOME_TOOL = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python
    signal.signal(ignored, signal.SIG_DFL)
parent, folders, *arguments = sys.argv[1:]
if os.getppid() == int(parent):
    os.execve(arguments[0], arguments, {**os.environ, "LD_LIBRARY_PATH": folders})
"""
# Bytecode holds the weights once more and, for each partition, a few hundred KiB.
_LEAST_DISK_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """How one run of the tool ended, and what it said.

    Attributes
    ----------
    returncode
        As ``subprocess`` gives it: negative is a signal.
    timed_out
        Whether it was stopped because its time was over.
    litert, vendor
        Its standard error, on which LiteRT writes, and its standard output, which is the vendor's.
    """

    returncode: int
    timed_out: bool
    litert: str
    vendor: str
    seconds: float

    @property
    def log(self) -> str:
        """Everything it said."""
        return f"{self.litert}\n{self.vendor}"


def run_tool(
    sdk: Sdk,
    model_path: Path,
    result_path: Path,
    *,
    command: str = "apply",
    chip_name: str,
    subgraph_index: int,
    timeout_s: float,
) -> ToolRun:
    """Compile, or only divide, one subgraph of a model for a chip.

    Parameters
    ----------
    result_path
        Where the result is written; its folder takes the tool's other files.
    command
        ``"apply"`` to compile, ``"partition"`` to see what would be compiled together.
    part
        The chip: ``"SM8650"``.

    Raises
    ------
    EmbedlError
        If the tool cannot be started.
    """
    work = result_path.parent
    plugins = work / "plugins"  # the tool takes a comma for the end of a folder's name
    if not plugins.is_symlink():
        plugins.symlink_to(sdk.plugin_folder)
    arguments = [
        str(sdk.tool),
        f"--cmd={command}",
        f"--model={model_path}",
        f"--o={result_path}",
        f"--soc_manufacturer={sdk.vendor.manufacturer}",
        f"--soc_model={chip_name}",
        "--err=none",
        f"--libs={plugins.name}",
        f"--subgraphs={subgraph_index}",
        *sdk.vendor.flags(chip_name),
    ]
    litert, vendor = work / "litert.log", work / "vendor.log"
    start = time.monotonic()
    process = _started(sdk, arguments, stdout=vendor, stderr=litert)
    timed_out = _wait(process, timeout_s, largest_file=_LEAST_DISK_BYTES + 4 * model_path.stat().st_size)
    return ToolRun(
        returncode=process.returncode,
        timed_out=timed_out,
        litert=_text(litert),
        vendor=_text(vendor),
        seconds=time.monotonic() - start,
    )


def _started(sdk: Sdk, arguments: list[str], *, stdout: Path, stderr: Path) -> subprocess.Popen[bytes]:
    """Start the tool in the folder of its logs."""
    work = stdout.parent
    scratch = {name: work / name for name in sdk.vendor.scratch_variables}
    for folder in scratch.values():
        folder.mkdir(exist_ok=True)
    folders = ":".join(str(folder) for folder in sdk.library_folders)
    try:
        with stdout.open("wb") as out, stderr.open("wb") as err, sdk.tool.open("rb"):
            return subprocess.Popen(
                [sys.executable, "-ISc", _BECOME_TOOL, str(os.getpid()), folders, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=work,
                env={**os.environ, "TMPDIR": str(work), **{name: str(folder) for name, folder in scratch.items()}},
                start_new_session=True,
            )
    except OSError as failure:
        raise EmbedlError(
            f"{sdk.tool.name} could not be started: {failure.strerror}",
            hint="pip install --force-reinstall ai-edge-litert",
        ) from failure


def _wait(process: subprocess.Popen[bytes], timeout_s: float, *, largest_file: int) -> bool:
    """Wait for the end, or make it; say whether it was made."""
    try:
        _limit(process.pid, largest_file)
        process.wait(max(0.0, timeout_s))
    except subprocess.TimeoutExpired:
        return True
    finally:  # Ctrl-C too: nothing of it may go on
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return False


def _limit(pid: int, largest_file: int) -> None:
    """Keep a process from the machine's whole memory and disk."""
    import resource  # Windows has none, and imports this module too

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError):  # it has ended already, or a tighter limit is set from outside
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest_file, largest_file))
        resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(_FIRST_TO_GO))


def _text(log: Path) -> str:
    with log.open("rb") as file:
        return file.read(_LARGEST_LOG_BYTES).decode(errors="replace")
