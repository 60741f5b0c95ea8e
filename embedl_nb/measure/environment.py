"""What the numbers depend on besides the model: the machine that drove the measurement, its limits and versions."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from embedl_nb import __version__
from embedl_nb.device import machine
from embedl_nb.device.conditions import Conditions
from embedl_nb.measure.benchmark import Environment, Thermal
from embedl_nb.runtime.raw_run import RawRun

__all__ = ["describe_environment", "describe_heat"]

_PACKAGES = ("ai-edge-litert", "numpy")


def describe_environment(runs: Sequence[RawRun], before: Conditions) -> Environment:
    """Describe this machine as it was when ``runs`` began.

    Parameters
    ----------
    runs
        At least one.
    before
        Read at the device before the first run.
    """
    return Environment(
        hostname=machine.hostname(),
        cpu=machine.cpu_name(),
        num_cores=machine.num_cores(),
        num_usable_cores=machine.num_usable_cores(),
        os=machine.os_name(),
        cpu_limit=machine.container_cpu_limit(),
        memory_limit_bytes=machine.container_memory_limit_bytes(),
        num_threads=runs[0].num_threads,
        governor=before.governor,
        load_average_1m=before.load_average_1m,
        versions=_versions(runs[0]),
        started_at=datetime.fromtimestamp(runs[0].wall_start, tz=UTC).isoformat(timespec="seconds"),
    )


def describe_heat(before: Conditions, after: Conditions) -> Thermal:
    """Describe temperature, clocks and throttling around the runs, as far as the device tells."""
    throttled = None
    if before.num_throttle_events is not None and after.num_throttle_events is not None:
        throttled = after.num_throttle_events - before.num_throttle_events
    return Thermal(
        start_celsius=before.temperature_celsius,
        end_celsius=after.temperature_celsius,
        start_clock_hz=before.clock_hz,
        end_clock_hz=after.clock_hz,
        num_throttle_events=throttled,
    )


def _versions(run: RawRun) -> dict[str, str]:
    versions = {
        "embedl_nb": __version__,
        "python": platform.python_version(),
        "runtime": run.runtime_version,
        **run.tool,
    }
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # a runtime that was not installed as a package has only its own version
            continue
    return versions
