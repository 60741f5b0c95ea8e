"""What goes on at a device at one moment: counters to be read before and after a run, and to be subtracted."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Conditions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """One reading; None stands for what the device does not say.

    Attributes
    ----------
    clock_s
        A monotonic clock, seconds.
    busy_s
        CPU time that all processes of the machine have used since it started, seconds over all cores.
    measured_s
        The part of ``busy_s`` that this program's ended children used: the measured processes.
    stolen_s
        CPU time that a hypervisor gave to others.
    load_average_1m
        Runnable processes, mean of the last minute.
    governor
        Frequency policy of the kernel.
    temperature_celsius
        The hottest of the CPU's sensors.
    clock_hz
        Mean current clock of the cores.
    num_throttle_events
        How often the CPU lowered its clock because of heat, since the machine started.
    num_limit_events
        How often the container's CPU limit stopped its processes.
    """

    clock_s: float
    busy_s: float | None = None
    measured_s: float | None = None
    stolen_s: float | None = None
    load_average_1m: float | None = None
    governor: str | None = None
    temperature_celsius: float | None = None
    clock_hz: float | None = None
    num_throttle_events: int | None = None
    num_limit_events: int | None = None
