"""Why a child died, in words: its exit code, its log and the kernel's out-of-memory counters become one error."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from embedl_nb.errors import EmbedlError, OutOfMemoryError, RuntimeCrashedError
from embedl_nb.runtime.wire import says_out_of_memory

__all__ = ["OUTSIDE_SIGNALS", "death_error", "num_oom_kills"]

_SIGNAL_WORDS = {
    "SIGSEGV": "crashed with a segmentation fault",
    "SIGBUS": "crashed with a bus error",
    "SIGILL": "crashed on an instruction this processor lacks",
    "SIGFPE": "crashed on an arithmetic error",
    "SIGABRT": "aborted itself",
    "SIGKILL": "was killed from outside",
    "SIGTERM": "was stopped from outside",
    "SIGINT": "was interrupted from outside",
    "SIGHUP": "was hung up from outside",
    "SIGXCPU": "used up its limit of processor time",
    "ACCESS_VIOLATION": "crashed with an access violation",
}
OUTSIDE_SIGNALS = frozenset({"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"})
"""Signals that somebody else sent: a child that they ended did nothing wrong."""
# NTSTATUS codes as a process's exit code.
# https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55
_WINDOWS_SIGNALS = {0xC0000005: "ACCESS_VIOLATION", 0xC0000409: "SIGABRT", 0xC000013A: "SIGINT"}
_WINDOWS_NO_MEMORY = 0xC0000017


def num_oom_kills() -> int:
    """Count the processes the kernel has killed for want of memory, system-wide and in this control group.

    Zero where the system does not say. Only the growth between two calls means something.
    """
    files = [Path("/proc/vmstat"), *_cgroup_event_files()]
    return sum(_counter(path) for path in files)


def death_error(
    *, what: str, command: str, returncode: int, log_tail: str, log_path: Path, oom_kills: int
) -> EmbedlError:
    """Build the error for a child that died while it was busy.

    Parameters
    ----------
    what
        Who died, to begin the sentence.
    command
        What it was doing.
    returncode
        As ``subprocess`` gives it: negative is a signal.
    log_tail, log_path
        The end of its log, and where the log is kept.
    oom_kills
        By how much :func:`num_oom_kills` has grown meanwhile.
    """
    name = signal_name(returncode)
    details = f"log: {log_path}\n{log_tail}"
    if (name == "SIGKILL" and oom_kills > 0) or returncode == _WINDOWS_NO_MEMORY or _log_ends_out_of_memory(log_tail):
        how = "the system killed it" if name == "SIGKILL" else "an allocation failed"
        return OutOfMemoryError(
            f"{what} ran out of memory in {command!r}: {how}",
            hint="close other programs, or use a smaller model or batch",
            details=details,
        )
    if name:
        said = f"{_SIGNAL_WORDS.get(name, 'was ended by a signal')} ({name})"
        if name in OUTSIDE_SIGNALS:
            hint = "run it again; if nobody stopped it, look for a limit on memory or time on this machine"
        else:
            hint = f"run it again; if it crashes each time, its log may say more: {log_path}"
    else:
        said, hint = f"ended by itself with exit code {returncode}", f"its log says more: {log_path}"
    return RuntimeCrashedError(
        f"{what} {said} in {command!r}", signal=name, log_path=str(log_path), hint=hint, details=details
    )


def signal_name(returncode: int) -> str:
    """Name the signal behind an exit code; empty where it was none."""
    if sys.platform == "win32":
        return _WINDOWS_SIGNALS.get(returncode & 0xFFFFFFFF, "")
    if returncode >= 0:
        return ""
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def _log_ends_out_of_memory(log_tail: str) -> bool:
    return says_out_of_memory("\n".join(log_tail.splitlines()[-40:]))


def _cgroup_event_files() -> list[Path]:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    files = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            files.append(Path("/sys/fs/cgroup") / path.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            files.append(Path("/sys/fs/cgroup/memory") / path.lstrip("/") / "memory.oom_control")
    return files


def _counter(path: Path) -> int:
    try:
        text = path.read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))
