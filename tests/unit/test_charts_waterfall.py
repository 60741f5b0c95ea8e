"""The plotly waterfall, read through ``fig.to_dict()``."""

from __future__ import annotations

import dataclasses

import pytest

from embedl_nb.charts import draw
from embedl_nb.errors import InputError
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.units import Provenance

_REMAINDER = "unattributed"


def _measured(num_layers: int = 12, units: tuple[str, ...] = ("cpu",)) -> Benchmark:
    result = fake_benchmark(num_layers)
    layers = tuple(
        dataclasses.replace(layer, compute_unit=units[place % len(units)])
        for place, layer in enumerate(result.layer_table)
    )
    return dataclasses.replace(result, provenance=Provenance.MEASURED, layer_table=layers)


def _layer_traces(result: Benchmark) -> list[dict]:
    return [trace for trace in draw("waterfall", result).to_dict()["data"] if trace["name"] != _REMAINDER]


def test_there_is_one_bar_a_layer():
    result = _measured(12, ("cpu", "gpu"))
    assert sum(len(trace["y"]) for trace in _layer_traces(result)) == 12


def test_a_bar_begins_where_the_layer_began_and_is_as_long_as_its_mean():
    result = _measured()
    (trace,) = _layer_traces(result)
    assert list(trace["base"]) == pytest.approx([layer.start_ms for layer in result.layer_table], abs=1e-5)
    assert list(trace["x"]) == pytest.approx([layer.mean_ms for layer in result.layer_table], abs=1e-5)


def test_the_first_layer_is_on_top():
    figure = draw("waterfall", _measured()).to_dict()
    bottom, top = figure["layout"]["yaxis"]["range"]
    assert bottom > top
    assert figure["layout"]["yaxis"]["categoryarray"][0].startswith("0 ")


def test_layers_of_the_same_name_keep_rows_of_their_own():
    result = _measured()
    same = tuple(dataclasses.replace(layer, name="same", source="same") for layer in result.layer_table)
    (trace,) = _layer_traces(dataclasses.replace(result, layer_table=same))
    assert len(set(trace["y"])) == 12


def test_each_compute_unit_is_one_trace_in_one_colour():
    traces = _layer_traces(_measured(12, ("cpu", "gpu", "npu")))
    assert [trace["name"] for trace in traces] == ["cpu", "gpu", "npu"]
    assert len({trace["marker"]["color"] for trace in traces}) == 3


def test_the_colour_of_a_unit_does_not_depend_on_the_others():
    (alone,) = _layer_traces(_measured(12, ("gpu",)))
    assert alone["marker"]["color"] == _layer_traces(_measured(12, ("cpu", "gpu")))[1]["marker"]["color"]


def test_a_unit_nobody_knows_is_drawn_too():
    (trace,) = _layer_traces(_measured(4, ("dsp",)))
    assert trace["name"] == "dsp"


@pytest.mark.parametrize("provenance", list(Provenance))
def test_what_was_not_measured_is_hatched_and_says_so(provenance):
    result = dataclasses.replace(_measured(), provenance=provenance)
    (trace,) = _layer_traces(result)
    is_measured = provenance is Provenance.MEASURED
    assert ("pattern" not in trace["marker"]) == is_measured
    assert (str(provenance) in trace["name"]) != is_measured


def test_the_hover_names_every_column_of_the_layer():
    result = _measured()
    (trace,) = _layer_traces(result)
    layer = result.layer_table[3]
    shown = trace["customdata"][3]
    assert list(shown[:4]) == [layer.operator, 3, layer.source, layer.kernel]
    expected = [layer.start_ms, layer.mean_ms, layer.p50_ms, layer.p95_ms, layer.share]
    assert [float(value) for value in shown[4:]] == pytest.approx(expected, abs=1e-5)
    for word in ("start", "mean", "p50", "p95", "share", "unit  cpu", "kernel"):
        assert word in trace["hovertemplate"]
    assert all(f"customdata[{place}]" in trace["hovertemplate"] for place in range(len(shown)))


def test_what_no_layer_explains_is_a_bar_of_its_own():
    result = _measured()
    last = draw("waterfall", result).to_dict()["data"][-1]
    assert last["name"] == _REMAINDER
    assert list(last["x"]) == pytest.approx([result.unattributed_ms], abs=1e-5)
    end = result.layer_table[-1].start_ms + result.layer_table[-1].mean_ms
    assert list(last["base"]) == pytest.approx([end], abs=1e-5)


@pytest.mark.parametrize("unattributed_ms", [0.0, -0.01, None])
def test_without_a_remainder_there_is_no_such_bar(unattributed_ms):
    result = dataclasses.replace(_measured(), unattributed_ms=unattributed_ms)
    assert [trace["name"] for trace in draw("waterfall", result).to_dict()["data"]] == ["cpu"]


def test_the_time_axis_carries_its_unit_and_the_caption_its_n():
    layout = draw("waterfall", _measured()).to_dict()["layout"]
    assert "[ms]" in layout["xaxis"]["title"]["text"]
    assert "n = 600 in 3 processes" in layout["title"]["subtitle"]["text"]


def test_the_ground_is_transparent_for_light_and_dark_pages():
    layout = draw("waterfall", _measured()).to_dict()["layout"]
    assert layout["paper_bgcolor"] == layout["plot_bgcolor"] == "rgba(0,0,0,0)"


def test_plotlys_own_upload_button_is_taken_away():
    assert "sendChartToCloud" in draw("waterfall", _measured()).to_dict()["layout"]["modebar"]["remove"]


def test_a_name_is_no_markup_for_plotly():
    result = _measured(1)
    hostile = "<a href='https://x.invalid'>&amp;</a>"
    layer = dataclasses.replace(result.layer_table[0], name=hostile, source=hostile, kernel=hostile, operator=hostile)
    hostile_result = dataclasses.replace(result, layer_table=(layer,), model_name=hostile)
    text = draw("waterfall", hostile_result).to_json()
    assert "<a" not in text
    assert "&amp;amp;" in text


def test_a_thousand_layers_stay_small():
    assert len(draw("waterfall", fake_benchmark(1000)).to_json()) < 1_000_000


def test_a_thousand_layers_do_not_make_a_page_of_a_thousand_rows():
    assert draw("waterfall", fake_benchmark(1000)).to_dict()["layout"]["height"] < 1500


def test_a_result_without_layers_says_how_to_get_them():
    with pytest.raises(InputError, match="profile was off") as caught:
        draw("waterfall", fake_benchmark(0))
    assert "profile=True" in caught.value.hint


def test_something_else_than_a_benchmark_is_named():
    with pytest.raises(InputError, match="not from str"):
        draw("waterfall", "result")
