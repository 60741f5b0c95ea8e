"""What ``getprop`` says on a virtual phone: the catalog's facts under Android's names, and that it is virtual."""

from __future__ import annotations

from embedl_nb.testing.virtual_phone.hardware import Hardware

__all__ = ["VIRTUAL_PROPERTY", "system_properties"]

VIRTUAL_PROPERTY = "ro.embedl_nb.virtual"
"""``1`` on a virtual phone; numbers from a phone that says so are virtual."""

_RELEASES = {29: "10", 30: "11", 31: "12", 32: "12", 33: "13", 34: "14", 35: "15", 36: "16", 37: "17"}
_SOC_MAKERS = {"Qualcomm": "QTI", "MediaTek": "Mediatek", "Google": "Google", "Samsung": "Samsung"}
_EGL = {"adreno": "adreno", "mali": "mali", "immortalis": "mali", "powervr": "powervr", "xclipse": "samsung"}


def system_properties(hardware: Hardware, *, serial: str) -> dict[str, str]:
    """Return all properties by name."""
    phone, chip = hardware.phone, hardware.phone.chip
    brand = phone.brand.lower()
    own_name = phone.name.lower().replace(" ", "_")
    codename = next((name for name in phone.codenames if name.islower()), own_name)  # the others are operators' codes
    release = _RELEASES.get(hardware.api_level, str(hardware.api_level - 20))
    build = f"VIRT.{hardware.api_level}0101.001"
    platform = (chip.part or "unknown").lower().replace(" ", "")
    egl = next((egl for gpu, egl in _EGL.items() if gpu in chip.gpu.lower()), "")
    abis = "arm64-v8a" if brand == "google" and (phone.year or 0) >= 2022 else "arm64-v8a,armeabi-v7a,armeabi"
    properties = {
        VIRTUAL_PROPERTY: "1",
        "ro.product.brand": brand,
        "ro.product.manufacturer": phone.brand if brand == "google" else brand,
        "ro.product.model": f"virtual {phone.name.removeprefix(phone.brand).strip()}",
        "ro.product.name": codename,
        "ro.product.device": codename,
        "ro.product.cpu.abi": "arm64-v8a",
        "ro.product.cpu.abilist": abis,
        "ro.build.version.sdk": str(hardware.api_level),
        "ro.build.version.release": release,
        "ro.build.version.security_patch": "2026-09-01",
        "ro.build.display.id": build,
        "ro.build.type": "user",
        "ro.build.fingerprint": f"{brand}/{codename}/{codename}:{release}/{build}/1:user/release-keys",
        "ro.board.platform": platform,
        "ro.hardware": platform,
        "ro.hardware.chipname": platform,
        "ro.hardware.egl": egl,
        "ro.hardware.vulkan": egl,
        "ro.soc.manufacturer": _SOC_MAKERS.get(chip.vendor, chip.vendor),
        "ro.soc.model": chip.names[0] if chip.vendor == "Google" and chip.names else chip.part,
        "ro.serialno": serial,
        "sys.boot_completed": "1",
    }
    if chip.vendor == "Samsung":  # Exynos phones tell their chip here only
        properties |= {
            "ro.soc.model": "",
            "ro.hardware.chipname": (chip.names or (chip.part,))[0].lower().replace(" ", ""),
        }
    return properties
