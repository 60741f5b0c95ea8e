"""What the numbers depend on besides the model: the machine that drove the measurement, its limits and versions."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

from embedl_nb import __version__
from embedl_nb.device import machine
from embedl_nb.device.conditions import Conditions
from embedl_nb.measure.benchmark import Environment, Thermal
from embedl_nb.runtime.raw_run import HeatReading, RawRun

__all__ = ["describe_environment", "describe_heat"]

_PACKAGES = ("ai-edge-litert", "numpy")
_Number = TypeVar("_Number", int, float)


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
        battery_share=before.battery_share,
        is_charging=before.is_charging,
        is_screen_on=before.is_screen_on,
        is_battery_saver_on=before.is_battery_saver_on,
    )


def describe_heat(windows: Sequence[tuple[Conditions, Conditions]], runs: Sequence[RawRun]) -> Thermal:
    """Describe temperature, clocks and throttling before, during and after the runs, as far as the device tells.

    Parameters
    ----------
    windows
        Read before and after each run.
    """
    before, after = windows[0][0], windows[-1][1]
    during = [reading for run in runs for reading in run.during]
    readings: list[Conditions | HeatReading] = [*(each for window in windows for each in window), *during]
    clocks = [reading.clock_hz for reading in during if reading.clock_hz is not None]
    throttled = None
    if before.num_throttle_events is not None and after.num_throttle_events is not None:
        throttled = after.num_throttle_events - before.num_throttle_events
    return Thermal(
        start_celsius=before.temperature_celsius,
        end_celsius=after.temperature_celsius,
        start_clock_hz=before.clock_hz,
        end_clock_hz=after.clock_hz,
        num_throttle_events=throttled,
        peak_celsius=_highest(reading.temperature_celsius for reading in readings),
        start_skin_celsius=before.skin_celsius,
        end_skin_celsius=after.skin_celsius,
        peak_skin_celsius=_highest(reading.skin_celsius for reading in readings),
        start_battery_celsius=before.battery_celsius,
        end_battery_celsius=after.battery_celsius,
        start_status=before.thermal_status,
        end_status=after.thermal_status,
        peak_status=_highest(reading.thermal_status for reading in readings),
        busy_clock_hz=statistics.fmean(clocks) if clocks else None,
    )


def _highest(values: Iterable[_Number | None]) -> _Number | None:
    return max((value for value in values if value is not None), default=None)


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
