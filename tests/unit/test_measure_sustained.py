"""Latency over minutes: the curve, when throttling begins, the steady state, and how durations are written."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from embedl_nb.device.conditions import Conditions
from embedl_nb.errors import DeviceLost, InputError
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.measure.duration import format_duration, parse_duration
from embedl_nb.measure.sustained import Sustained, run_sustained
from embedl_nb.runtime.raw_run import MeasureRequest, RawRun, TimesSummary
from embedl_nb.testing.results import fake_benchmark


class WarmingPhone:
    """Each run takes 10 s of its clock; the phone throttles after the fifth and is 1.5 times slower from then on."""

    def __init__(self, *, says_status: bool = True, lost_after: int | None = None) -> None:
        self.now = 100.0
        self.requests: list[MeasureRequest] = []
        self._says_status = says_status
        self._lost_after = lost_after

    def clock(self) -> float:
        return self.now

    def conditions(self) -> Conditions:
        is_hot = len(self.requests) >= 5
        return Conditions(
            clock_s=self.now,
            skin_celsius=30.0 + len(self.requests),
            thermal_status=(2 if is_hot else 0) if self._says_status else None,
            num_throttle_events=None if self._says_status else (7 if is_hot else 3),
        )

    def run(self, request: MeasureRequest) -> RawRun:
        if len(self.requests) == self._lost_after:
            raise DeviceLost("cable pulled", hint="plug it in")
        p50_ms = 15.0 if len(self.requests) >= 5 else 10.0
        self.requests.append(request)
        self.now += 10.0
        same = dict.fromkeys(("min_ms", "max_ms", "mean_ms", "p50_ms", "p95_ms"), p50_ms)
        return RawRun(
            runtime_version="",
            num_threads=1,
            load_ms=0,
            compile_ms=1,
            first_ms=1,
            warmup_ms=(),
            samples_ms=(),
            settled=None,
            peak_memory_bytes={},
            memory_source="",
            profiled_ms=(),
            profile_note="",
            events=(),
            outputs_path=None,
            inputs="random",
            pid=1,
            wall_start=0.0,
            summary=TimesSummary(n=600, std_ms=0.0, **same),
        )


def sustained_by(phone: Any, duration_s: float = 100.0) -> Sustained:
    request = MeasureRequest(model_path="net.tflite", profile=True, iterations=7)
    return run_sustained(phone, request, duration_s=duration_s, clock=phone.clock)


def test_the_curve_tells_when_throttling_began_and_what_is_left() -> None:
    phone = WarmingPhone()
    found = sustained_by(phone)
    assert [point.time_s for point in found.points] == [10.0 * number for number in range(1, 11)]
    assert (found.start_p50_ms, found.steady_p50_ms) == (10.0, 15.0)
    assert (found.throttled_after_s, found.throttled_status) == (50.0, 2)
    assert found.busy_share == pytest.approx(0.75)
    assert found.points[-1].skin_celsius == 40.0
    assert "p50 15 ms in the last fifth of 1 min 40 s, 50.0 % slower" in found.sentence
    assert "throttling from 50 s on (thermal status 2)" in found.sentence


def test_its_processes_end_by_the_clock_and_are_not_profiled() -> None:
    phone = WarmingPhone()
    sustained_by(phone, 600.0)
    assert len(phone.requests) == 60
    assert all((each.profile, each.iterations, each.budget_s) == (False, None, 10.0) for each in phone.requests)


def test_a_machine_without_a_thermal_status_throttles_by_its_counter() -> None:
    found = sustained_by(WarmingPhone(says_status=False))
    assert (found.throttled_after_s, found.throttled_status) == (50.0, None)


def test_a_phone_that_stays_cool_is_said_to() -> None:
    found = sustained_by(WarmingPhone(), 40.0)
    assert found.throttled_after_s is None
    assert "no throttling seen" in found.sentence


def test_a_phone_that_goes_away_leaves_the_curve_up_to_then() -> None:
    found = sustained_by(WarmingPhone(lost_after=3))
    assert [point.time_s for point in found.points] == [10.0, 20.0, 30.0]
    assert found.cut_by == "cable pulled; try: plug it in"
    with pytest.raises(DeviceLost):
        sustained_by(WarmingPhone(lost_after=0))


def test_a_sustained_benchmark_comes_back_from_its_record_and_one_from_before_has_none() -> None:
    result = dataclasses.replace(fake_benchmark(4), sustained=sustained_by(WarmingPhone()))
    record = json.loads(json.dumps(result.to_record()))
    assert Benchmark.from_record(record) == result
    assert result.frame()["steady_p50_ms"][0] == 15.0
    assert "throttling from 50 s on" in " ".join(repr(result).split())
    del record["sustained"], record["options"]["sustain_s"]
    assert Benchmark.from_record(record).sustained is None


def test_the_figure_has_units_and_marks_where_throttling_began() -> None:
    result = dataclasses.replace(fake_benchmark(4), sustained=sustained_by(WarmingPhone(), 600.0))
    figure = result.sustained_curve().to_dict()
    latency, skin = figure["data"]
    assert list(latency["y"]) == [10.0] * 5 + [15.0] * 55
    assert latency["line"]["dash"] == "dash"  # virtual numbers
    assert skin["yaxis"] == "y2"
    titles = [figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis", "yaxis2")]
    assert titles == ["time [min]", "p50 of one inference [ms]", "skin [°C]"]
    assert figure["layout"]["yaxis"]["rangemode"] == "tozero"
    assert figure["layout"]["shapes"][0]["x0"] == pytest.approx(50 / 60)


def test_a_skin_at_zero_degrees_is_drawn_too() -> None:
    found = sustained_by(WarmingPhone())
    frozen = tuple(dataclasses.replace(point, skin_celsius=0.0) for point in found.points)
    sustained = dataclasses.replace(found, points=frozen)
    figure = dataclasses.replace(fake_benchmark(4), sustained=sustained).sustained_curve().to_dict()
    assert [trace["name"] for trace in figure["data"]] == ["p50", "skin temperature"]


def test_a_benchmark_that_was_not_sustained_says_how_it_would_be() -> None:
    with pytest.raises(InputError, match="was not run for minutes") as caught:
        fake_benchmark(4).sustained_curve()
    assert 'sustain="10m"' in caught.value.hint


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), (" 10 Min ", 600), ("1.5h", 5400), ("1s", 1), ("24h", 86400)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration("sustain", text) == seconds


@pytest.mark.parametrize("value", ["10", 600, "", "ten minutes", "-5s", "1m30s", "٣s", None, True])
def test_what_is_no_duration_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(InputError, match="is no duration") as caught:
        parse_duration("sustain", value)
    assert 'sustain="10m"' in caught.value.hint


@pytest.mark.parametrize("text", ["0s", "0.5s", "25h"])
def test_a_duration_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="out of range"):
        parse_duration("sustain", text)


@pytest.mark.parametrize(
    ("seconds", "words"), [(1.25, "1.2 s"), (45, "45 s"), (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_written_as_a_person_reads_them(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words
