"""The files under ``/proc``, ``/sys`` and ``/vendor`` that a shell on the phone reads; some change with its state."""

from __future__ import annotations

from embedl_nb.testing.virtual_phone.hardware import Hardware
from embedl_nb.testing.virtual_phone.state import PhoneState

__all__ = ["changing_files", "denied_files", "fixed_files"]

_CPU, _BATTERY, _THERMAL = "/sys/devices/system/cpu", "/sys/class/power_supply/battery", "/sys/class/thermal"
_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop"
_TIER_FEATURES = {"entry": "", "mid": " asimddp", "flagship": " asimddp sve sve2 i8mm bf16"}

_DENIED_BY_BRAND = {"Samsung": ("current_now", "voltage_now", "charge_counter")}


def denied_files(brand: str, *, hides_current: bool) -> frozenset[str]:
    """Return the files that a shell sees and may not read."""
    names = {*_DENIED_BY_BRAND.get(brand, ()), *(("current_now",) if hides_current else ())}
    return frozenset(f"{_BATTERY}/{name}" for name in names)


def fixed_files(hardware: Hardware) -> dict[str, str]:
    """Return the files that stay the same, by path."""
    cores = hardware.core_khz
    files = {
        f"{_CPU}/online": f"0-{len(cores) - 1}\n",
        f"{_CPU}/possible": f"0-{len(cores) - 1}\n",
        "/proc/cpuinfo": _cpuinfo(hardware),
        "/proc/self/status": f"Name:\tgrep\nCpus_allowed_list:\t0-{len(cores) - 1}\n",
        "/proc/meminfo": _meminfo(hardware.memory_kib),
        "/proc/version": "Linux version 6.1.75-android14-virtual (embedl_nb virtual phone)\n",
        "/vendor/lib64/libOpenCL.so": "",
        f"{_BATTERY}/type": "Battery\n",
        f"{_THERMAL}/thermal_zone0/type": "cpu0-silver-usr\n",
        f"{_THERMAL}/thermal_zone1/type": "gpuss-0-usr\n",
        f"{_THERMAL}/thermal_zone2/type": "battery\n",
        f"{_THERMAL}/thermal_zone3/type": "skin-therm\n",
    }
    first = 0
    for cluster in hardware.clusters:
        numbers = range(first, first + cluster.num_cores)
        related = " ".join(map(str, numbers)) + "\n"
        for folder in (*(f"{_CPU}/cpu{number}/cpufreq" for number in numbers), f"{_CPU}/cpufreq/policy{first}"):
            files |= {
                f"{folder}/cpuinfo_max_freq": f"{cluster.max_khz}\n",
                f"{folder}/cpuinfo_min_freq": "300000\n",
                f"{folder}/related_cpus": related,
                f"{folder}/scaling_governor": "walt\n",
            }
        first += cluster.num_cores
    return files


def changing_files(hardware: Hardware, state: PhoneState) -> dict[str, str]:
    """Return the files that say how the phone is now, by path."""
    loads = " ".join([f"{state.load:.2f}"] * 3)
    files = {
        "/proc/stat": _cpu_times(len(hardware.core_khz), state),
        "/proc/uptime": f"{state.uptime_s:.2f} {state.uptime_s * 6:.2f}\n",
        "/proc/loadavg": f"{loads} {1 + state.num_busy}/900 {state.last_pid}\n",
        f"{_BATTERY}/current_now": f"{state.power.current_ua}\n",
        f"{_BATTERY}/voltage_now": f"{state.voltage_mv * 1000}\n",
        f"{_BATTERY}/capacity": f"{state.power.level_percent}\n",
        f"{_BATTERY}/charge_counter": f"{state.power.charge_uah}\n",
        f"{_BATTERY}/status": "Charging\n" if state.is_charging else "Discharging\n",
        f"{_BATTERY}/temp": f"{state.battery_celsius * 10:.0f}\n",
        f"{_THERMAL}/thermal_zone0/temp": f"{state.cpu_celsius * 1000:.0f}\n",
        f"{_THERMAL}/thermal_zone1/temp": f"{state.cpu_celsius * 1000 - 2000:.0f}\n",
        f"{_THERMAL}/thermal_zone2/temp": f"{state.battery_celsius * 10:.0f}\n",
        f"{_THERMAL}/thermal_zone3/temp": f"{state.skin_celsius * 1000:.0f}\n",
    }
    first = 0
    for cluster in hardware.clusters:
        khz = f"{int(cluster.max_khz / state.slowdown)}\n" if state.num_busy else f"{cluster.max_khz // 3}\n"
        numbers = range(first, first + cluster.num_cores)
        for folder in (*(f"{_CPU}/cpu{number}/cpufreq" for number in numbers), f"{_CPU}/cpufreq/policy{first}"):
            files[f"{folder}/scaling_cur_freq"] = khz
        first += cluster.num_cores
    return files


def _cpu_times(num_cores: int, state: PhoneState) -> str:
    """Return the time that the cores have spent since the start, in hundredths of a second by kind."""
    total = int(100 * state.uptime_s * num_cores)
    user, system = int(100 * state.busy_s) + total // 60, total // 90
    rows = [("cpu ", 1), *((f"cpu{number}", num_cores) for number in range(num_cores))]
    return "".join(
        f"{name} {user // n} 0 {system // n} {(total - user - system) // n} 0 0 0 0 0 0\n" for name, n in rows
    )


def _cpuinfo(hardware: Hardware) -> str:
    features = _FEATURES + _TIER_FEATURES[hardware.phone.chip.tier or "mid"]
    blocks = [
        f"processor\t: {number}\nBogoMIPS\t: 38.40\nFeatures\t: {features}\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\n"
        for number in range(len(hardware.core_khz))
    ]
    return "\n".join(blocks)


def _meminfo(total_kib: int) -> str:
    rows = {
        "MemTotal": total_kib,
        "MemFree": total_kib // 20,
        "MemAvailable": total_kib * 9 // 20,
        "Buffers": 4096,
        "Cached": total_kib * 7 // 20,
        "SwapTotal": total_kib // 2,
        "SwapFree": total_kib // 4,
    }
    return "".join(f"{name + ':':<16}{kib:>8} kB\n" for name, kib in rows.items())
