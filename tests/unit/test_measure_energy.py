"""Energy from a phone's meters: what it comes to, quirks of units and signs, and when there is no number but why."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from embedl_nb.device.adb.gauge import read_power
from embedl_nb.device.power import PowerReading
from embedl_nb.errors import BenchmarkError
from embedl_nb.measure import energy
from embedl_nb.measure.benchmark import Benchmark, Flag, FlagKind
from embedl_nb.measure.energy import Energy, judge, meter
from embedl_nb.measure.gauges import UnfitError
from embedl_nb.runtime.raw_run import MeasureRequest, OutputsFor, RawRun
from embedl_nb.testing import models
from embedl_nb.testing.devices import VirtualDevice
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.testing.virtual_phone.battery import Battery

IDLE_UA = [-250_000, -253_000, -247_000, -252_000, -248_000, -250_000]
BUSY_UA = [-1_250_000, -1_260_000, -1_240_000, -1_255_000, -1_245_000, -1_250_000]
IDLE_UAH = [3_000_000 - 1000 * step for step in range(6)]
BUSY_UAH = [2_990_000 - 5000 * step for step in range(6)]


def readings(
    currents: Sequence[int | None] = (),
    *,
    charges: Sequence[int] = (),
    rails: Sequence[float] = (),
    is_charging: bool | None = False,
    every_s: float = 15.0,
) -> list[PowerReading]:
    """Return one reading each ``every_s`` seconds at 4 V; what is not given is not said."""
    return [
        PowerReading(
            time_s=100.0 + every_s * index,
            current=currents[index] if currents else None,
            charge_uah=charges[index] if charges else None,
            rails_mj=rails[index] if rails else None,
            rails=("S2M_VDD_CPUCL2", "S1M_VDD_MIF") if rails else (),
            voltage_mv=4000,
            is_charging=is_charging,
            current_source="current_now",
        )
        for index in range(max(len(currents), len(charges), len(rails)))
    ]


def judged(idle: list[PowerReading], busy: list[PowerReading]) -> Energy:
    return judge(idle, busy, mean_ms=5.0, n=12_000, window_s=60.0)


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    return models.write(tmp_path, models.fully_connected(), name="net")


def test_energy_is_the_power_above_the_idle_phones_times_the_time_of_an_inference() -> None:
    found = judged(readings(IDLE_UA), readings(BUSY_UA))
    # By hand: 1.25 A less 0.25 A at 4 V are 4 W; for 5 ms that is 20 mJ.
    assert found.power_mw == pytest.approx(5000)
    assert found.idle_power_mw == pytest.approx(1000)
    assert found.energy_mj == pytest.approx(20)
    assert 0 < found.uncertainty_mj < 0.5
    assert (found.n, found.num_readings) == (12_000, 12)
    assert found.method == "battery current (current_now, uA) x voltage, whole phone, idle subtracted"


@pytest.mark.parametrize("factor", [1, -1, 1e-3, -1e-3])
def test_a_gauge_may_count_in_ma_and_call_what_flows_out_positive(factor: float) -> None:
    idle, busy = ([round(current * factor) for current in currents] for currents in (IDLE_UA, BUSY_UA))
    found = judged(readings(idle), readings(busy))
    assert found.energy_mj == pytest.approx(20, rel=0.01)
    assert ("mA" in found.method) == (abs(factor) < 1)


def test_without_a_current_the_charge_that_went_tells_and_its_steps_make_it_uncertain() -> None:
    found = judged(readings(charges=IDLE_UAH), readings(charges=BUSY_UAH))
    # By hand: 1 mAh in 15 s at 4 V is 14.4 J in 15 s, 960 mW; 5 mAh are 4800 mW. Over 75 s the steps of 14.4 J and
    # 72 J make errors of 78 mW and 392 mW (step / sqrt(6) / 75 s); 1.96 x their root of squares x 5 ms is 3.9 mJ.
    assert (found.source, found.idle_power_mw) == ("charge counter", pytest.approx(960))
    assert found.energy_mj == pytest.approx((4800 - 960) * 5 / 1000)
    assert found.uncertainty_mj == pytest.approx(3.92, rel=0.01)
    assert found.method == "charge counter (steps of 5000 uAh) x voltage, whole phone, idle subtracted"


def test_rails_count_before_the_battery_and_also_while_it_charges() -> None:
    idle = readings(IDLE_UA, rails=[1000.0 + 3000 * step for step in range(6)], is_charging=True)
    busy = readings(BUSY_UA, rails=[1e6 + 45_000 * step for step in range(6)], is_charging=True)
    found = judged(idle, busy)
    # By hand: 3 J in 15 s are 200 mW, 45 J are 3000 mW; 2800 mW for 5 ms are 14 mJ.
    assert (found.source, found.energy_mj) == ("power rails", pytest.approx(14))
    assert found.method == "power rails (S2M_VDD_CPUCL2, S1M_VDD_MIF), idle subtracted"


def test_a_current_that_moves_too_rarely_gives_way_to_the_charge_counter() -> None:
    found = judged(readings(IDLE_UA[:1] * 6, charges=IDLE_UAH), readings(BUSY_UA[:1] * 6, charges=BUSY_UAH))
    assert found.source == "charge counter"


def test_a_current_of_another_size_than_the_charge_that_went_makes_no_number_at_all() -> None:
    # One of two cells: the gauge says a quarter of what flows.
    idle, busy = ([current // 4 for current in currents] for currents in (IDLE_UA, BUSY_UA))
    with pytest.raises(UnfitError, match="current makes 1250 mW, what its charge lost 4800 mW"):
        judged(readings(idle, charges=IDLE_UAH), readings(busy, charges=BUSY_UAH))


@pytest.mark.parametrize(
    ("idle", "busy", "why"),
    [
        (readings(IDLE_UA), readings(BUSY_UA, is_charging=True), "the phone is charging"),
        (readings(IDLE_UA, is_charging=None), readings(BUSY_UA), "does not say whether it is charging"),
        (readings(IDLE_UA), readings([*BUSY_UA, None]), "does not let its battery's current or charge be read"),
        (readings([*IDLE_UA, 90_000]), readings(BUSY_UA), "changes its sign"),
        (readings(IDLE_UA), readings(BUSY_UA[:1] * 60), "moves too rarely: 1 different values in a row"),
        (readings(IDLE_UA), [], "moves too rarely"),
        (readings(BUSY_UA), readings(BUSY_UA), "lost in the uncertainty"),
        (readings(IDLE_UA), readings([-(10**8) - step for step in range(6)]), "which no phone draws"),
        (readings(charges=IDLE_UAH), readings(charges=BUSY_UAH[::-1]), "ran backwards"),
        (readings(rails=[float(step) for step in range(6)]), readings(rails=[1.0] * 6), "power rails moves too rarely"),
    ],
)
def test_where_no_meter_can_tell_there_is_a_reason_and_no_number(
    idle: list[PowerReading], busy: list[PowerReading], why: str
) -> None:
    with pytest.raises(UnfitError, match=why):
        judged(idle, busy)


def test_a_machine_without_meters_is_refused_at_once() -> None:
    device = VirtualDevice()
    with pytest.raises(BenchmarkError, match="nothing meters one process on virtual bench"):
        meter(device, MeasureRequest(model_path="net.tflite"))
    assert device.requests == []


class SlowPhone(VirtualDevice):
    """Every look at its meters is a second of its time; its gauge says something new every ``gauge_every_s``."""

    def __init__(self, *, gauge_every_s: float, init_s: float = 0.0) -> None:
        super().__init__()
        self._init_s = init_s
        self.num_looks = 0
        self._every_s = gauge_every_s
        self._battery = Battery(0.0)
        self._load(is_busy=False)

    def power(self) -> PowerReading:
        self.num_looks += 1
        told = self._battery.told(float(self.num_looks))
        return PowerReading(time_s=float(self.num_looks), current=told.current_ua, voltage_mv=4105, is_charging=False)

    def run(self, request: MeasureRequest) -> RawRun:
        until = self.num_looks + self._init_s
        while self.num_looks < until:
            time.sleep(0.001)
        self._load(is_busy=True)
        until = self.num_looks + 200
        while self.num_looks < until:
            time.sleep(0.001)
        run = super().run(dataclasses.replace(request, iterations=10, min_iterations=10))
        return dataclasses.replace(run, compile_ms=1e3 * self._init_s)

    def _load(self, *, is_busy: bool) -> None:
        now_s = float(self.num_looks)
        self._battery.set_load(now_s, is_busy=is_busy, is_charging=False, gauge_every_s=self._every_s)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "WINDOW_S", 0.0)
    monkeypatch.setattr(energy, "EVERY_S", 0.001)


def test_a_slow_gauge_is_given_the_time_that_it_needs(model_path: Path, no_waiting: None) -> None:
    phone = SlowPhone(gauge_every_s=20.0)
    found = meter(phone, MeasureRequest(model_path=str(model_path), profile=True))
    (asked,) = phone.requests
    assert (asked.profile, asked.outputs_for) == (False, OutputsFor.NOTHING)
    # The mean of the made-up times is 5 ms; 2.1 A less 0.28 A at 4.105 V for 5 ms.
    assert found.energy_mj == pytest.approx((2.1 - 0.28) * 4.105 * 5, rel=0.05)


def test_what_a_long_compile_draws_is_no_part_of_an_inference(model_path: Path, no_waiting: None) -> None:
    phone = SlowPhone(gauge_every_s=1.0, init_s=300.0)
    found = meter(phone, MeasureRequest(model_path=str(model_path)))
    assert found.energy_mj == pytest.approx((2.1 - 0.28) * 4.105 * 5, rel=0.05)


def test_a_gauge_that_does_not_move_is_given_up_before_anything_runs(
    model_path: Path, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "LONGEST_S", 0.05)
    phone = SlowPhone(gauge_every_s=1e9)
    with pytest.raises(BenchmarkError, match=r"virtual bench .*: its meters are too slow: 1 different values"):
        meter(phone, MeasureRequest(model_path=str(model_path)))
    assert phone.requests == []


BATTERY = (
    "#battery\n  USB powered: false\n  Charge counter: 3320000\n  status: 3\n  voltage: 4105\n  current now: -280\n"
)


def test_the_kernels_files_count_before_the_battery_service() -> None:
    read = read_power(f"#uptime\n5012.25 30000.00\n#current\n-281000\n#charge\n3319500\n{BATTERY}")
    assert (read.current, read.current_source, read.voltage_mv) == (-281_000, "current_now", 4105)
    assert (read.charge_uah, read.time_s, read.is_charging, read.rails_mj) == (3_319_500, 5012.25, False, None)
    read = read_power(f"#current\n#charge\n{BATTERY}")
    assert (read.current, read.current_source, read.charge_uah) == (-280, "dumpsys battery", 3_320_000)


def test_of_the_rails_those_count_that_feed_what_computes() -> None:
    meters = """#rails
