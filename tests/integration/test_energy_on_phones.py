"""Energy and sustained latency on a rack of virtual phones, whose clock runs much faster than this machine's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embedl_nb as enb
from embedl_nb.device import open_device
from embedl_nb.errors import BenchmarkError, EmbedlWarning
from embedl_nb.measure import energy
from embedl_nb.runtime.raw_run import MeasureRequest
from embedl_nb.testing import models
from embedl_nb.testing.virtual_phone import Faults, VirtualPhone, virtual_rack
from embedl_nb.testing.virtual_phone.clock import RealClock

pytest.importorskip("adbutils", reason="adbutils brings the adb server of these tests")
pytestmark = pytest.mark.litert

SPEED = 600
SHORT: dict[str, Any] = {"iterations": 5, "warmup": 0, "num_threads": 1, "processes": 1, "profile": False}
# What testing/virtual_phone/battery.py has a phone draw: 0.28 A and 2.1 A at 4.105 V; of the rails, those that compute.
BATTERY_MW, RAILS_MW = (1149.4, 8620.5), (201.0, 3823.0)


class FastClock(RealClock):
    """Ten minutes a second."""

    def time(self) -> float:
        return SPEED * time.monotonic()


@pytest.fixture(scope="module")
def rack() -> Iterator[tuple[tuple[VirtualPhone, ...], tuple[str, ...]]]:
    names = ("Samsung Galaxy S24", "Google Pixel 7", "moto g75 5G")
    phones = tuple(VirtualPhone(name, clock=FastClock()) for name in names)
    with virtual_rack(*phones) as addresses:
        yield phones, addresses


@pytest.fixture
def phones(rack: tuple[tuple[VirtualPhone, ...], tuple[str, ...]]) -> Iterator[tuple[VirtualPhone, ...]]:
    yield rack[0]
    for phone in rack[0]:
        phone.faults = Faults()


@pytest.fixture
def addresses(rack: tuple[tuple[VirtualPhone, ...], tuple[str, ...]]) -> tuple[str, ...]:
    return rack[1]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return models.write(tmp_path, models.conv_relu(size=96, channels=32), name="net")


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "WINDOW_S", 1.0)
    monkeypatch.setattr(energy, "LONGEST_S", 4.0)
    monkeypatch.setattr(energy, "EVERY_S", 0.03)


def test_each_phone_of_a_rack_has_its_own_energy_and_heat(phones: tuple[VirtualPhone, ...], model: Path) -> None:
    phones[0].faults = Faults(hides_current=True, gauge_every_s=30.0)
    phones[1].faults = Faults(charging=True)
    phones[2].faults = Faults(celsius_per_busy_s=1e9)
    with pytest.warns(EmbedlWarning, match="thermal status"):
        found = enb.benchmark(model, "adb://*", energy=True, sustain="1s", **SHORT)
    assert not found.errors
    of = {each.device.name: each for each in found}
    for name, source, words, (idle_mw, busy_mw), is_hot in (
        ("virtual Galaxy S24", "charge counter", "steps of ", BATTERY_MW, False),
        ("virtual Pixel 7", "power rails", "S2M_VDD_CPUCL2, S3M_VDD_CPUCL1", RAILS_MW, False),
        ("virtual moto g75 5G", "battery current", "current_now, uA", BATTERY_MW, True),
    ):
        assert of[name].energy.source == source
        assert words in of[name].energy.method
        assert of[name].energy.idle_power_mw == pytest.approx(idle_mw, rel=0.2)
        assert of[name].energy.power_mw == pytest.approx(busy_mw, rel=0.2)
        assert (of[name].sustained.throttled_after_s is not None) == is_hot
    assert "energy mJ" in repr(found)


def test_a_charging_phone_without_rails_is_refused_at_once_and_by_name(
    addresses: tuple[str, ...], phones: tuple[VirtualPhone, ...], model: Path
) -> None:
    phones[2].faults = Faults(charging=True)
    with pytest.raises(BenchmarkError, match=r"virtual moto g75 5G \(adb://.*\): the phone is charging") as caught:
        energy.meter(open_device(addresses[2]), MeasureRequest(model_path=str(model)))
    assert "unplug it" in caught.value.hint
    assert not any("benchmark_model" in command for command in phones[2].commands[-2:])
