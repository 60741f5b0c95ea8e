"""Several devices and units at once: what is kept, what fails, what is warned of, and what an interrupt leaves."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import embedl_nb as enb
from embedl_nb import progress, stopping
from embedl_nb.device import Device, DeviceAddress
from embedl_nb.device.info import DeviceInfo, UnreadyDevice
from embedl_nb.device.registry import using_provider
from embedl_nb.errors import (
    BenchmarkError,
    DeviceLost,
    DeviceNotFound,
    EmbedlWarning,
    FallbackWarning,
    InputError,
    UnitUnavailableError,
    UnknownNameError,
)
from embedl_nb.measure import Benchmark, measure
from embedl_nb.measure.benchmarks import Benchmarks
from embedl_nb.pipeline.benchmarks import benchmark_many
from embedl_nb.testing import models
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider
from embedl_nb.units import ComputeUnit

SHORT = {"processes": 1, "iterations": 3, "profile": False}
BOTH = (ComputeUnit.CPU, ComputeUnit.GPU)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return models.write(tmp_path, models.fully_connected(), name="net")


@contextmanager
def rack(*devices: VirtualDevice) -> Iterator[None]:
    with using_provider(VirtualProvider(*devices)):
        yield


def many(model: Path, device: Any, *, compute_unit: Any = "cpu", record: Any = None, **options: Any) -> Benchmarks:
    """Do what the verb does, but for the store."""
    measure_one = partial(measure, model, **(options or SHORT))
    return benchmark_many(measure_one, device, compute_unit, record=record or (lambda result: result))


def fail(error: Exception) -> VirtualDevice:
    def before_run(_number: int) -> None:
        raise error

    return VirtualDevice(name="bad", before_run=before_run)


def test_one_device_that_fails_costs_no_other_its_result(model: Path) -> None:
    with rack(VirtualDevice(name="a"), fail(DeviceLost("cable")), VirtualDevice(name="b")):
        result = enb.benchmark(model, ["virtual://b", "virtual://bad", "virtual://gone", "virtual://a"], **SHORT)
    assert isinstance(result, Benchmarks)
    assert list(result.results) == ["virtual://b", "virtual://a"]
    assert {name: type(error) for name, error in result.errors.items()} == {
        "virtual://bad": DeviceLost,
        "virtual://gone": DeviceNotFound,
    }
    assert "2 of 4 failed" in repr(result).splitlines()[0]
    assert "virtual" in repr(result).splitlines()[1]
    assert [enb.load(each.run_id) for each in result] == list(result)
    assert list(result.frame()["result"]) == ["virtual://b", "virtual://a"]
    with pytest.raises(DeviceLost):
        result["virtual://bad"]


def test_whatever_goes_wrong_on_one_device_is_an_error_of_its_own(model: Path) -> None:
    with rack(VirtualDevice(name="a"), fail(ZeroDivisionError("a bug"))):
        result = many(model, ["virtual://bad", "virtual://a"])
    assert isinstance(result.errors["virtual://bad"], BenchmarkError)
    assert isinstance(result.errors["virtual://bad"].__cause__, ZeroDivisionError)
    assert list(result.results) == ["virtual://a"]


def test_devices_are_measured_at_the_same_time(model: Path) -> None:
    together = threading.Barrier(3, timeout=20)

    def meet(_number: int) -> None:
        together.wait()

    with rack(*(VirtualDevice(name=name, before_run=meet) for name in "abc")):
        assert len(many(model, "virtual://*")) == 3


def test_units_of_one_device_are_measured_one_after_the_other(model: Path) -> None:
    with rack(VirtualDevice(name="a", compute_units=BOTH)):
        result = many(model, "virtual://a", compute_unit="all")
        chosen = many(model, "virtual://a", compute_unit=["gpu"])
    assert list(result.results) == ["virtual://a | cpu", "virtual://a | gpu"]
    assert [each.placement.asked for each in result] == ["cpu", "gpu"]
    assert list(chosen.results) == ["virtual://a | gpu"]


def test_one_device_and_one_unit_as_text_are_one_benchmark(model: Path) -> None:
    with rack(VirtualDevice(name="a")):
        assert isinstance(enb.benchmark(model, "virtual://a", **SHORT), Benchmark)
        assert list(many(model, ["virtual://a", "VIRTUAL://a"]).results) == ["virtual://a"]


def test_the_same_warning_of_two_devices_is_given_for_both(model: Path) -> None:
    with (
        rack(VirtualDevice(name="a"), VirtualDevice(name="b")),
        pytest.warns(FallbackWarning) as caught,
    ):
        many(model, "virtual://*", compute_unit="gpu")
    fallbacks = [each for each in caught if isinstance(each.message, FallbackWarning)]
    assert [str(each.message).split(": ")[0] for each in fallbacks] == ["virtual://a", "virtual://b"]
    assert {each.filename for each in fallbacks} == {__file__}
    with rack(VirtualDevice(name="a")):
        refused = many(model, ["virtual://a"], compute_unit="gpu", allow_fallback=False, **SHORT)
    assert isinstance(refused.errors["virtual://a"], UnitUnavailableError)


def test_what_makes_no_sense_is_refused_before_anything_is_measured(model: Path) -> None:
    device = VirtualDevice(name="a")
    with rack(device):
        with pytest.raises(UnknownNameError, match="gpuu"):
            many(model, "virtual://a", compute_unit=["gpuu"])
        with pytest.raises(UnknownNameError, match="Pixel 7"):
            many(model, ["virtual://a", "Pixel 7"])
        with pytest.raises(InputError, match="processes"):
            many(model, ["virtual://a"], processes=0)
        with pytest.raises(InputError, match="no device"):
            many(model, [])
        with pytest.raises(InputError, match="no compute unit"):
            many(model, "virtual://a", compute_unit=[])
    assert device.requests == []


class UnreadyProvider(VirtualProvider):
    def devices(self) -> tuple[DeviceInfo | UnreadyDevice, ...]:  # type: ignore[override]
        locked = UnreadyDevice(address="virtual://locked", state="unauthorized", next_step="allow it")
        return (locked, *super().devices())


def test_every_device_means_those_that_are_ready_and_names_the_others(model: Path) -> None:
    with (
        using_provider(UnreadyProvider(VirtualDevice(name="a"))),
        pytest.warns(EmbedlWarning, match="virtual://locked is left out: unauthorized; allow it"),
    ):
        assert list(many(model, "virtual://*").results) == ["virtual://a"]
    with using_provider(UnreadyProvider()), pytest.raises(DeviceNotFound, match="no device is ready: virtual://locked"):
        many(model, "virtual://*")


def test_progress_says_where_each_device_stands(model: Path) -> None:
    events: list[progress.Event] = []
    with rack(VirtualDevice(name="a"), VirtualDevice(name="b")), progress.listening(events.append):
        many(model, "virtual://*")
    assert {event.stage for event in events} == {"measure"}
    assert any("virtual://a process 1 of 1" in event.message for event in events)
    assert (events[-1].done, events[-1].total) == (2, 2)


def test_progress_has_a_job_for_each_device(model: Path) -> None:
    events: list[progress.Event] = []
    with rack(VirtualDevice(name="a"), fail(DeviceNotFound("gone"))), progress.listening(events.append):
        many(model, "virtual://*", processes=2, iterations=3, profile=False)
    assert {tuple(job.name for job in event.jobs) for event in events} == {("virtual://a", "virtual://bad")}
    shares = [event.jobs[0].event.share for event in events if event.jobs[0].event.stage == "process"]
    assert {0.0, 0.5, 1.0} <= set(shares)
    assert [type(error) for error in events[-1].jobs[1].errors] == [DeviceNotFound]


class Unplugged(VirtualProvider):
    """Its device ``lost`` is away until ``is_back``."""

    is_back = threading.Event()

    def open(self, address: DeviceAddress) -> Device:
        if address.name == "lost" and not self.is_back.is_set():
            raise DeviceNotFound("away")
        return super().open(address)


def test_a_device_that_comes_back_while_others_are_at_work_is_measured_again(model: Path) -> None:
    provider: Unplugged

    def lose(number: int) -> None:
        if number == 0:
            provider.is_back.clear()
            raise DeviceLost("the cable is out")

    def bring_back(_number: int) -> None:
        while provider.is_back.is_set():
            time.sleep(0.01)
        provider.is_back.set()

    provider = Unplugged(VirtualDevice(name="lost", before_run=lose), VirtualDevice(name="b", before_run=bring_back))
    provider.is_back.set()
    with using_provider(provider), pytest.warns(EmbedlWarning, match="was lost and came back.*the cable is out"):
        result = many(model, ["virtual://lost", "virtual://b"])
    assert sorted(result.results) == ["virtual://b", "virtual://lost"]
    assert result.errors == {}


def test_a_device_that_stays_away_is_lost_once_the_others_are_done(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedl_nb.pipeline.device_worker._LINGER_S", 0.0)
    lost = fail(DeviceLost("the cable is out"))
    with rack(VirtualDevice(name="a"), lost):
        monkeypatch.setattr("embedl_nb.pipeline.device_worker.open_device", _nothing_there)
        result = many(model, ["virtual://bad", "virtual://a"])
    assert [type(error) for error in result.errors.values()] == [DeviceLost]
    assert len(lost.requests) == 1
    assert list(result.results) == ["virtual://a"]


def _nothing_there(address: str) -> Device:
    raise DeviceNotFound(f"{address} is away")


def test_an_interrupt_stops_every_device_and_keeps_what_was_finished(model: Path) -> None:
    finished = threading.Event()
    recorded: list[Benchmark] = []

    def record(result: Benchmark) -> Benchmark:
        recorded.append(result)
        finished.set()
        return result

    def wait(_number: int) -> None:
        while True:
            stopping.check()
            time.sleep(0.01)

    def interrupt(_number: int) -> None:
        finished.wait(20)
        signal.raise_signal(signal.SIGINT)
        wait(0)

    waiting = VirtualDevice(name="waiting", before_run=wait)
    devices = (VirtualDevice(name="a"), waiting, VirtualDevice(name="c", before_run=interrupt))
    with rack(*devices), pytest.raises(KeyboardInterrupt) as caught:
        many(model, "virtual://*", record=record)
    assert [device.is_leased for device in devices] == [False] * 3
    assert [each.name for each in threading.enumerate() if "virtual://" in each.name] == []
    assert [each.device.address for each in recorded] == ["virtual://a"]
    assert caught.value.__notes__ == ["1 of the benchmarks had been finished and are recorded: enb.runs()"]


def test_a_stop_is_told_once_so_that_cleaning_up_can_wait() -> None:
    stop = stopping.Stop()
    stop.ask()
    with pytest.raises(KeyboardInterrupt):
        stop.covering(stopping.check)
    stop.covering(stopping.check)
    stopping.check()


def test_one_device_is_cancelled_and_freed_while_the_other_goes_on(model: Path) -> None:
    is_cancelled = threading.Event()

    def wait(_number: int) -> None:
        while True:
            stopping.check()
            time.sleep(0.01)

    def cancel_the_waiting(event: progress.Event) -> None:
        for job in event.jobs:
            if job.name == "virtual://waiting" and job.event.stage == "process" and not is_cancelled.is_set():
                job.cancel()
                is_cancelled.set()

    waiting = VirtualDevice(name="waiting", before_run=wait)
    other = VirtualDevice(name="other", before_run=lambda _number: wait_for(is_cancelled))
    with rack(waiting, other), progress.listening(cancel_the_waiting):
        result = many(model, "virtual://*")
    assert list(result.results) == ["virtual://other"]
    assert "virtual://waiting was cancelled" in str(result.errors["virtual://waiting"])
    assert not waiting.is_leased


def wait_for(event: threading.Event) -> None:
    assert event.wait(20)


def test_each_job_tells_its_latest_latency_unit_and_end(model: Path) -> None:
    events: list[progress.Event] = []
    with rack(VirtualDevice(name="a"), VirtualDevice(name="b")), progress.listening(events.append):
        many(model, "virtual://*")
    readings = [job.event.reading for event in events for job in event.jobs if job.event.reading is not None]
    assert readings
    assert all(each.got == "cpu" and each.asked == "cpu" and each.latency_ms for each in readings)
    assert [job.is_over for job in events[-1].jobs] == [True, True]
