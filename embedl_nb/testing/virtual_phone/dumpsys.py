"""What ``dumpsys`` and ``settings`` say on a virtual phone, in the words of real ones."""

from __future__ import annotations

from embedl_nb.testing.virtual_phone.hardware import Hardware
from embedl_nb.testing.virtual_phone.heat import THRESHOLDS_CELSIUS
from embedl_nb.testing.virtual_phone.state import PhoneState

__all__ = ["SETTINGS", "dumpsys"]

SETTINGS = {
    ("global", "airplane_mode_on"): "0",
    ("global", "low_power"): "0",
    ("global", "stay_on_while_plugged_in"): "0",
    ("system", "screen_brightness"): "40",
    ("system", "screen_off_timeout"): "30000",
}
"""By namespace and name."""

_GL_VENDORS = {"Adreno": "Qualcomm, Adreno (TM)", "Mali": "ARM, Mali", "Xclipse": "Samsung, Xclipse"}


def dumpsys(service: str, hardware: Hardware, state: PhoneState) -> str | None:
    """Return what a service dumps; None where the phone has no such service."""
    if service == "battery":
        return _battery(hardware, state)
    if service == "thermalservice":
        return _thermal(state)
    if service == "SurfaceFlinger":
        return _surface_flinger(hardware)
    if service == "android.hardware.power.stats.IPowerStats/default" and hardware.has_rails:
        return _power_stats(state)
    if service == "power":
        return "POWER MANAGER (dumpsys power)\n\nPower Manager State:\n  mWakefulness=Asleep\n"
    return None


def _battery(hardware: Hardware, state: PhoneState) -> str:
    lines = [
        "Current Battery Service state:",
        "  AC powered: false",
        f"  USB powered: {str(state.is_charging).lower()}",
        "  Wireless powered: false",
        "  Dock powered: false",
        f"  Max charging current: {500000 if state.is_charging else 0}",
        f"  Max charging voltage: {5000000 if state.is_charging else 0}",
        f"  Charge counter: {state.power.charge_uah}",
        f"  status: {2 if state.is_charging else 3}",
        "  health: 2",
        "  present: true",
        f"  level: {state.power.level_percent}",
        "  scale: 100",
        f"  voltage: {state.voltage_mv}",
        f"  temperature: {state.battery_celsius * 10:.0f}",
        "  technology: Li-ion",
    ]
    if hardware.phone.brand == "Samsung" and not state.hides_current:
        lines += [f"  current now: {state.power.current_ua // 1000}", f"  charge counter: {state.power.charge_uah}"]
    return "\n".join(lines) + "\n"


def _power_stats(state: PhoneState) -> str:
    rows = [f"  {f'[{rail}]:{feeds}':>32}   {mj:14.2f} mWs" for (rail, feeds), mj in state.power.rails_mj.items()]
    return "\n".join(
        [
            "",
            "============= PowerStats HAL 2.0 energy consumers ==============",
            f"  {'Energy Consumer':>32}   {'Cumulative Energy':>18}",
            "========== End of PowerStats HAL 2.0 energy consumers ==========",
            "",
            "============= PowerStats HAL 2.0 energy meter ==============",
            f"  {'Channel':>32}   {'Cumulative Energy':>18}",
            *rows,
            "========== End of PowerStats HAL 2.0 energy meter ==========",
            "",
        ]
    )


def _thermal(state: PhoneState) -> str:
    skin, cpu = state.skin_celsius, state.cpu_celsius
    rows = [
        f"\tTemperature{{mValue={cpu:.1f}, mType=0, mName=cpu0-silver-usr, mStatus=0}}",
        f"\tTemperature{{mValue={cpu - 2:.1f}, mType=1, mName=gpuss-0-usr, mStatus=0}}",
        f"\tTemperature{{mValue={state.battery_celsius:.1f}, mType=2, mName=battery, mStatus=0}}",
        f"\tTemperature{{mValue={skin:.1f}, mType=3, mName=skin-therm, mStatus={state.thermal_status}}}",
    ]
    hot = ", ".join(f"{value:.1f}" for value in (float("nan"), *THRESHOLDS_CELSIUS)).replace("nan", "NaN")
    return "\n".join(
        [
            "IsStatusOverride: false",
            "ThermalEventListeners:",
            "\tcallbacks: 2",
            f"Thermal Status: {state.thermal_status}",
            "Cached temperatures:",
            *rows,
            "HAL Ready: true",
            "HAL connection:",
            "\tThermalHAL AIDL connected: yes",
            "Current temperatures from HAL:",
            *rows,
            "Current cooling devices from HAL:",
            f"\tCoolingDevice{{mValue={state.thermal_status}, mType=2, mName=cpufreq-cpu0}}",
            "Temperature static thresholds from HAL:",
            f"\tTemperatureThreshold{{mType=3, mName=skin-therm, mHotThrottlingThresholds=[{hot}]}}",
            "",
        ]
    )


def _surface_flinger(hardware: Hardware) -> str:
    family, _, model = hardware.phone.chip.gpu.partition(" ")
    vendor = next((vendor for name, vendor in _GL_VENDORS.items() if family.startswith(name)), "")
    if not vendor:
        return "Build configuration: [sf]\n"  # not every phone says what its GPU is
    name = f"{vendor}{family.removeprefix('Mali')}" if family.startswith("Mali") else f"{vendor} {model}"
    return f"Build configuration: [sf]\nGLES: {name}, OpenGL ES 3.2 V@0676.77.1 (virtual)\n"
