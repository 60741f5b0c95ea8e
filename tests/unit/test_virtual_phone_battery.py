"""What a virtual phone's meters tell, by hand: its load, a charger, a slow gauge, steps of charge, rails."""

from __future__ import annotations

import pytest

from embedl_nb.device.power import PowerReading
from embedl_nb.measure.energy import judge
from embedl_nb.testing.virtual_phone.battery import Battery

FULL_UAH = 3_320_000


def a_battery(*, gauge_every_s: float = 1.0) -> Battery:
    battery = Battery(0.0)
    battery.set_load(0.0, is_busy=False, is_charging=False, gauge_every_s=gauge_every_s)
    return battery


def busy(battery: Battery, now_s: float, *, gauge_every_s: float = 1.0, is_charging: bool = False) -> None:
    battery.set_load(now_s, is_busy=True, is_charging=is_charging, gauge_every_s=gauge_every_s)


def test_it_draws_more_while_it_computes_and_the_charge_goes_accordingly() -> None:
    battery = a_battery()
    assert battery.told(3600.0).charge_uah == FULL_UAH - 280_000
    busy(battery, 3600.0)
    told = battery.told(5400.0)
    assert told.charge_uah == FULL_UAH - 280_000 - 1_050_000
    assert told.current_ua == pytest.approx(-2_100_000, rel=0.02)


def test_a_charger_feeds_it_and_the_current_turns_round() -> None:
    battery = a_battery()
    battery.set_load(0.0, is_busy=False, is_charging=True, gauge_every_s=1.0)
    told = battery.told(3600.0)
    assert told.current_ua == pytest.approx(1_120_000, rel=0.02)
    assert told.charge_uah == FULL_UAH + 1_120_000


def test_a_slow_gauge_tells_what_it_last_saw() -> None:
    battery = a_battery(gauge_every_s=30.0)
    first = battery.told(31.0)
    busy(battery, 35.0, gauge_every_s=30.0)
    assert (battery.told(59.0).current_ua, battery.told(59.0).charge_uah) == (first.current_ua, first.charge_uah)
    later = battery.told(61.0)
    assert later.current_ua < 5 * first.current_ua
    # 30 s idle, 5 s idle and 25 s busy, told in steps of 500 uAh.
    assert later.charge_uah == FULL_UAH - 17_500


def test_rails_go_on_counting_whatever_feeds_them() -> None:
    battery = a_battery()
    busy(battery, 10.0, is_charging=True)
    rails = battery.told(20.0).rails_mj
    assert rails["S2M_VDD_CPUCL2", "CPU"] == 12 * 10 + 1800 * 10
    assert rails["VSYS_PWR_MODEM", "Cellular"] == 90 * 20


@pytest.mark.parametrize(
    ("gauge_every_s", "shows_current", "source"),
    [(0.25, True, "battery current"), (0.25, False, "charge counter"), (30.0, True, "battery current")],
)
def test_the_energy_that_is_made_of_what_it_tells_is_what_it_drew(
    gauge_every_s: float, shows_current: bool, source: str
) -> None:
    battery, times_s = a_battery(gauge_every_s=gauge_every_s), [float(now) for now in range(200)]

    def read(now_s: float) -> PowerReading:
        told = battery.told(now_s)
        current = told.current_ua if shows_current else None
        charge = None if shows_current else told.charge_uah
        return PowerReading(time_s=now_s, current=current, charge_uah=charge, voltage_mv=4105, is_charging=False)

    idle = [read(now_s) for now_s in times_s]
    busy(battery, 200.0, gauge_every_s=gauge_every_s)
    loop = [read(200.0 + now_s) for now_s in times_s][40:]  # as settled
    found = judge(idle, loop, mean_ms=10.0, n=100, window_s=200.0)
    assert found.source == source
    drawn_mj = (2.1 - 0.28) * 4.105 * 10
    assert abs(found.energy_mj - drawn_mj) <= max(found.uncertainty_mj, 0.01 * drawn_mj)
    assert found.uncertainty_mj < 0.1 * drawn_mj
