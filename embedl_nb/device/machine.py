"""Facts about the machine this program runs on, as far as its kernel tells: CPU, limits, load, clocks, heat.

Linux says most of it in files; elsewhere psutil knows a part. What cannot be read is None, never a guess.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from pathlib import Path

from embedl_nb.device.conditions import Conditions

__all__ = [
    "container_cpu_limit",
    "container_memory_limit_bytes",
    "cpu_name",
    "governor",
    "hostname",
    "num_cores",
    "num_usable_cores",
    "os_name",
    "read_conditions",
    "usable_memory_bytes",
]

_CPU_FOLDER = Path("/sys/devices/system/cpu")
_CGROUP_V2 = Path("/sys/fs/cgroup")
_NO_LIMIT_BYTES = 2**60
_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal", "acpitz")


def hostname() -> str:
    """Return the machine's own name, without its domain."""
    return socket.gethostname().split(".")[0] or "host"


def os_name() -> str:
    """Return the operating system with its version."""
    if sys.platform == "linux":
        try:
            return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}"
        except (OSError, KeyError):
            return f"Linux {platform.release()}"
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.version()}"


def cpu_name() -> str:
    """Return the CPU's model name, or its architecture where the machine gives no name."""
    if sys.platform == "linux":
        named = _cpuinfo_name()
    elif sys.platform == "darwin":
        named = _sysctl("machdep.cpu.brand_string")
    else:
        named = platform.processor()
    return named or platform.machine() or "unknown CPU"


def num_cores() -> int:
    """Return the machine's logical cores."""
    return os.cpu_count() or 1


def num_usable_cores() -> int:
    """Return the logical cores this process may run on (affinity and container limit counted, at least 1)."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        allowed = num_cores()
    limit = container_cpu_limit()
    return max(1, min(allowed, int(limit))) if limit is not None else allowed


def container_cpu_limit() -> float | None:
    """Return the CPU time a container grants, in cores; None where there is no limit."""
    quota = _words(_CGROUP_V2 / "cpu.max")
    if len(quota) == 2 and quota[0] != "max":
        return int(quota[0]) / int(quota[1])
    quota_us = _number(_CGROUP_V2 / "cpu/cpu.cfs_quota_us")
    period_us = _number(_CGROUP_V2 / "cpu/cpu.cfs_period_us")
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def container_memory_limit_bytes() -> int | None:
    """Return the container's memory limit; None where there is none."""
    for path in (_CGROUP_V2 / "memory.max", _CGROUP_V2 / "memory/memory.limit_in_bytes"):
        limit = _number(path)
        if limit is not None and 0 < limit < _NO_LIMIT_BYTES:
            return limit
    return None


def usable_memory_bytes() -> int:
    """Return the memory this process may use."""
    import psutil

    total = int(psutil.virtual_memory().total)
    limit = container_memory_limit_bytes()
    return min(total, limit) if limit is not None else total


def governor() -> str | None:
    """Return the frequency policy of the first core; None where the kernel does not say (most virtual machines)."""
    return _text(_CPU_FOLDER / "cpu0/cpufreq/scaling_governor") or None


def read_conditions() -> Conditions:
    """Read what goes on at this machine now."""
    import psutil

    times = psutil.cpu_times()
    ours = os.times()
    return Conditions(
        clock_s=time.monotonic(),
        busy_s=_busy_s(times),
        measured_s=ours.children_user + ours.children_system,
        stolen_s=float(times.steal) if hasattr(times, "steal") else None,
        load_average_1m=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        governor=governor(),
        temperature_celsius=_temperature_celsius(),
        clock_hz=_clock_hz(),
        num_throttle_events=_num_throttle_events(),
        num_limit_events=_num_limit_events(),
    )


def _busy_s(times: object) -> float:
    # "guest" time is counted in "user" already; waiting for a disk, and what a hypervisor took, is not work done here.
    names = ("user", "nice", "system", "irq", "softirq", "interrupt", "dpc")
    return float(sum(getattr(times, name, 0.0) for name in names))


def _temperature_celsius() -> float | None:
    import psutil

    if not hasattr(psutil, "sensors_temperatures"):
        return None
    try:
        sensors = psutil.sensors_temperatures()
    except OSError:  # a sensor that went away while it was read
        return None
    found = [reading.current for name in _CPU_SENSORS for reading in sensors.get(name, ())]
    return float(max(found)) if found else None


def _clock_hz() -> float | None:
    clocks = [_number(path) for path in _CPU_FOLDER.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    known = [clock for clock in clocks if clock]
    return 1e3 * sum(known) / len(known) if known else None


def _num_throttle_events() -> int | None:
    counts = [_number(path) for path in _CPU_FOLDER.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _num_limit_events() -> int | None:
    for path in (_CGROUP_V2 / "cpu.stat", _CGROUP_V2 / "cpu/cpu.stat"):
        words = _words(path)
        if "nr_throttled" in words[:-1]:
            return int(words[words.index("nr_throttled") + 1])
    return None


def _cpuinfo_name() -> str:
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        label, _, value = line.partition(":")
        if label.strip() in ("model name", "Model", "Hardware") and value.strip():
            return " ".join(value.split())
    return ""


def _sysctl(name: str) -> str:
    import subprocess

    done = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _text(path: Path) -> str:
    """Return a kernel file's text; empty where it does not exist or may not be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.lstrip("-").isdigit() else None
