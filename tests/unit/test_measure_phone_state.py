"""How a phone was while it was measured: which of it is a fact, and which a doubt."""

from __future__ import annotations

from typing import Any

from embedl_nb.device.conditions import Conditions
from embedl_nb.measure.benchmark import Environment, FlagKind, Thermal
from embedl_nb.measure.phone_state import phone_flags, state_facts
from embedl_nb.units import Provenance

COOL = {"start_status": 0, "end_status": 0, "peak_status": 0}


def environment(**values: Any) -> Environment:
    return Environment(hostname="desk", cpu="", num_cores=2, num_usable_cores=2, os="", **values)


def reading(**values: Any) -> Conditions:
    return Conditions(clock_s=1.0, **values)


def test_a_cool_and_quiet_phone_raises_no_doubt() -> None:
    windows = [(reading(is_battery_saver_on=False), reading())]
    assert phone_flags(windows, Thermal(**COOL), environment(load_average_1m=2.0), num_cores=8) == []


def test_heat_between_two_cool_readings_is_a_doubt() -> None:
    thermal = Thermal(start_status=0, end_status=0, peak_status=3, peak_skin_celsius=44.4)
    (flag,) = phone_flags([(reading(), reading())], thermal, environment(), num_cores=8)
    assert flag.kind is FlagKind.THROTTLED
    assert "status was 3 of 6" in flag.sentence
    assert "44 °C" in flag.sentence


def test_a_battery_saver_and_other_work_are_doubts() -> None:
    windows = [(reading(), reading(is_battery_saver_on=True))]
    flags = phone_flags(windows, Thermal(**COOL), environment(load_average_1m=14.0), num_cores=8)
    assert [flag.kind for flag in flags] == [FlagKind.GOVERNOR, FlagKind.BUSY_MACHINE]
    assert "load average was 14.0 on 8 cores" in flags[1].sentence


def test_a_machine_that_is_no_phone_has_its_load_judged_elsewhere() -> None:
    assert phone_flags([(reading(), reading())], Thermal(), environment(load_average_1m=99.0), num_cores=2) == []


def test_the_facts_name_each_sensor_and_how_the_phone_was_set() -> None:
    thermal = Thermal(
        start_celsius=41.0,
        end_celsius=55.0,
        peak_celsius=70.0,
        start_skin_celsius=30.0,
        end_skin_celsius=33.0,
        peak_skin_celsius=33.0,
        start_battery_celsius=28.0,
        end_battery_celsius=29.0,
        busy_clock_hz=2.5e9,
        **COOL,
    )
    state = environment(battery_share=0.83, is_charging=True, is_screen_on=False, is_battery_saver_on=False)
    facts = {fact.label: fact.value for fact in state_facts(thermal, state, Provenance.VIRTUAL)}
    assert facts["temperature"].startswith("CPU 41 to 55 °C (up to 70), skin 30 to 33 °C, battery 28 to 29 °C")
    assert "status 0 to 0 of 6 (virtual)" in facts["temperature"]
    assert facts["clock"].startswith("2.50 GHz while it ran")
    assert facts["phone"] == "battery 83 %, charging, screen off, battery saver off"


def test_a_host_says_no_more_than_its_temperature() -> None:
    facts = state_facts(Thermal(start_celsius=50.0, end_celsius=60.0), environment(), Provenance.MEASURED)
    assert [(fact.label, fact.value) for fact in facts] == [("temperature", "50 to 60 °C (measured)")]
