"""What a device's meters say at one moment, as they say it; what that is worth is judged elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["MetersPower", "PowerReading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerReading:
    """One reading; None stands for what the device does not say.

    Attributes
    ----------
    time_s
        By the device's own clock.
    current
        Of the battery, as its gauge gives it: vendors differ in sign, and in uA or mA.
    charge_uah
        Charge that is left in the battery.
    voltage_mv
        Of the battery.
    rails_mj
        Energy that has gone through the supply rails ``rails`` since the device started.
    is_charging
        Whether a charger feeds the device.
    current_source
        Where the current was read.
    """

    time_s: float | None = None
    current: int | None = None
    charge_uah: int | None = None
    voltage_mv: int | None = None
    rails_mj: float | None = None
    rails: tuple[str, ...] = ()
    is_charging: bool | None = None
    current_source: str = ""


@runtime_checkable
class MetersPower(Protocol):
    """A device that meters what it draws."""

    def power(self) -> PowerReading:
        """Read its meters.

        Raises
        ------
        DeviceError
            If the device goes away.
        """
