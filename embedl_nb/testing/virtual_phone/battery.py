"""What a virtual phone draws, and what its meters tell of it: a battery's gauge, and rails where it has them.

All made up: it draws more while it computes, the same as long as it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["RAILS", "Battery", "Told"]

_IDLE_UA, _BUSY_UA, _CHARGING_UA = -280_000, -2_100_000, 1_400_000
_FULL_UAH, _FIRST_UAH, _STEP_UAH = 4_000_000, 3_320_000, 500
_RIPPLE = 0.01

# In mW, idle and while it computes, in the order of the dump.
RAILS: Mapping[tuple[str, str], tuple[float, float]] = MappingProxyType(
    {
        ("S10M_VDD_TPU", "Tensor"): (5.0, 15.0),
        ("VSYS_PWR_MODEM", "Cellular"): (90.0, 90.0),
        ("S2M_VDD_CPUCL2", "CPU"): (12.0, 1800.0),
        ("S3M_VDD_CPUCL1", "CPU"): (10.0, 900.0),
        ("S4M_VDD_CPUCL0", "CPU"): (40.0, 400.0),
        ("S5M_VDD_INT", "SoC"): (60.0, 250.0),
        ("S1M_VDD_MIF", "Memory"): (70.0, 450.0),
        ("S2S_VDD_G3D", "GPU"): (4.0, 8.0),
    }
)
"""Of phones that meter them, by name and by what they feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the meters tell at one moment.

    Attributes
    ----------
    current_ua
        Positive while it is being charged, as Android says it should be.
    rails_mj
        Energy through each of :data:`RAILS` so far.
    """

    current_ua: int
    charge_uah: int
    rails_mj: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def level_percent(self) -> int:
        """Charge that is left, of a full battery's."""
        return round(100 * self.charge_uah / _FULL_UAH)


class Battery:
    """The battery of one phone. Whoever changes what it feeds says so with :meth:`set_load`."""

    def __init__(self, now_s: float) -> None:
        self._now_s = now_s
        self._is_busy, self._is_charging, self._every_s = False, False, 1.0
        self._charge_uah = float(_FIRST_UAH)
        self._rails_mj = dict.fromkeys(RAILS, 0.0)
        self._gauge = self._gauged(now_s)

    def set_load(self, now_s: float, *, is_busy: bool, is_charging: bool, gauge_every_s: float) -> None:
        """Have another load from now on.

        Parameters
        ----------
        gauge_every_s
            How often the gauge takes a new look.
        """
        self._advance(now_s)
        self._is_busy, self._is_charging, self._every_s = is_busy, is_charging, gauge_every_s

    def told(self, now_s: float) -> Told:
        """Return what its meters tell."""
        self._advance(now_s)
        current_ua, charge_uah = self._gauge
        steps = math.floor(charge_uah / _STEP_UAH)
        return Told(current_ua=current_ua, charge_uah=steps * _STEP_UAH, rails_mj=dict(self._rails_mj))

    def _advance(self, now_s: float) -> None:
        """Let the load last until now, with the gauge's last look on the way."""
        look_s = math.floor(now_s / self._every_s) * self._every_s
        if look_s > self._now_s:
            self._draw(look_s)
            self._gauge = self._gauged(look_s)
        self._draw(now_s)

    def _draw(self, until_s: float) -> None:
        passed_s = max(0.0, until_s - self._now_s)
        self._charge_uah += self._mean_ua * passed_s / 3600
        for rail, powers_mw in RAILS.items():
            self._rails_mj[rail] += powers_mw[self._is_busy] * passed_s
        self._now_s = max(self._now_s, until_s)

    def _gauged(self, now_s: float) -> tuple[int, float]:
        """Return current and charge as a look finds them: never quite the same current."""
        ripple = 1 + _RIPPLE * (37 * round(now_s / self._every_s) % 101 - 50) / 50
        return int(ripple * self._mean_ua), self._charge_uah

    @property
    def _mean_ua(self) -> int:
        return (_BUSY_UA if self._is_busy else _IDLE_UA) + (_CHARGING_UA if self._is_charging else 0)
