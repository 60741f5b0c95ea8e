"""``enb.pick``: who wins under a budget, who does by luck only, and what ruled out each of the others."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from typing import Any

import pytest

import embedl_nb as enb
from embedl_nb import charts
from embedl_nb.analysis.budget import ModelFacts
from embedl_nb.analysis.choice import Choice
from embedl_nb.display import ResultSet
from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.measure import Benchmark
from embedl_nb.measure.benchmark import OutputCheck, OutputState
from embedl_nb.pipeline import picking
from embedl_nb.testing.results import fake_benchmark, fake_fidelity
from embedl_nb.units import Provenance


def result(name: str, p50_ms: float, *, memory_mib: float = 44, **changes: Any) -> Benchmark:
    """Make up a benchmark whose p95 is about 1.04 times its p50, within 1 %."""
    made = fake_benchmark(0, p50_ms=p50_ms, model_name=name, iterations=50)
    memory = dataclasses.replace(made.memory, peak_memory_bytes=round(memory_mib * 2**20))
    return dataclasses.replace(made, **{"memory": memory, "provenance": Provenance.MEASURED, **changes})


SMALL, MIDDLE, BIG = result("small", 4.0), result("middle", 6.0, memory_mib=30), result("big", 20.0, memory_mib=200)


def test_the_answer_comes_first_and_every_loser_has_its_reasons() -> None:
    choice = enb.pick([BIG, MIDDLE, SMALL], where="p95_ms <= 10 and peak_memory_mib <= 150")
    assert (choice.winner, choice.runner_up) == (SMALL, MIDDLE)
    assert choice.sentence.startswith("small on virtual bench cpu: the lowest p50 4.0")
    assert choice.sentence.endswith("of the 2 of 3 results that meet p95_ms <= 10 and peak_memory_mib <= 150")
    (loser,) = choice.rejected
    assert loser.result is BIG
    assert [reason.split(" ")[0] for reason in loser.reasons] == ["p95", "peak"]
    assert loser.reasons[0].endswith("ms > 10 ms")
    assert loser.reasons[1] == "peak memory 200.0 MiB > 150.0 MiB"
    assert repr(choice).startswith(choice.sentence)
    assert "p95" in choice._repr_html_()
    assert list(choice.frame()["standing"]) == ["meets", "meets", "ruled out"]


def test_a_size_that_misses_its_bound_by_a_byte_is_told_from_it_in_mib() -> None:
    heavy = result("heavy", 4.0, memory_mib=150 + 2**-20)
    (rejected,) = enb.pick([heavy], where="peak_memory_mib <= 150").rejected
    assert rejected.reasons == ("peak memory 150.000001 MiB > 150.000000 MiB",)


def test_a_model_that_meets_the_budget_by_luck_is_not_picked() -> None:
    latency = dataclasses.replace(SMALL.latency, p50_ms=9.8, ci95_ms=(9.1, 10.9))
    lucky = dataclasses.replace(SMALL, latency=latency)
    steady = result("steady", 9.9)
    choice = enb.pick([lucky, steady], where="p50_ms <= 10.2")
    assert choice.winner is steady
    assert choice.rejected[0].reasons == ("too close to call: p50 9.8 ms (9.1 ms to 10.9 ms), asked <= 10.2 ms",)
    assert choice.rejected[0].standing == "too close to call"
    assert "whether small on virtual bench cpu meets the budget: it would be picked" in repr(choice)
    assert "processes=10" in repr(choice)


def test_the_interval_of_p95_counts() -> None:
    # The tail of one process of three is beyond the bound: the next process may be too.
    steady, odd = tuple([5.0] * 100), tuple([5.0] * 90 + [11.0] * 10)
    latency = dataclasses.replace(SMALL.latency, p95_ms=5.0, samples_ms=(steady, steady, odd))
    choice = enb.pick([dataclasses.replace(SMALL, latency=latency)], where="p95_ms <= 10")
    assert choice.winner is None
    assert choice.rejected[0].reasons[0].startswith("too close to call: p95 5 ms (5 ms to 11 ms)")


def test_without_samples_p95_is_as_uncertain_as_the_processes_are_apart() -> None:
    latency = dataclasses.replace(SMALL.latency, p50_ms=4.0, p95_ms=9.8, ci95_ms=(3.8, 4.4), samples_ms=())
    choice = enb.pick([dataclasses.replace(SMALL, latency=latency)], where="p95_ms <= 10")
    assert choice.rejected[0].reasons[0].startswith("too close to call: p95 9.8 ms (9.31 ms to 10.8 ms)")


def test_a_runner_up_within_the_noise_may_be_the_better_one() -> None:
    latency = dataclasses.replace(SMALL.latency, p50_ms=SMALL.latency.p50_ms * 1.01, ci95_ms=(3.9, 4.4))
    near = dataclasses.replace(SMALL, model_name="near", latency=latency)
    assert "runner-up near" in " ".join(repr(enb.pick([SMALL, near])).split())
    assert "their intervals overlap, so it may be the better one" in " ".join(repr(enb.pick([SMALL, near])).split())
    assert "intervals overlap" not in " ".join(repr(enb.pick([SMALL, MIDDLE])).split())


def test_a_budget_that_nobody_meets_names_the_nearest_miss() -> None:
    choice = enb.pick([BIG, MIDDLE, SMALL], where="p50_ms < 3.9")
    assert choice.winner is None
    assert choice.sentence.startswith("none of the 3 results meets p50_ms < 3.9; the nearest is small on virtual bench")
    assert [each.result for each in choice.rejected] == [SMALL, MIDDLE, BIG]


def test_what_is_not_known_rules_out_and_says_so() -> None:
    silent = dataclasses.replace(SMALL, memory=dataclasses.replace(SMALL.memory, peak_memory_bytes=0))
    choice = enb.pick([silent, MIDDLE], where="peak_memory_mib <= 150")
    assert choice.winner is MIDDLE
    assert choice.rejected[0].reasons == ("peak memory not known",)
    assert enb.pick([MIDDLE], minimize="energy_mj").rejected[0].reasons == ("energy not known",)


def test_wrong_outputs_are_never_picked() -> None:
    wrong = dataclasses.replace(SMALL, outputs=OutputCheck(state=OutputState.DIFFER))
    choice = enb.pick([wrong, MIDDLE])
    assert choice.winner is MIDDLE
    assert choice.rejected[0].reasons == ("its outputs are not those of the source model",)


def test_degradation_comes_from_the_step_that_made_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {
        "a" * 64: ModelFacts(size_bytes=2**20, degradation=0.0, sqnr_db=float("inf")),
        "b" * 64: ModelFacts(size_bytes=2**18, degradation=0.004, degradation_ci95=(-0.001, 0.009)),
        "c" * 64: ModelFacts(size_bytes=2**18, degradation=0.03, degradation_ci95=(0.01, 0.05)),
    }
    monkeypatch.setattr(picking, "_facts", facts.__getitem__)
    results = [dataclasses.replace(result(sha[0], 5 - place), model_sha256=sha) for place, sha in enumerate(facts)]
    choice = enb.pick(results, where="degradation <= 0.01", minimize="size_mib")
    assert choice.winner is results[1]
    assert [each.reasons for each in choice.rejected] == [("degradation 0.03 > 0.01",)]
    assert enb.pick(results, maximize="sqnr_db").winner is results[0]


def test_what_a_model_lost_is_read_off_the_record_of_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    quantized = {"size_bytes": 7, "precision": "w8a8", "fidelity": fake_fidelity().to_record()}
    records = {
        "a" * 64: {"kind": "quantize", "result": quantized},
        "b" * 64: {"kind": "compile", "result": {"size_bytes": 9, "precision": "f32", "fidelity": None}},
        "c" * 64: None,
    }
    monkeypatch.setattr("embedl_nb.runstore.maker_of", records.__getitem__)
    found = [picking._facts(sha256) for sha256 in records]
    assert [(each.size_bytes, each.degradation) for each in found] == [(7, pytest.approx(0.01)), (9, 0.0), (None, None)]
    assert found[0].degradation_ci95 == (-0.01, 0.03)
    assert found[0].sqnr_db == pytest.approx(21.3)


def test_numbers_of_different_provenance_are_not_held_against_each_other() -> None:
    virtual = dataclasses.replace(SMALL, provenance=Provenance.VIRTUAL)
    with pytest.raises(InputError, match="1 virtual and 1 measured") as caught:
        enb.pick([virtual, MIDDLE])
    assert 'provenance == "measured"' in caught.value.hint
    choice = enb.pick([virtual, MIDDLE], where="provenance == measured and p50_ms < 10")
    assert choice.winner is MIDDLE
    assert "provenance virtual, asked == measured" in choice.rejected[0].reasons
    assert enb.pick([virtual]).winner is virtual


def test_the_front_is_beaten_by_nobody_in_all_of_it() -> None:
    worse = result("worse", 6.5, memory_mib=31)
    choice = enb.pick([BIG, worse, MIDDLE, SMALL], where="peak_memory_mib <= 150")
    assert choice.front == (SMALL, MIDDLE)
    figure = choice.pareto().to_dict()
    assert figure["data"][0]["x"] == [each.latency.p50_ms for each in (SMALL, MIDDLE)]
    assert {symbol for trace in figure["data"][1:] for symbol in trace["marker"]["symbol"]} == {"diamond", "circle"}
    assert figure["layout"]["xaxis"]["title"]["text"] == "p50 [ms], less is better"
    assert figure["layout"]["shapes"][0]["y0"] == 150
    svg = str(charts.draw("pareto_svg", choice))
    assert svg.count("<circle") == 3
    assert "middle" in svg


def test_a_name_that_already_says_the_device_does_not_say_it_twice() -> None:
    device = dataclasses.replace(SMALL.device, name="Pixel 7")
    elsewhere = dataclasses.replace(SMALL, device=device, run_id="20261128-093012-00000001")
    choice = enb.pick([SMALL, elsewhere], where="p95_ms <= 10 and peak_memory_mib <= 150")
    assert choice.sentence.startswith("small on virtual bench cpu: ")
    assert "small on Pixel 7 cpu: " in repr(choice)


def test_names_in_the_picture_do_not_cover_each_other() -> None:
    near = [result(f"near_{place}", 4.0 + place / 10, memory_mib=40 - place / 10) for place in range(3)]
    svg = str(charts.draw("pareto_svg", enb.pick(near, where="peak_memory_mib <= 150")))
    heights = [float(height) for height in re.findall(r' y="([\d.]+)">near_', svg)]
    assert len(heights) == 3
    assert all(abs(one - other) >= 12 for one, other in itertools.combinations(heights, 2))


def test_the_second_axis_has_another_unit_than_the_objective() -> None:
    choice = enb.pick([BIG, MIDDLE, SMALL], where="p95_ms <= 10 and peak_memory_mib <= 150")
    assert [axis.name for axis in choice.axes] == ["p50_ms", "peak_memory_mib", "p95_ms"]


def test_a_float_model_beside_quantized_ones_is_shown_though_its_sqnr_has_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = {"a" * 64: ModelFacts(sqnr_db=float("inf")), "b" * 64: ModelFacts(sqnr_db=30.0, degradation=-0.01)}
    monkeypatch.setattr(picking, "_facts", facts.__getitem__)
    results = [dataclasses.replace(result(sha[0], 5.0), model_sha256=sha) for sha in facts]
    choice = enb.pick(results, where="sqnr_db >= 20")
    assert choice._repr_html_().count("<circle") + choice._repr_html_().count("l8 8l-8 8l-8 -8z") == 1
    better = enb.pick(results, where="degradation <= 0.01")  # better than the float model: below 0
    assert "nan" not in str(charts.draw("pareto_svg", better))
    alone = enb.pick(results[:1], where="sqnr_db >= 20")
    assert "<svg" not in alone._repr_html_()


def test_a_choice_survives_json() -> None:
    choice = enb.pick([BIG, MIDDLE], where="p95_ms <= 10")
    again = Choice.from_record(json.loads(json.dumps(choice.to_record())))
    assert again.to_record() == choice.to_record()
    assert again.sentence == choice.sentence


def test_results_come_as_sets_lists_ids_and_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    kept = {"20261128-000000-0001": SMALL, "20261128-000000-0002": object()}
    monkeypatch.setattr("embedl_nb.pipeline.picking.load", kept.__getitem__)
    table = pd.DataFrame({"run_id": list(kept), "kind": ["benchmark", "compile"]})
    for given in (SMALL, ResultSet(results={"here": SMALL}, errors={}), [[SMALL]], table, "20261128-000000-0001"):
        assert enb.pick(given).winner is SMALL
    with pytest.raises(InputError, match="is a object, no benchmark"):
        enb.pick("20261128-000000-0002")
    for nothing in ([], table[table["kind"] == "report"], ResultSet(results={}, errors={})):
        with pytest.raises(InputError, match="there is no result to pick from"):
            enb.pick(nothing)
    with pytest.raises(InputError, match="a int is no benchmark"):
        enb.pick([SMALL, 3])


def test_a_mistake_in_the_budget_is_named() -> None:
    with pytest.raises(UnknownNameError) as caught:
        enb.pick(SMALL, where="p95 <= 10")
    assert "p95_ms" in caught.value.candidates
    with pytest.raises(UnknownNameError, match="unknown objective"):
        enb.pick(SMALL, minimize="device")
    with pytest.raises(InputError, match="two objectives"):
        enb.pick(SMALL, minimize="p50_ms", maximize="p95_ms")
    for where in ("", "p95_ms <= 10)", "__import__('os')", "p95_ms <= 10 " * 10_000):
        with pytest.raises(InputError):
            enb.pick(SMALL, where=where)


@pytest.mark.parametrize("broken_ms", [float("nan"), float("inf")])
def test_a_latency_that_is_no_finite_number_is_not_known_and_wins_nothing(broken_ms: float) -> None:
    latency = dataclasses.replace(SMALL.latency, p50_ms=broken_ms, ci95_ms=(broken_ms, broken_ms))
    broken = result("broken", 1.0, latency=latency)
    choice = enb.pick([broken])
    assert choice.winner is None
    assert choice.rejected[0].reasons == ("p50 not known",)
    both = enb.pick([broken, MIDDLE])
    assert both.winner is MIDDLE
    assert both.pareto().data


def test_names_of_a_set_are_told_from_runs() -> None:
    with pytest.raises(InputError, match="adb://PIXEL is a device's address"):
        enb.pick(["adb://PIXEL"])
