"""Two results side by side: the sentence, what is unlike, what is not compared, and the way through JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

import embedl_nb as enb
from embedl_nb import charts
from embedl_nb.analysis import Comparison, Comparisons, LayerDiff
from embedl_nb.errors import InputError, SchemaTooNewError, UnknownNameError
from embedl_nb.measure.benchmark import Benchmark, Flag, FlagKind, InputSource
from embedl_nb.measure.benchmarks import Benchmarks
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.units import Provenance


def named(name: str, *, p50_ms: float = 10.0, seed: int = 0, **changes: Any) -> Benchmark:
    made = fake_benchmark(12, p50_ms=p50_ms, model_name=name, seed=seed)
    return replace(made, model_sha256=name.ljust(64, "0"), **changes)


OTHER_DEVICE = replace(fake_benchmark(0).device, name="another", address="virtual://other")
BIG, SMALL = named("big"), named("small", p50_ms=4.8, seed=1)


def test_the_sentence_says_how_many_times_as_fast() -> None:
    comparison = enb.compare(BIG, SMALL)
    assert comparison.sentence.startswith("small is 2.1 times as fast as big (95 % interval ")
    assert comparison.is_different is True
    assert repr(comparison).startswith(comparison.sentence)


def test_the_faster_one_is_named_first_whatever_the_order() -> None:
    comparison = enb.compare(SMALL, BIG)
    assert comparison.sentence.startswith("small is 2.1 times as fast as big")
    assert comparison.ratio == pytest.approx(0.476, abs=0.01)


def test_the_same_again_cannot_be_told_apart_and_says_what_would() -> None:
    comparison = enb.compare(BIG, named("big", seed=3))
    assert comparison.is_different is None
    assert comparison.about == "repeat"
    assert comparison.sentence.startswith("cannot tell yet: ")
    assert "big #1" in comparison.sentence


def test_devices_are_not_sent_to_take_turns() -> None:
    models, devices = enb.compare(BIG, named("big", seed=3)), enb.compare(BIG, replace(BIG, device=OTHER_DEVICE))
    assert "only a measurement in turns" in models.sentence
    assert "in turns" not in devices.sentence
    assert devices.is_different is None


def test_a_run_beside_itself_is_refused() -> None:
    run = replace(BIG, run_id="20261128-093012-3f9a")
    with pytest.raises(InputError, match="20261128-093012-3f9a is given twice"):
        enb.compare(run, SMALL, run)


def test_names_that_are_equal_are_told_apart_by_what_differs() -> None:
    comparison = enb.compare(BIG, named("big", p50_ms=5.0, precision="w8a8"))
    assert (comparison.first_name, comparison.second_name) == ("big f32", "big w8a8")


def test_virtual_and_measured_numbers_are_not_compared() -> None:
    comparison = enb.compare(BIG, replace(SMALL, provenance=Provenance.MEASURED))
    assert (comparison.is_different, comparison.ratio, comparison.ci95) == (None, None, None)
    assert "virtual of big, measured of small" in comparison.sentence
    assert comparison.provenance is None
    with pytest.raises(InputError, match="not compared"):
        _ = comparison.layers
    assert "not compared" in comparison._repr_html_()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"input_source": InputSource.GIVEN}, "inputs"),
        ({"environment": replace(SMALL.environment, num_threads=4)}, "threads"),
        ({"environment": replace(SMALL.environment, governor="powersave")}, "governor"),
        ({"environment": replace(SMALL.environment, versions={"runtime": "9.9"})}, "runtime versions"),
        ({"device": replace(SMALL.device, name="another")}, "device"),
        ({"placement": replace(SMALL.placement, got="gpu")}, "compute unit"),
        ({"latency": replace(SMALL.latency, samples_ms=())}, "statistic"),
        ({"flags": (Flag(kind=FlagKind.THROTTLED, sentence="throttled: 90 C"),)}, "throttled"),
    ],
)
def test_what_is_unlike_stands_in_the_sentence(changes: dict[str, Any], kind: str) -> None:
    comparison = enb.compare(BIG, replace(SMALL, **changes))
    assert [each.kind for each in comparison.unlike] == [kind]
    assert comparison.sentence.endswith(f"; they are unlike in more than that: {kind}")
    assert "unlike: " in repr(comparison)


def test_what_is_compared_is_not_unlike() -> None:
    comparison = enb.compare(BIG, replace(BIG, device=replace(BIG.device, name="another phone", address="adb://B")))
    assert comparison.about == "device"
    assert comparison.unlike == ()


def test_a_doubt_that_both_share_is_not_unlike() -> None:
    flags = (Flag(kind=FlagKind.BUSY_MACHINE, sentence="busy machine: 1.2 cores"),)
    assert enb.compare(replace(BIG, flags=flags), replace(SMALL, flags=flags)).unlike == ()


def test_of_more_than_two_each_is_held_against_the_first() -> None:
    several = enb.compare(BIG, SMALL, named("tiny", p50_ms=2.0))
    assert isinstance(several, Comparisons)
    assert list(several.results) == ["small", "tiny"]
    assert several["tiny"].first_name == "big"
    assert "tiny is 5.0 times as fast as big" in several.sentence
    assert "tiny is 5.0 times as fast as big" in repr(several)
    assert list(several.frame()["second"]) == ["small", "tiny"]


def test_a_set_of_results_is_laid_flat() -> None:
    devices = {name: replace(BIG, device=replace(BIG.device, name=name, address=f"adb://{name}")) for name in "ab"}
    comparison = enb.compare(Benchmarks(results=devices, errors={}))
    assert (comparison.first_name, comparison.second_name) == ("big on a", "big on b")


@pytest.mark.parametrize("subjects", [(), (BIG,), (Benchmarks(results={"a": BIG}, errors={}),)])
def test_less_than_two_results_are_refused(subjects: tuple[Any, ...]) -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        enb.compare(*subjects)


def test_what_is_no_result_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match="a dict is neither a benchmark nor a compiled model"):
        enb.compare(BIG, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("margin", [0, -0.1, 1.0, "2 %", True, float("nan")])
def test_a_margin_that_is_no_share_is_refused(margin: Any) -> None:
    with pytest.raises(InputError, match="margin"):
        enb.compare(BIG, SMALL, margin=margin)


@pytest.mark.usefixtures("empty_home")
def test_an_unknown_run_is_refused_by_its_id() -> None:
    with pytest.raises(UnknownNameError, match="20990101"):
        enb.compare(BIG, "20990101-000000-abcd")


def test_it_survives_json() -> None:
    comparison = enb.compare(BIG, replace(SMALL, input_source=InputSource.GIVEN))
    record = json.loads(json.dumps(comparison.to_record()))
    assert Comparison.from_record(record) == comparison
    diff = comparison.layers
    assert LayerDiff.from_record(json.loads(json.dumps(diff.to_record()))) == diff
    with pytest.raises(SchemaTooNewError):
        Comparison.from_record({**record, "schema_version": 99})
    with pytest.raises(SchemaTooNewError):
        LayerDiff.from_record({**diff.to_record(), "schema_version": 99})


def test_its_page_holds_both_pictures_and_escapes_names() -> None:
    page = enb.compare(named("<b>big</b>"), SMALL)._repr_html_()
    assert page.count("<svg") == 2
    assert "<b>big" not in page


def test_the_figure_has_a_bar_and_an_interval_of_each() -> None:
    figure = charts.draw("comparison", enb.compare(BIG, SMALL)).to_dict()
    [trace] = figure["data"]
    assert trace["y"] == ["big", "small"]
    assert trace["x"][1] == pytest.approx(SMALL.latency.p50_ms, abs=1e-4)
    assert min(trace["error_x"]["array"]) > 0
    assert trace["marker"]["pattern"]["shape"] == "/"
    assert "virtual, not measured" in figure["layout"]["title"]["subtitle"]["text"]
    assert figure["layout"]["xaxis"]["rangemode"] == "tozero"


def test_one_process_is_no_processes() -> None:
    alone = enb.compare(BIG, replace(SMALL, latency=fake_benchmark(0, num_processes=1).latency))
    assert "(virtual, 1 process, n = 200" in repr(alone)
    hovers = charts.draw("comparison", alone).to_dict()["data"][0]["customdata"]
    assert hovers[1][0].endswith("n = 200 in 1 process, virtual")


def test_numbers_of_different_provenance_are_different_traces_that_say_so() -> None:
    figure = charts.draw("comparison", enb.compare(BIG, replace(SMALL, provenance=Provenance.MEASURED))).to_dict()
    assert [trace["name"] for trace in figure["data"]] == ["cpu (virtual)", "cpu"]
    assert "pattern" not in figure["data"][1]["marker"]


def test_a_figure_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="none in this Benchmarks"):
        charts.draw("comparison", Benchmarks(results={}, errors={}))


@pytest.mark.parametrize("broken_ms", [math.nan, math.inf])
def test_a_latency_that_is_no_finite_number_is_not_compared(broken_ms: float) -> None:
    whole = named("whole")
    samples = ((broken_ms, *whole.latency.samples_ms[0][1:]), *whole.latency.samples_ms[1:])
    broken = replace(whole, latency=replace(whole.latency, samples_ms=samples))
    for pair in ([BIG, broken], [broken, BIG]):
        comparison = enb.compare(*pair)
        assert comparison.ratio is None
        assert "not a finite number" in comparison.sentence
