"""How a virtual phone is at one moment, as numbers; system_files.py and dumpsys.py put them into Android's words."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PhoneState"]

_IDLE_UA, _BUSY_UA, _CHARGING_UA = -280_000, -2_100_000, 1_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneState:
    """One moment.

    Attributes
    ----------
    num_busy
        Programs that are computing.
    busy_s
        How long programs have computed since it started, seconds.
    thermal_status
        Android's: 0 is NONE, 6 is SHUTDOWN.
    slowdown
        By what factor heat makes work take longer.
    """

    uptime_s: float
    num_busy: int
    busy_s: float
    last_pid: int
    skin_celsius: float
    thermal_status: int
    slowdown: float
    is_charging: bool
    level_percent: int = 83
    voltage_mv: int = 4105

    @property
    def load(self) -> float:
        """Runnable processes, mean."""
        return 0.4 + 4.0 * self.num_busy

    @property
    def cpu_celsius(self) -> float:
        """Temperature of the CPU."""
        return self.skin_celsius + (18.0 if self.num_busy else 6.0)

    @property
    def battery_celsius(self) -> float:
        """Temperature of the battery."""
        return self.skin_celsius - 1.5

    @property
    def current_ua(self) -> int:
        """Battery current in uA; positive while it is being charged, as Android says it should be."""
        drawn = _BUSY_UA if self.num_busy else _IDLE_UA
        return drawn + _CHARGING_UA if self.is_charging else drawn

    @property
    def charge_counter_uah(self) -> int:
        """Charge that is left, uAh."""
        return self.level_percent * 40_000
