"""What goes on at a phone now: heat, battery, screen, clocks and load, from one script, as Conditions.

Temperatures are those that the thermal HAL reads now; the list beside them is a cache that can be minutes old.
"""

from __future__ import annotations

import re
import time

from embedl_nb.device.adb.sections import split_sections
from embedl_nb.device.conditions import Conditions

__all__ = ["CONDITIONS_SCRIPT", "is_charging", "read_conditions", "read_fields", "read_int"]

_CPU = "/sys/devices/system/cpu"
CONDITIONS_SCRIPT = "\n".join(
    (
        "echo '#thermal'; dumpsys thermalservice",
        "echo '#battery'; dumpsys battery",
        "echo '#power'; dumpsys power",
        "echo '#saver'; settings get global low_power",
        "echo '#stat'; grep cpu /proc/stat 2>/dev/null",
        "echo '#load'; cat /proc/loadavg 2>/dev/null",
        f"echo '#clocks'; cat {_CPU}/cpu*/cpufreq/scaling_cur_freq 2>/dev/null",
        f"echo '#governor'; cat {_CPU}/cpu*/cpufreq/scaling_governor 2>/dev/null",
    )
)
"""Run on the phone; it always ends with a status that says nothing."""

_TEMPERATURE = re.compile(r"\s*Temperature\{mValue=(?P<value>-?[\d.]+), mType=(?P<type>\d+), .*")
_CPU_TYPE, _BATTERY_TYPE, _SKIN_TYPE = 0, 2, 3
_HOTTEST_CELSIUS = 150.0
_TICKS_PER_S = 100  # of Linux on every phone
_CHARGING, _FULL = 2, 5


def read_conditions(printed: str) -> Conditions:
    """Read what :data:`CONDITIONS_SCRIPT` printed."""
    sections = split_sections(printed)
    heat, battery = _temperatures(sections.get("thermal", [])), read_fields(sections.get("battery", []))
    battery_celsius = _scaled(battery.get("temperature"), 0.1)
    level, scale = read_int(battery.get("level")), read_int(battery.get("scale")) or 100
    return Conditions(
        clock_s=time.monotonic(),
        busy_s=_busy_s(sections.get("stat", [])),
        load_average_1m=_float(" ".join(sections.get("load", [])).split(" ")[0]),
        governor=next((line for line in sections.get("governor", []) if line.isidentifier()), None),
        temperature_celsius=max(heat.get(_CPU_TYPE, []), default=None),
        clock_hz=_mean_hz(sections.get("clocks", [])),
        skin_celsius=max(heat.get(_SKIN_TYPE, []), default=None),
        battery_celsius=max(heat.get(_BATTERY_TYPE, []), default=battery_celsius),
        thermal_status=read_int(read_fields(sections.get("thermal", [])).get("Thermal Status")),
        battery_share=level / scale if level is not None else None,
        is_charging=is_charging(battery),
        is_screen_on=_is_screen_on(sections.get("power", [])),
        is_battery_saver_on=_switch(sections.get("saver", [])),
    )


def _temperatures(lines: list[str]) -> dict[int, list[float]]:
    """Return the HAL's present temperatures by type, without sensors that are not fitted (0.0) or read nonsense."""
    found: dict[int, list[float]] = {}
    is_present = False
    for line in lines:
        if line.endswith(":") and not line.startswith((" ", "\t")):
            is_present = line == "Current temperatures from HAL:"
        match = _TEMPERATURE.fullmatch(line) if is_present else None
        value = _float(match["value"]) if match else None
        if match is not None and value is not None and 0.0 < value < _HOTTEST_CELSIUS:
            found.setdefault(int(match["type"]), []).append(value)
    return found


def read_fields(lines: list[str]) -> dict[str, str]:
    """Return ``name: value`` lines; the first of a name counts, what follows below may be a log."""
    found: dict[str, str] = {}
    for line in lines:
        name, separator, value = line.partition(":")
        if separator:
            found.setdefault(name.strip(), value.strip())
    return found


def is_charging(battery: dict[str, str]) -> bool | None:
    """Say whether a charger feeds the phone: full and on the cable counts, because the battery is not what feeds it."""
    powered = [value == "true" for name, value in battery.items() if name.endswith(" powered")]
    status = read_int(battery.get("status"))
    if not powered and status is None:
        return None
    return any(powered) or status in (_CHARGING, _FULL)


def _is_screen_on(lines: list[str]) -> bool | None:
    match = re.search(r"\bmWakefulness=(\w+)", "\n".join(lines))
    return None if match is None else match[1] in ("Awake", "Dreaming")


def _switch(lines: list[str]) -> bool | None:
    """Read a setting that is off until it has ever been on."""
    said = " ".join(lines).strip()
    return {"0": False, "1": True, "null": False}.get(said)


def _busy_s(lines: list[str]) -> float | None:
    """Return the time of all cores that was neither idle nor waiting for storage."""
    total = next((line.split()[1:] for line in lines if line.startswith("cpu ")), [])
    ticks = [int(word) for word in total if word.isdigit()]
    return (sum(ticks[:8]) - ticks[3] - ticks[4]) / _TICKS_PER_S if len(ticks) >= 8 else None


def _mean_hz(lines: list[str]) -> float | None:
    clocks = [1000 * int(line) for line in lines if line.isdigit()]
    return sum(clocks) / len(clocks) if clocks else None


def read_int(text: str | None) -> int | None:
    """Return a whole number of a sensible size; None for whatever else a phone says."""
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,12}", text) else None


def _float(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", text) else None


def _scaled(text: str | None, factor: float) -> float | None:
    value = read_int(text)
    return None if value is None else value * factor
