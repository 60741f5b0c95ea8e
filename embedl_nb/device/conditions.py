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
    skin_celsius, battery_celsius
        Of a phone: what a hand feels, and its battery.
    thermal_status
        Of Android, from 0 (none) over 2 (moderate) and 3 (severe) to 6 (shuts down); from 2 on it slows the phone down.
    battery_share
        Of a full charge, 0 to 1.
    is_charging
        Whether a charger feeds it, a full battery's as well.
    is_screen_on, is_battery_saver_on
        As a person sees it.
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
    skin_celsius: float | None = None
    battery_celsius: float | None = None
    thermal_status: int | None = None
    battery_share: float | None = None
    is_charging: bool | None = None
    is_screen_on: bool | None = None
    is_battery_saver_on: bool | None = None
