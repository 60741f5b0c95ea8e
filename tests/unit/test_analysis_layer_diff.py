"""Which layers belong together, and which of them make the difference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from embedl_nb import charts
from embedl_nb.analysis.layer_diff import LayerDiff, diff_layers
from embedl_nb.errors import InputError
from embedl_nb.measure.benchmark import Benchmark, Layer
from embedl_nb.testing.results import fake_benchmark

Row = tuple[str, str, float]


def layer(index: int, source: str, operator: str, mean_ms: float, *operators: int, unit: str = "cpu") -> Layer:
    return Layer(
        index=index,
        name=source or f"{operator}/{index}",
        operator=operator,
        source=source,
        compute_unit=unit,
        start_ms=0.0,
        mean_ms=mean_ms,
        p50_ms=mean_ms,
        p95_ms=mean_ms,
        share=0.0,
        num_operators=len(operators) or 1,
        operator_indices=operators or (index,),
        kernel=operator,
    )


def profile(layers: Sequence[Layer], *, sha: str = "a", gaps_ms: float = 0.0) -> Benchmark:
    total_ms = sum(each.mean_ms for each in layers) + gaps_ms
    made = replace(fake_benchmark(1), model_sha256=sha * 64, layer_table=tuple(layers))
    return replace(made, profiled_mean_ms=total_ms, unattributed_ms=gaps_ms)


def rows(*given: Row) -> list[Layer]:
    return [layer(index, *row) for index, row in enumerate(given)]


def diff(first: Benchmark, second: Benchmark) -> LayerDiff:
    return diff_layers(first, second, names=("float", "int8"))


def pairs(found: LayerDiff) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(change.first_layers, change.second_layers) for change in found.changes if change.is_layer]


def test_layers_of_the_same_module_belong_together_and_a_new_one_stands_alone() -> None:
    first = profile(rows(("f.0", "CONV_2D", 4.0), ("f.1", "CONV_2D", 2.0), ("head", "FULLY_CONNECTED", 1.0)))
    second = profile(
        rows(
            ("", "QUANTIZE", 0.3),
            ("f.0", "CONV_2D", 1.0),
            ("f.1", "CONV_2D", 1.5),
            ("head", "FULLY_CONNECTED", 0.9),
            ("", "DEQUANTIZE", 0.1),
        ),
        sha="b",
    )
    found = diff(first, second)
    assert pairs(found) == [((), (0,)), ((0,), (1,)), ((1,), (2,)), ((2,), (3,)), ((), (4,))]
    assert found.gap_ms == pytest.approx(-3.2)
    assert sum(change.change_ms for change in found.changes) == pytest.approx(found.gap_ms)


def test_few_layers_explain_most_of_the_gap() -> None:
    first = profile(rows(("f.0", "CONV_2D", 4.0), ("f.1", "CONV_2D", 2.0), ("head", "FULLY_CONNECTED", 1.0)))
    second = profile(rows(("f.0", "CONV_2D", 1.0), ("f.1", "CONV_2D", 1.5), ("head", "FULLY_CONNECTED", 0.9)), sha="b")
    assert diff(first, second).sentence == (
        "1 layer explains 83 % of the gap of 3.6 ms by which int8 is faster than float: f.0"
    )


def test_many_small_layers_of_one_operator_are_added_up() -> None:
    first = profile(rows(*((f"f.{index}", "SOFTMAX", 1.0) for index in range(9)), ("head", "CONV_2D", 4.0)))
    second = profile(rows(*((f"f.{index}", "SOFTMAX", 0.5) for index in range(9)), ("head", "CONV_2D", 4.5)), sha="b")
    found = diff(first, second)
    assert found.operators == pytest.approx({"SOFTMAX": -4.5, "CONV_2D": 0.5})
    assert "SOFTMAX -4.5 ms, CONV_2D +0.5 ms" in repr(found)


def test_layers_that_go_the_other_way_do_not_explain_the_gap() -> None:
    first = profile(rows(("f.0", "CONV_2D", 4.0), ("f.1", "CONV_2D", 2.0)))
    second = profile(rows(("f.0", "CONV_2D", 1.0), ("f.1", "CONV_2D", 3.0)), sha="b")
    found = diff(first, second)
    assert [change.name for change in found.explaining] == ["f.0"]
    assert "150 %" in found.sentence


def test_of_one_model_layers_that_share_operators_are_one_group_however_they_are_fused() -> None:
    first = profile([layer(0, "f.0", "CONV_2D", 2.0, 0), layer(1, "f.1", "RELU", 1.0, 1), layer(2, "g", "ADD", 1.0, 2)])
    second = profile([layer(0, "f.0", "CONV_2D", 1.0, 0, 1, unit="gpu"), layer(1, "g", "ADD", 1.0, 2)])
    found = diff(first, second)
    assert pairs(found) == [((0, 1), (0,)), ((2,), (1,))]
    assert [change.name for change in found.moved] == ["f.0 (+1)"]
    assert "1 layer from cpu to gpu" in repr(found)


def test_a_whole_model_in_one_group_takes_every_layer_of_the_other() -> None:
    first = profile([layer(index, f"f.{index}", "CONV_2D", 1.0) for index in range(5)])
    second = profile([layer(0, "f.2", "CONV_2D", 2.0, 0, 1, 2, 3, 4, unit="gpu")])
    assert pairs(diff(first, second)) == [((0, 1, 2, 3, 4), (0,))]


def test_of_different_models_a_fused_operator_joins_the_layer_that_swallowed_it() -> None:
    first = profile(rows(("f.0", "CONV_2D", 2.0), ("f.1", "RELU", 1.0), ("g", "ADD", 1.0)))
    second = profile([layer(0, "f.0", "CONV_2D", 1.0, 0, 1), layer(1, "g", "ADD", 1.0, 2)], sha="b")
    assert pairs(diff(first, second)) == [((0, 1), (0,)), ((2,), (1,))]


def test_without_names_operators_and_their_order_decide() -> None:
    first = profile(rows(("", "CONV_2D", 2.0), ("", "ADD", 1.0), ("", "CONV_2D", 3.0)))
    second = profile(rows(("", "CONV_2D", 1.0), ("", "CONV_2D", 2.0)), sha="b")
    first = replace(first, layer_table=tuple(replace(each, name=f"t{each.index}") for each in first.layer_table))
    assert pairs(diff(first, second)) == [((0,), (0,)), ((1,), ()), ((2,), (1,))]


def test_layers_of_other_modules_are_not_forced_together() -> None:
    first, second = profile(rows(("a", "CONV_2D", 2.0))), profile(rows(("b", "CONV_2D", 1.0)), sha="b")
    assert sorted(pairs(diff(first, second))) == [((), (0,)), ((0,), ())]


def test_what_belongs_to_no_layer_is_a_row_of_its_own() -> None:
    first = profile(rows(("a", "CONV_2D", 2.0)), gaps_ms=0.5)
    second = profile(rows(("a", "CONV_2D", 1.0)), sha="b", gaps_ms=0.1)
    last = diff(first, second).changes[-1]
    assert (last.name, round(last.change_ms, 6), last.is_layer) == ("unattributed", -0.4, False)


def test_equal_profiles_have_no_gap() -> None:
    same = profile(rows(("a", "CONV_2D", 2.0)))
    found = diff(same, same)
    assert found.sentence == "both take the same in their profiled inferences"
    assert charts.draw("layer_diff", found).to_dict()["data"]


def test_a_gap_that_no_layer_makes_is_said_to_be_between_them() -> None:
    layers = rows(("a", "CONV_2D", 2.0))
    found = diff(profile(layers, gaps_ms=0.5), profile(layers, sha="b", gaps_ms=1.5))
    assert found.sentence == "no layer explains the gap of 1 ms by which int8 is slower than float: it belongs to none"


def test_a_result_without_layers_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match="the benchmark of int8 has no layers"):
        diff(profile(rows(("a", "CONV_2D", 2.0))), fake_benchmark(0))


def test_the_waterfall_leads_from_the_first_time_to_the_second() -> None:
    first, second = fake_benchmark(40, seed=1), replace(fake_benchmark(40, p50_ms=5.0, seed=2), model_sha256="b" * 64)
    found = diff(first, second)
    figure = charts.draw("layer_diff", found).to_dict()
    steps = {label: (base, base + x) for trace in figure["data"] for label, base, x in zip(*_of(trace), strict=True)}
    ordered = [steps[label] for label in figure["layout"]["yaxis"]["categoryarray"]]
    assert len(ordered) == 28  # both totals, 25 changes, and the others in one
    assert ordered[0] == (0, pytest.approx(found.first_ms, abs=1e-4))
    assert ordered[-1] == (0, pytest.approx(found.second_ms, abs=1e-4))
    assert found.second_ms in [pytest.approx(end, abs=1e-3) for end in ordered[-2]]
    assert all(trace["marker"]["pattern"]["shape"] == "/" for trace in figure["data"])


def _of(trace: dict[str, list[float]]) -> tuple[list[float], list[float], list[float]]:
    return trace["y"], trace["base"], trace["x"]


def test_the_picture_tells_layers_apart_whose_long_names_begin_alike() -> None:
    names = [f"transformer.encoder.blocks.attention.projection.{end}" for end in ("query", "value")]
    first, second = (
        profile(rows(*((name, "CONV_2D", ms) for name in names)), sha=sha) for sha, ms in (("a", 2.0), ("b", 1.0))
    )
    picture = charts.draw("layer_diff_svg", diff(first, second))
    shown = re.findall(r"<text[^>]*>(transformer[^<]*)</text>", picture)
    assert len(set(shown)) == 2, shown


def test_the_picture_names_the_largest_changes() -> None:
    first = profile(rows(("f.0", "CONV_2D", 4.0), ("f.1", "CONV_2D", 2.0)))
    second = profile(rows(("f.0", "CONV_2D", 1.0), ("f.1", "CONV_2D", 1.5)), sha="b")
    picture = charts.draw("layer_diff_svg", diff(first, second))
    assert "f.0" in picture
    assert "-3.000 ms" in picture
