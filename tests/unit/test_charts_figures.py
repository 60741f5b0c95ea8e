"""The registry of figures, the operator breakdown, the latency distribution, the palette."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import pytest

from embedl_nb import charts
from embedl_nb.charts.palette import TEXT, colour_of
from embedl_nb.display import figures
from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.units import ComputeUnit, Provenance


def _with_samples(*processes: tuple[float, ...]) -> Benchmark:
    result = fake_benchmark(4)
    latency = dataclasses.replace(
        result.latency,
        samples_ms=processes,
        num_processes=len(processes),
        n=sum(len(process) for process in processes),
        p50_ms=1.0,
        p95_ms=2.0,
        ci95_ms=(0.9, 1.1),
    )
    return dataclasses.replace(result, latency=latency, provenance=Provenance.MEASURED)


def _bars(result: Benchmark) -> list[dict]:
    return charts.draw("latency", result).to_dict()["data"]


def test_an_unknown_figure_names_the_close_ones():
    with pytest.raises(UnknownNameError, match="waterfal") as caught:
        charts.draw("waterfal", fake_benchmark(4))
    assert "waterfall" in caught.value.candidates


def test_results_find_the_charts_by_name():
    assert figures.draw("waterfall_svg", fake_benchmark(4)) == charts.draw("waterfall_svg", fake_benchmark(4))


@pytest.mark.parametrize("kind", ["operators", "waterfall_svg"])
def test_figures_of_layers_need_layers(kind):
    with pytest.raises(InputError, match="profile was off"):
        charts.draw(kind, fake_benchmark(0))


def test_the_latency_needs_no_layers():
    assert len(charts.draw("latency", fake_benchmark(0)).data) == 3


def test_operators_are_bars_from_zero_that_add_up():
    result = fake_benchmark(40)
    *units, remainder = charts.draw("operators", result).to_dict()["data"]
    assert sum(sum(trace["x"]) for trace in units) == pytest.approx(sum(layer.mean_ms for layer in result.layer_table))
    assert "base" not in units[0]
    assert remainder["name"] == "unattributed"


def test_the_operator_that_takes_most_is_on_top():
    figure = charts.draw("operators", fake_benchmark(40)).to_dict()
    rows = figure["layout"]["yaxis"]["categoryarray"]
    time_ms = dict(zip(figure["data"][0]["y"], figure["data"][0]["x"], strict=True))
    known = [time_ms[row] for row in rows[:-1]]
    assert known == sorted(known, reverse=True)
    assert figure["layout"]["yaxis"]["autorange"] == "reversed"


def test_time_that_belongs_to_no_layer_is_not_cut_off_where_it_is_the_longest():
    result = dataclasses.replace(fake_benchmark(4), unattributed_ms=40.0, profiled_mean_ms=48.0)
    figure = charts.draw("operators", result).to_dict()
    assert list(figure["data"][-1]["x"]) == [40.0]
    assert figure["layout"]["xaxis"]["range"][1] > 40.0


def test_an_operator_says_its_share_and_its_number_of_layers():
    trace = charts.draw("operators", fake_benchmark(40)).to_dict()["data"][0]
    assert all("%" in text and "layer" in text for text in trace["text"])


def test_an_operator_that_ran_on_two_units_shows_both():
    result = fake_benchmark(8)
    layers = tuple(
        dataclasses.replace(layer, compute_unit="gpu" if layer.index >= 4 else "cpu") for layer in result.layer_table
    )
    traces = charts.draw("operators", dataclasses.replace(result, layer_table=layers)).to_dict()["data"]
    assert [set(trace["y"]) for trace in traces[:2]] == [{"CONV_2D", "DEPTHWISE_CONV_2D", "ADD"}] * 2


def test_every_sample_is_in_one_bar_of_its_process():
    traces = _bars(_with_samples((1.0, 1.1, 1.2, 5.0), (1.0, 2.0)))
    assert [sum(trace["y"]) for trace in traces] == [4, 2]


def test_samples_that_are_all_alike_are_drawn():
    (trace,) = _bars(_with_samples((1.5,) * 10))
    assert sum(trace["y"]) == 10


def test_a_far_outlier_does_not_flatten_the_rest_and_is_counted():
    samples = (*(1.0 + place / 1000 for place in range(200)), 500.0)
    figure = charts.draw("latency", _with_samples(samples)).to_dict()
    assert figure["layout"]["xaxis"]["range"][1] < 2
    assert "1 beyond" in figure["layout"]["title"]["subtitle"]["text"]
    assert sum(figure["data"][0]["y"]) == 201


def test_the_marks_stand_at_p50_and_p95():
    layout = charts.draw("latency", _with_samples((1.0, 1.1), (1.0, 2.0))).to_dict()["layout"]
    assert [(shape["x0"], shape["x1"]) for shape in layout["shapes"]] == [(0.9, 1.1), (1.0, 1.0), (2.0, 2.0)]
    assert [label["text"].split()[0] for label in layout["annotations"]] == ["p50", "p95"]


def test_each_process_says_its_n():
    layout = charts.draw("latency", _with_samples((1.0, 1.1, 1.2), (1.0, 2.0))).to_dict()["layout"]
    assert "n = 3" in layout["yaxis"]["title"]["text"]
    assert "n = 2" in layout["yaxis2"]["title"]["text"]
    assert "[ms]" in layout["xaxis"]["title"]["text"]


def test_processes_share_one_scale_of_counts():
    layout = charts.draw("latency", _with_samples((1.0, 1.0, 1.0, 2.0), (1.0, 2.0))).to_dict()["layout"]
    assert layout["yaxis"]["range"] == layout["yaxis2"]["range"]


def test_a_distribution_that_was_not_measured_is_hatched():
    trace = charts.draw("latency", fake_benchmark(0)).to_dict()["data"][0]
    assert "pattern" in trace["marker"]


def _linear(colour: str) -> list[float]:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]


def _contrast(one: str, other: str) -> float:
    # WCAG 2.2, relative luminance and contrast ratio.
    lights = sorted(sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), _linear(c), strict=True)) for c in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize("ground", ["#ffffff", "#111111"])
def test_colours_and_text_are_seen_on_light_and_dark_ground(ground):
    assert all(_contrast(colour_of(unit), ground) >= 3 for unit in ComputeUnit)
    assert _contrast(TEXT, ground) >= 4


# Machado, Oliveira, Fernandes 2009: "A physiologically-based model for simulation of color vision deficiency",
# severity 1.
_DEFICIENCIES = {
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
}


@pytest.mark.parametrize("name", _DEFICIENCIES)
def test_units_are_told_apart_by_the_colour_blind(name):
    def lab(colour: str) -> tuple[float, float, float]:
        seen = [sum(w * v for w, v in zip(row, _linear(colour), strict=True)) for row in _DEFICIENCIES[name]]
        red, green, blue = (min(1.0, max(0.0, value)) for value in seen)
        xyz = (
            (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
            0.2126 * red + 0.7152 * green + 0.0722 * blue,
            (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089,
        )
        x, y, z = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in xyz)
        return 116 * y - 16, 500 * (x - y), 200 * (y - z)

    for one, other in combinations(ComputeUnit, 2):
        distance = sum((a - b) ** 2 for a, b in zip(lab(colour_of(one)), lab(colour_of(other)), strict=True)) ** 0.5
        # CIE 1976; a distance of 2.3 is just noticeable, and bars are small.
        assert distance > 25, (one, other)


def test_times_that_are_no_numbers_are_refused_by_name():
    for figure in ("latency", "over_time"):
        with pytest.raises(InputError, match="holds times that are not finite"):
            charts.draw(figure, _with_samples((1.0, float("nan"))))
