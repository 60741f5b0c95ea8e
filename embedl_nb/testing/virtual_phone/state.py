"""How a virtual phone is at one moment, as numbers; system_files.py and dumpsys.py put them into Android's words."""

from __future__ import annotations

from dataclasses import dataclass

from embedl_nb.testing.virtual_phone.battery import Told

__all__ = ["PhoneState"]


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
    hides_current
        Whether a shell is not let see the battery's current.
    power
        What its meters tell.
    """

    uptime_s: float
    num_busy: int
    busy_s: float
    last_pid: int
    skin_celsius: float
    thermal_status: int
    slowdown: float
    is_charging: bool
    hides_current: bool
    power: Told
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
