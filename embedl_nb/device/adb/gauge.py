"""A phone's meters: its battery's gauge, and where it has them the rails that feed its compute units.

The current and the charge come from the kernel's files where a shell may read them, else from the battery service
(Samsung). Rails (Pixel 6 and later) come from the power statistics' dump, which a shell may ask for; the kernel's own
files of them (``/sys/bus/iio/devices/iio:device*/energy_value``) are for the system alone.
"""

from __future__ import annotations

import re

from embedl_nb.device.adb.readings import is_charging, read_fields, read_int
from embedl_nb.device.adb.sections import clean, split_sections
from embedl_nb.device.power import PowerReading

__all__ = ["POWER_SCRIPT", "read_power"]

_BATTERY = "/sys/class/power_supply/battery"
POWER_SCRIPT = "\n".join(
    (
        "echo '#uptime'; cat /proc/uptime 2>/dev/null",
        f"echo '#current'; cat {_BATTERY}/current_now 2>/dev/null",
        f"echo '#charge'; cat {_BATTERY}/charge_counter 2>/dev/null",
        "echo '#battery'; dumpsys battery",
        "echo '#rails'; dumpsys android.hardware.power.stats.IPowerStats/default 2>/dev/null",
    )
)
"""Run on the phone; it always ends with a status that says nothing."""

_METER_BEGINS = "============= PowerStats HAL 2.0 energy meter =============="
_METER_ENDS = "========== End of PowerStats HAL 2.0 energy meter =========="
_CHANNEL = re.compile(r"\s*\[(?P<rail>[^\]]{1,64})\]:(?P<feeds>.{0,64}?)\s+(?P<mj>\d{1,12}\.\d{1,6}) mWs")
# Rails are named anew with each chip, by what they feed: clusters, graphics, the NPU, memory and what joins them.
_COMPUTES = re.compile(r"cpu|gpu|g3d|tpu|npu|mif|mem|ddr|dram|vdd_int|infra", re.IGNORECASE)
_MOST_RAILS = 64


def read_power(printed: str) -> PowerReading:
    """Read what :data:`POWER_SCRIPT` printed."""
    sections = split_sections(printed)
    battery, rails = read_fields(sections.get("battery", [])), _rails(sections.get("rails", []))
    current, source = _file_int(sections, "current"), "current_now"
    if current is None:
        current, source = read_int(battery.get("current now")), "dumpsys battery"
    charge = _file_int(sections, "charge")
    return PowerReading(
        time_s=_uptime_s(sections.get("uptime", [])),
        current=current,
        charge_uah=read_int(battery.get("Charge counter")) if charge is None else charge,
        voltage_mv=read_int(battery.get("voltage")),
        rails_mj=sum(rails.values()) if rails else None,
        rails=tuple(rails),
        is_charging=is_charging(battery),
        current_source=source if current is not None else "",
    )


def _file_int(sections: dict[str, list[str]], name: str) -> int | None:
    return read_int(" ".join(sections.get(name, [])).strip())


def _uptime_s(lines: list[str]) -> float | None:
    match = re.match(r"\d{1,9}\.\d{2}\b", "".join(lines))
    return float(match[0]) if match else None


def _rails(lines: list[str]) -> dict[str, float]:
    """Return the energy in mJ of each rail that feeds what computes; 1 mWs is 1 mJ."""
    found: dict[str, float] = {}
    is_meter = False
    for line in lines:
        is_meter = (is_meter or line == _METER_BEGINS) and line != _METER_ENDS
        match = _CHANNEL.fullmatch(line.rstrip()) if is_meter else None
        if match is not None and _COMPUTES.search(match["rail"] + match["feeds"]) and len(found) < _MOST_RAILS:
            found[clean(match["rail"])] = float(match["mj"])
    return found
