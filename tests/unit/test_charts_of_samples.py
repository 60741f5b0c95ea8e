"""Latency over time, the treemap of modules, and the figure of a set of benchmarks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from embedl_nb import charts
from embedl_nb.errors import InputError
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.measure.benchmarks import Benchmarks
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.units import Provenance


def drawn(kind: str, result: Any) -> dict[str, Any]:
    return charts.draw(kind, result).to_dict()


def short() -> Benchmark:
    return fake_benchmark(4, num_processes=2, iterations=10)


def test_over_time_each_process_goes_on_where_the_last_one_ended() -> None:
    first, second = drawn("over_time", short())["data"]
    assert list(first["x"]) == list(range(1, 11))
    assert list(second["x"]) == list(range(11, 21))
    assert second["y"][0] == pytest.approx(short().latency.samples_ms[1][0], abs=1e-4)


def test_over_time_many_inferences_become_medians_with_a_band() -> None:
    figure = drawn("over_time", fake_benchmark(1, num_processes=3, iterations=2000))
    lines = [trace for trace in figure["data"] if trace["mode"] == "lines+markers"]
    assert len(lines) == 3
    assert sum(len(trace["x"]) for trace in lines) <= 403
    assert len(figure["data"]) == 6
    assert "each point is the median of 15 inferences" in figure["layout"]["title"]["subtitle"]["text"]


def test_over_time_marks_what_was_not_measured() -> None:
    virtual, measured = short(), replace(short(), provenance=Provenance.MEASURED)
    symbols = [drawn("over_time", result)["data"][0]["marker"]["symbol"] for result in (virtual, measured)]
    assert symbols == ["circle-open", "circle"]


def test_over_time_needs_single_times() -> None:
    summarized = replace(short(), latency=replace(short().latency, samples_ms=()))
    with pytest.raises(InputError, match="no single times"):
        summarized.chart("over_time")


def test_areas_of_the_treemap_are_the_layers_times_and_what_belongs_to_none() -> None:
    result = fake_benchmark(20)
    [trace] = drawn("treemap", result)["data"]
    parents = set(trace["parents"])
    assert parents - {""} <= set(trace["ids"])
    times = dict(zip(trace["ids"], trace["values"], strict=True))
    assert all(times[name] == 0 for name in parents - {""})  # plotly adds up what is in them
    assert trace["branchvalues"] == "remainder"
    assert sum(times.values()) == pytest.approx(result.profiled_mean_ms, abs=1e-3)


def test_the_treemap_keeps_a_modules_number_with_its_name_and_the_layers_in_it() -> None:
    [trace] = drawn("treemap", fake_benchmark(5))["data"]
    labels = dict(zip(trace["ids"], trace["labels"], strict=True))
    assert labels["model/features.0"] == "features.0"
    assert labels["model/features.0/#1"] == f"conv.1 {fake_benchmark(5).layer_table[1].operator}"
    assert trace["marker"]["pattern"]["shape"][-1] == "/"


def test_layers_of_one_module_share_its_box() -> None:
    result = fake_benchmark(2)
    result = replace(result, layer_table=tuple(replace(layer, source="head") for layer in result.layer_table))
    [trace] = drawn("treemap", result)["data"]
    assert [parent for parent in trace["parents"] if parent == "model/head"] == ["model/head"] * 2


def test_layers_without_a_module_are_grouped_by_operator() -> None:
    result = fake_benchmark(8)
    result = replace(result, layer_table=tuple(replace(layer, source="") for layer in result.layer_table))
    [trace] = drawn("treemap", result)["data"]
    operators = {layer.operator for layer in result.layer_table}
    boxes = {label for label, parent in zip(trace["labels"], trace["parents"], strict=True) if parent == "model"}
    assert boxes - {"unattributed"} == operators


def test_names_in_a_treemap_are_escaped() -> None:
    result = fake_benchmark(1)
    result = replace(result, layer_table=(replace(result.layer_table[0], source="<b>x</b>"),))
    [trace] = drawn("treemap", result)["data"]
    assert not any("<b>x" in label for label in trace["labels"])


def test_a_set_of_benchmarks_is_bars_by_device() -> None:
    here, there = fake_benchmark(1), fake_benchmark(1, p50_ms=4.0)
    there = replace(there, device=replace(there.device, name="other"), placement=replace(there.placement, got="gpu"))
    results = Benchmarks(results={"a": here, "b": there}, errors={})
    figure = results.chart().to_dict()
    assert [trace["y"] for trace in figure["data"]] == [["virtual bench cpu"], ["other gpu"]]
    assert "<svg" in results._repr_html_()
