"""Every interactive figure has a still picture, which a notebook keeps beside it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from test_measure_sustained import WarmingPhone, sustained_by
from test_placement import placement

import embedl_nb as enb
from embedl_nb import charts
from embedl_nb.charts import canvas
from embedl_nb.charts.palette import colour_of
from embedl_nb.charts.stills import still
from embedl_nb.placement import Placements
from embedl_nb.testing.results import fake_benchmark, fake_fidelity
from embedl_nb.units import Provenance

_SVG = "{http://www.w3.org/2000/svg}"

_DRAWN_FROM: dict[str, Callable[[], Any]] = {
    "waterfall": lambda: fake_benchmark(66),
    "operators": lambda: fake_benchmark(66),
    "treemap": lambda: fake_benchmark(66),
    "over_time": lambda: fake_benchmark(4),
    "latency": lambda: fake_benchmark(4),
    "sustained": lambda: replace(fake_benchmark(4), sustained=sustained_by(WarmingPhone())),
    "fidelity": fake_fidelity,
    "tradeoff": fake_fidelity,
    "comparison": lambda: enb.compare(fake_benchmark(8), fake_benchmark(8, seed=1, p50_ms=4.0)),
    "layer_diff": lambda: enb.compare(fake_benchmark(8), fake_benchmark(8, seed=1, p50_ms=4.0)).layers,
    "pareto": lambda: enb.pick(
        [fake_benchmark(4, p50_ms=each, model_name=f"net{each}") for each in (4.0, 8.0)], where="p50_ms <= 6"
    ),
    "placement": lambda: placement(0, 1, 3),
    "placement_matrix": lambda: Placements(results={"S24": placement(0, 1), "S23": placement()}, errors={}),
}


def _elements(markup: str, tag: str) -> list[ET.Element]:
    return ET.fromstring(markup).findall(f".//{_SVG}{tag}")


def _texts(markup: str) -> list[str]:
    return [each.text or "" for each in _elements(markup, "text")]


def test_every_figure_is_looked_at():
    assert set(_DRAWN_FROM) == {kind for kind in charts.FIGURES if not kind.endswith("_svg")}


@pytest.mark.parametrize("kind", _DRAWN_FROM)
def test_a_notebook_keeps_a_picture_of_the_figure_that_needs_no_script(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("plotly.io.renderers.default", "plotly_mimetype")
    figure = charts.draw(kind, _DRAWN_FROM[kind]())
    bundle = figure._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.plotly.v1+json", "image/svg+xml"}
    picture = bundle["image/svg+xml"]
    assert _elements(picture, "path") or _elements(picture, "rect")
    assert figure.layout.title.text in " ".join(_texts(picture))
    assert "script" not in picture
    assert len(picture) < 60_000


def test_a_picture_of_thousands_of_layers_stays_small():
    assert len(still(charts.draw("waterfall", fake_benchmark(3000)))) < 150_000


def test_a_change_made_to_a_figure_shows_in_its_picture():
    figure = charts.draw("operators", fake_benchmark(4)).update_xaxes(title="milliseconds")
    assert "milliseconds" in _texts(still(figure))


def test_a_figure_with_a_trace_of_another_type_is_shown_without_a_picture(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("plotly.io.renderers.default", "plotly_mimetype")
    figure = charts.draw("operators", fake_benchmark(4)).add_box(y=[1, 2, 3])
    assert set(figure._repr_mimebundle_()) == {"application/vnd.plotly.v1+json"}


def test_areas_of_a_treemap_are_in_proportion_to_their_times():
    result = replace(fake_benchmark(3), provenance=Provenance.MEASURED)
    picture = still(charts.draw("treemap", result))
    leaves = [each for each in _elements(picture, "rect") if each.get("fill") == colour_of("cpu")]
    areas = sorted(float(each.get("width", 0)) * float(each.get("height", 0)) for each in leaves)
    times = sorted(layer.mean_ms for layer in result.layer_table)
    assert [area / areas[-1] for area in areas] == pytest.approx([time / times[-1] for time in times], rel=0.05)


def test_bars_are_as_long_as_their_values():
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": ["a", "b"],
        "x": [1.0, 2.0],
        "marker": {"color": ["#111111", "#222222"]},
    }
    picture = still(canvas.build([trace], title="t", caption="c", layout={"xaxis": {"range": [0, 4]}}))
    short, long = (
        float(each.get("d").split("h")[1].split("v")[0])
        for each in _elements(picture, "path")
        if each.get("fill", "").startswith("#")
    )
    assert long == pytest.approx(2 * short, abs=0.2)


def test_stacked_bars_stand_on_one_another():
    both = [{"type": "bar", "x": ["a"], "y": [length], "marker": {"color": "#111111"}} for length in (1.0, 3.0)]
    picture = still(canvas.build(both, title="t", caption="c", layout={"barmode": "stack"}))
    (first, second) = (each.get("d") for each in _elements(picture, "path"))
    top_of_first = float(first.split("h")[0].split()[1])
    bottom_of_second = float(second.split("h")[0].split()[1]) + float(second.split("v")[1].split("h")[0])
    assert bottom_of_second == pytest.approx(top_of_first, abs=0.2)


def test_a_logarithmic_axis_is_labelled_at_its_powers():
    trace = {"type": "scatter", "mode": "markers", "x": [1, 1000], "y": [1, 2]}
    texts = _texts(still(canvas.build([trace], title="t", caption="c", layout={"xaxis": {"type": "log"}})))
    assert {"1", "10", "100", "1000"} <= set(texts)


def test_hostile_names_are_text_in_the_picture():
    hostile = "</svg><script>alert(1)</script>&"
    result = replace(fake_benchmark(2), model_name=hostile)
    picture = still(charts.draw("operators", result))
    assert _elements(picture, "script") == []
    assert any("<script>" in text for text in _texts(picture))


def test_equal_figures_are_equal_pictures():
    assert still(charts.draw("latency", fake_benchmark(4))) == still(charts.draw("latency", fake_benchmark(4)))
