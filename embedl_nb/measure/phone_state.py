"""How a device was while it was measured: heat, and of a phone its screen, battery and load, as facts and as doubts."""

from __future__ import annotations

from collections.abc import Sequence

from embedl_nb.device.conditions import Conditions
from embedl_nb.display.view import Fact
from embedl_nb.measure.benchmark import Environment, Flag, FlagKind, Thermal
from embedl_nb.measure.sustained import THROTTLING_STATUS
from embedl_nb.units import Provenance

__all__ = ["phone_flags", "state_facts"]


def phone_flags(
    windows: Sequence[tuple[Conditions, Conditions]], thermal: Thermal, environment: Environment, *, num_cores: int
) -> list[Flag]:
    """Doubt what a phone does to itself: heat, a saver of its battery, other work; nothing of other machines.

    Parameters
    ----------
    windows
        Readings before and after each run.
    num_cores
        Of the device.
    """
    flags = []
    if thermal.peak_status is not None and thermal.peak_status >= THROTTLING_STATUS:
        skin = f", its skin up to {thermal.peak_skin_celsius:.0f} °C" if thermal.peak_skin_celsius is not None else ""
        sentence = f"throttled: Android's thermal status was {thermal.peak_status} of 6 while this was measured{skin}"
        flags.append(Flag(kind=FlagKind.THROTTLED, sentence=sentence))
    if any(reading.is_battery_saver_on for window in windows for reading in window):
        flags.append(Flag(kind=FlagKind.GOVERNOR, sentence="battery saver: it is on, and slows the phone down"))
    load = environment.load_average_1m
    # Android counts threads that wait for hardware as well: a few are there on an idle phone.
    if thermal.start_status is not None and load is not None and load > num_cores:
        sentence = f"busy phone: its load average was {load:.1f} on {num_cores} cores before this was measured"
        flags.append(Flag(kind=FlagKind.BUSY_MACHINE, sentence=sentence))
    return flags


def state_facts(thermal: Thermal, environment: Environment, provenance: Provenance) -> list[Fact]:
    """Say how warm the device got, how fast its cores ran, and how the phone was set."""
    sensors = {
        "CPU" if thermal.start_skin_celsius is not None else "": (
            thermal.start_celsius,
            thermal.end_celsius,
            thermal.peak_celsius,
        ),
        "skin": (thermal.start_skin_celsius, thermal.end_skin_celsius, thermal.peak_skin_celsius),
        "battery": (thermal.start_battery_celsius, thermal.end_battery_celsius, None),
    }
    heat = [_rise(name, *values) for name, values in sensors.items() if values[0] is not None]
    if thermal.start_status is not None:
        heat.append(f"Android's thermal status {thermal.start_status} to {thermal.end_status} of 6")
    facts = [Fact("temperature", f"{', '.join(heat)} ({provenance})")] if heat else []
    if thermal.busy_clock_hz is not None:
        mean = f"{thermal.busy_clock_hz / 1e9:.2f} GHz while it ran, mean of all cores ({provenance})"
        facts.append(Fact("clock", mean))
    state = _state(environment)
    return [*facts, Fact("phone", ", ".join(state))] if state else facts


def _rise(name: str, start: float | None, end: float | None, peak: float | None) -> str:
    words = f"{name} {start:.0f}" if name else f"{start:.0f}"
    words += f" to {end:.0f} °C" if end is not None else " °C"
    is_above = peak is not None and end is not None and peak > max(start or end, end) + 0.5
    return f"{words} (up to {peak:.0f})" if is_above else words


def _state(environment: Environment) -> list[str]:
    said = []
    if environment.battery_share is not None:
        said.append(f"battery {100 * environment.battery_share:.0f} %")
    if environment.is_charging is not None:
        said.append("charging" if environment.is_charging else "not charging")
    if environment.is_screen_on is not None:
        said.append(f"screen {'on' if environment.is_screen_on else 'off'}")
    if environment.is_battery_saver_on is not None:
        said.append(f"battery saver {'on' if environment.is_battery_saver_on else 'off'}")
    if said and environment.load_average_1m is not None:
        said.append(f"load average {environment.load_average_1m:.1f} before")
    return said
