"""What is measured once the latency is known may fail, and costs nothing of what was measured before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import embedl_nb as enb
from embedl_nb.device.registry import using_provider
from embedl_nb.errors import DeviceLost, EmbedlWarning
from embedl_nb.measure import Benchmark
from embedl_nb.testing import models
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider

SHORT = {"processes": 1, "iterations": 3, "profile": False}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return models.write(tmp_path, models.fully_connected(), name="net")


@pytest.fixture(params=[DeviceLost("cable pulled", hint="plug it in"), ZeroDivisionError("oh")])
def failing(request: pytest.FixtureRequest) -> Iterator[VirtualDevice]:
    """Return a device that fails once it has been measured."""

    def before_run(number: int) -> None:
        if number:
            raise request.param

    device = VirtualDevice(before_run=before_run)
    with using_provider(VirtualProvider(device)):
        yield device


def test_a_benchmark_survives_what_fails_afterwards_and_is_recorded(failing: VirtualDevice, model: Path) -> None:
    with pytest.warns(EmbedlWarning) as warned:
        result = enb.benchmark(model, "virtual://bench", energy=True, sustain="10m", **SHORT)
    assert isinstance(result, Benchmark)
    said = [str(each.message) for each in warned]
    assert any(text.startswith("energy not measured: nothing meters one process on virtual bench") for text in said)
    assert {"not sustained: cable pulled; try: plug it in", "not sustained: ZeroDivisionError: oh"} & set(said)
    assert set(said) <= {flag.sentence for flag in result.flags}
    assert result.latency.n == 3
    assert (result.energy, result.sustained) == (None, None)
    assert enb.load(result.run_id) == result
    assert not failing.is_leased


def test_a_sustained_run_that_breaks_off_keeps_its_beginning(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def before_run(number: int) -> None:
        if number == 3:
            raise DeviceLost("cable pulled", hint="plug it in")

    with (
        using_provider(VirtualProvider(VirtualDevice(before_run=before_run))),
        pytest.warns(EmbedlWarning, match=r"sustained for .* only: cable pulled; try: plug it in"),
    ):
        result = enb.benchmark(model, "virtual://bench", sustain="10m", **SHORT)
    assert len(result.sustained.points) == 2
    assert enb.load(result.run_id) == result


def test_of_a_set_each_device_says_what_it_could_not_measure(model: Path) -> None:
    devices = (VirtualDevice(name="a"), VirtualDevice(name="b"))
    with using_provider(VirtualProvider(*devices)), pytest.warns(EmbedlWarning) as warned:
        found = enb.benchmark(model, ["virtual://a", "virtual://b"], energy=True, **SHORT)
    assert not found.errors
    for name in ("virtual://a", "virtual://b"):
        line = f"{name}: energy not measured: nothing meters one process on virtual {name[-1]}"
        assert any(str(each.message).startswith(line) for each in warned)
        assert line in " ".join(repr(found).split())


@pytest.mark.parametrize(("interrupted_at", "num_points"), [(1, 0), (3, 2)])
def test_ctrl_c_while_it_is_sustained_keeps_and_records_what_was_measured(
    model: Path, interrupted_at: int, num_points: int
) -> None:
    def before_run(number: int) -> None:
        if number == interrupted_at:
            raise KeyboardInterrupt

    device = VirtualDevice(before_run=before_run)
    with using_provider(VirtualProvider(device)), pytest.raises(KeyboardInterrupt) as stopped:
        enb.benchmark(model, "virtual://bench", sustain="10m", **SHORT)
    (note,) = stopped.value.__notes__
    kept = enb.load(re.fullmatch(r'enb\.load\("(.+)"\) has it', note)[1])
    assert kept.latency.n == 3
    assert len(kept.sustained.points if kept.sustained else ()) == num_points
    assert any("interrupted" in flag.sentence for flag in kept.flags)
    assert not device.is_leased


def test_a_device_of_a_set_that_is_cancelled_while_it_is_sustained_has_its_result(model: Path) -> None:
    def before_run(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with using_provider(VirtualProvider(VirtualDevice(before_run=before_run))):
        found = enb.benchmark(model, ["virtual://bench"], sustain="10m", **SHORT)
    assert not found.errors
    assert len(found["virtual://bench"].sustained.points) == 1
