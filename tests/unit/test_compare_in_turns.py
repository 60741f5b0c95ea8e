"""Models measured in turns: whose turn it is, what is recorded when, and what ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import embedl_nb as enb
from embedl_nb.analysis import Comparison
from embedl_nb.device.registry import using_provider
from embedl_nb.errors import BenchmarkError, InputError
from embedl_nb.measure.plan import MeasureOptions
from embedl_nb.measure.turns import measure_in_turns
from embedl_nb.testing import models
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider
from embedl_nb.testing.results import fake_benchmark

SHORT = {"iterations": 5, "profile": False}


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    return [
        models.write(tmp_path, models.fully_connected(num_outputs=size), name=name)
        for name, size in (("big", 6), ("small", 4))
    ]


@contextmanager
def using(device: VirtualDevice) -> Iterator[str]:
    with using_provider(VirtualProvider(device)):
        yield device.info.address


def drifting(number: int, n: int) -> list[float]:
    """Return what a machine measures that gets slower with each process; ``big`` takes 4 % more."""
    is_big = number % 4 in (0, 3)
    return [(10.4 if is_big else 10.0) * (1 + 0.02 * number)] * n


def options(**changes: Any) -> MeasureOptions:
    given = {"compute_unit": "cpu", "allow_fallback": True, "num_threads": None, "processes": 4, "warmup": None}
    return MeasureOptions.checked(**{**given, "runtime_options": None, **SHORT, **changes})


def test_processes_take_turns_and_every_second_round_goes_backwards(pair: list[Path]) -> None:
    device = VirtualDevice()
    with using(device) as address:
        measure_in_turns(pair, address, options=options())
    assert [Path(request.model_path).stem for request in device.requests] == [
        *("big", "small", "small", "big"),
        *("big", "small", "small", "big"),
    ]
    assert not device.is_leased


def test_a_drift_hides_nothing_between_turns(pair: list[Path], empty_home: Path) -> None:
    with using(VirtualDevice(samples_ms=drifting)) as address:
        comparison = enb.compare(*pair, device=address, processes=6, **SHORT)
    assert comparison.is_different is True
    assert comparison.ratio == pytest.approx(1.04, abs=0.002)
    assert "took turns" in comparison.verdict.method
    assert empty_home.exists()


@pytest.mark.usefixtures("empty_home")
def test_turns_count_as_well_where_a_phones_tool_keeps_summaries(pair: list[Path]) -> None:
    with using(VirtualDevice(samples_ms=drifting, is_summarizing=True)) as address:
        comparison = enb.compare(*pair, device=address, processes=6, **SHORT)
    assert comparison.first.latency.samples_ms == ()
    assert comparison.is_different is True
    assert "took turns" in comparison.verdict.method
    record = json.loads(json.dumps(comparison.to_record()))
    assert Comparison.from_record(record) == comparison


@pytest.mark.usefixtures("empty_home")
def test_both_measurements_are_recorded_and_compare_the_same_by_their_ids(pair: list[Path]) -> None:
    with using(VirtualDevice(samples_ms=drifting)) as address:
        comparison = enb.compare(*pair, device=address, **SHORT)
    ids = comparison.first.run_id, comparison.second.run_id
    assert set(ids) == set(enb.runs()["run_id"])
    again = enb.compare(*(run_id or "" for run_id in ids))
    assert again.sentence == comparison.sentence


def test_what_was_finished_before_a_failure_is_kept(pair: list[Path]) -> None:
    def fail_last(number: int) -> None:
        if number == 7:
            raise BenchmarkError("the last process died")

    kept = []
    with using(VirtualDevice(before_run=fail_last)) as address, pytest.raises(BenchmarkError, match="died"):
        measure_in_turns(pair, address, options=options(), keep=lambda place, result: kept.append(place) or result)
    assert kept == [1]


@pytest.mark.usefixtures("empty_home")
def test_an_interrupt_keeps_the_runs_that_were_finished_and_says_so(pair: list[Path]) -> None:
    def interrupt_last(number: int) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with using(VirtualDevice(before_run=interrupt_last)) as address, pytest.raises(KeyboardInterrupt) as stopped:
        enb.compare(*pair, device=address, processes=2, **SHORT)
    assert stopped.value.__notes__ == ["1 of 2 models had been measured and are recorded: enb.runs()"]
    assert list(enb.runs()["name"]) == ["small"]


def test_a_result_beside_a_model_is_refused(pair: list[Path]) -> None:
    with using(VirtualDevice()) as address, pytest.raises(InputError, match="virtual_net is a result and big a model"):
        enb.compare(fake_benchmark(1, model_name="virtual_net"), pair[0], device=address)


def test_one_model_or_one_process_is_nothing_to_compare(pair: list[Path]) -> None:
    with pytest.raises(InputError, match="nothing to compare big with"):
        enb.compare(pair[0])
    with pytest.raises(InputError, match="processes=1"):
        enb.compare(*pair, processes=1)


def test_too_many_models_are_refused_before_any_is_measured(pair: list[Path]) -> None:
    device = VirtualDevice()
    with using(device) as address, pytest.raises(InputError, match="21 models are too many"):
        measure_in_turns([pair[0]] * 21, address, options=options())
    assert device.requests == []