============= PowerStats HAL 2.0 energy consumers ==============
                 [S9_VDD_CPU]:not a rail         99999.00 mWs
============= PowerStats HAL 2.0 energy meter ==============
                           Channel    Cumulative Energy
             [S2M_VDD_CPUCL2]:CPU         12003.50 mWs
          [VSYS_PWR_MODEM]:Cellular         70000.00 mWs
                [S1M_VDD_MIF]:Memory          2000.25 mWs
             [S10M_VDD_TPU]:Tensor      not a number mWs
========== End of PowerStats HAL 2.0 energy meter ==========
             [S3M_VDD_CPUCL1]:CPU         55555.00 mWs
"""
    read = read_power(meters)
    assert (read.rails_mj, read.rails) == (14003.75, ("S2M_VDD_CPUCL2", "S1M_VDD_MIF"))


def test_an_energy_comes_back_from_its_record_and_shows_its_uncertainty() -> None:
    result = dataclasses.replace(fake_benchmark(4), energy=judged(readings(IDLE_UA), readings(BUSY_UA)))
    record = json.loads(json.dumps(result.to_record()))
    assert Benchmark.from_record(record) == result
    assert result.frame()["energy_mj"][0] == pytest.approx(20)
    assert "20 mJ an inference, 95 % interval +/- " in " ".join(repr(result).split())
    record["energy"] = None
    del record["options"]["energy"]
    assert Benchmark.from_record(record).energy is None


def test_a_refusal_is_shown_with_its_reason() -> None:
    refused = Flag(kind=FlagKind.NO_ENERGY, sentence="energy not measured: the phone is charging; try: unplug it")
    result = dataclasses.replace(fake_benchmark(4), flags=(refused,))
    assert "energy not measured: the phone is charging; try: unplug it" in " ".join(repr(result).split())
