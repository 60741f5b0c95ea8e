"""The figures of a fidelity: error along the network, accuracy against latency."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from embedl_nb import charts
from embedl_nb.charts.palette import FIRST_SERIES
from embedl_nb.errors import InputError
from embedl_nb.model.fidelity import Fidelity
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.testing import models
from embedl_nb.testing.results import fake_benchmark, fake_fidelity
from embedl_nb.units import Provenance

SVG = "{http://www.w3.org/2000/svg}"


def drawn(kind: str, fidelity: Fidelity) -> dict:
    return charts.draw(kind, fidelity).to_dict()


def test_the_results_methods_draw_these_figures() -> None:
    fidelity = fake_fidelity(6)
    assert fidelity.along_the_network().to_dict() == drawn("fidelity", fidelity)
    assert fidelity.tradeoff().to_dict() == drawn("tradeoff", fidelity)


def test_the_network_is_a_line_and_each_layer_a_marker_of_what_it_adds() -> None:
    fidelity = fake_fidelity(20)
    network, made = drawn("fidelity", fidelity)["data"]

    assert (network["mode"], made["mode"]) == ("lines", "markers+text")
    assert list(network["x"]) == list(made["x"]) == list(range(20))
    for trace, name in ((network, "sqnr_db"), (made, "made_here_db")):
        expected = [getattr(layer, name) for layer in fidelity.layers]
        assert list(trace["y"][1:]) == pytest.approx(expected[1:], abs=1e-3)
    assert network["marker"]["color"] != made["marker"]["color"]


def test_a_layer_without_error_has_no_point_and_one_without_signal_is_at_the_bottom() -> None:
    first, *others = fake_fidelity(5).layers
    lost = dataclasses.replace(others[-1], sqnr_db=-math.inf)
    network, made = drawn("fidelity", dataclasses.replace(fake_fidelity(0), layers=(first, *others[:-1], lost)))["data"]

    assert network["y"][0] is None
    assert made["y"][0] is None
    assert network["customdata"][0][4] == "no error"
    assert network["y"][-1] < min(value for value in (*network["y"][1:-1], *made["y"][1:]))


def test_the_three_layers_that_make_most_noise_are_numbered_and_named() -> None:
    fidelity = fake_fidelity(20)
    figure = drawn("fidelity", fidelity)
    made = figure["data"][1]
    worst = sorted(fidelity.layers, key=lambda layer: layer.made_here_db)[:3]

    assert [made["text"][layer.index] for layer in worst] == ["<b>1</b>", "<b>2</b>", "<b>3</b>"]
    assert sum(bool(text) for text in made["text"]) == 3
    (names,) = [note["text"] for note in figure["layout"]["annotations"] if "<b>1</b>" in note["text"]]
    for layer, line in zip(worst, names.split("<br>"), strict=True):
        assert layer.source in line
        assert f"{layer.made_here_db:.1f} dB" in line


def test_layers_whose_own_error_is_not_known_are_drawn_without_it() -> None:
    layers = tuple(
        dataclasses.replace(layer, made_here_db=None, inherited_db=None, made_here_share=None)
        for layer in fake_fidelity(4).layers
    )
    figure = drawn("fidelity", dataclasses.replace(fake_fidelity(0), layers=layers))

    assert set(figure["data"][1]["y"]) == {None}
    assert figure["data"][0]["customdata"][1][5] == "not known"
    assert len(figure["layout"]["annotations"]) == 1


def test_axes_have_units_and_the_caption_says_on_how_many_samples() -> None:
    layout = drawn("fidelity", fake_fidelity(4))["layout"]
    assert "[dB]" in layout["yaxis"]["title"]["text"]
    assert "100 held-out samples" in layout["title"]["subtitle"]["text"]
    layout = drawn("tradeoff", fake_fidelity(4))["layout"]
    assert layout["xaxis"]["title"]["text"] == "latency of one inference [ms], estimated"
    assert "[dB]" in layout["yaxis"]["title"]["text"]


def test_a_name_is_shown_literally() -> None:
    layer = dataclasses.replace(fake_fidelity(2).layers[1], source="<b>x</b>")
    figure = charts.draw("fidelity", dataclasses.replace(fake_fidelity(0), layers=(layer,))).to_json()
    assert "<b>x" not in figure.replace("\\u003c", "<").replace("\\u003e", ">")


def test_estimated_latency_is_hollow_and_measured_is_not() -> None:
    fidelity = fake_fidelity(2)
    measured = dataclasses.replace(fidelity.curve[0], provenance=Provenance.MEASURED)
    _, hollow, filled = drawn("tradeoff", dataclasses.replace(fidelity, curve=(measured, *fidelity.curve[1:])))["data"]

    assert all(symbol.endswith("-open") for symbol in hollow["marker"]["symbol"])
    assert list(filled["marker"]["symbol"]) == ["circle"]
    assert (hollow["name"], filled["name"]) == ("latency estimated", "latency measured")


def test_the_area_of_a_point_is_the_size_of_the_file() -> None:
    fidelity = fake_fidelity(2)
    sizes = drawn("tradeoff", fidelity)["data"][1]["marker"]["size"]
    ratio = fidelity.curve[0].size_bytes / fidelity.curve[-1].size_bytes

    assert (sizes[0] / sizes[-1]) ** 2 == pytest.approx(ratio)


def test_the_chosen_point_its_neighbours_and_both_ends_are_named() -> None:
    figure = drawn("tradeoff", fake_fidelity(2))
    names = [note["text"] for note in figure["layout"]["annotations"]]

    assert names == [
        "all int8",
        "3 operators in float",
        "<b>4 operators in float</b> (chosen)",
        "5 operators in float",
        "all float<br>exactly equal",
    ]
    symbols = figure["data"][1]["marker"]["symbol"]
    assert [place for place, symbol in enumerate(symbols) if symbol.startswith("diamond")] == [4]


def test_a_model_that_is_equal_to_float_stands_above_the_others() -> None:
    heights = drawn("tradeoff", fake_fidelity(2))["data"][1]["y"]
    assert math.isfinite(heights[-1])
    assert heights[-1] > max(heights[:-1])


def test_the_users_metric_is_drawn_where_every_point_has_one() -> None:
    fidelity = fake_fidelity(2)
    scored = tuple(dataclasses.replace(point, metric=0.9 + place / 100) for place, point in enumerate(fidelity.curve))
    figure = drawn("tradeoff", dataclasses.replace(fidelity, curve=scored))
    assert figure["layout"]["yaxis"]["title"]["text"] == "accuracy, higher is better"
    assert list(figure["data"][1]["y"]) == pytest.approx([point.metric for point in scored])

    partly = drawn("tradeoff", dataclasses.replace(fidelity, curve=(scored[0], *fidelity.curve[1:])))
    assert "[dB]" in partly["layout"]["yaxis"]["title"]["text"]


def test_points_are_drawn_in_order_of_latency() -> None:
    fidelity = fake_fidelity(2)
    turned = dataclasses.replace(fidelity, curve=fidelity.curve[::-1])
    assert drawn("tradeoff", turned) == drawn("tradeoff", fidelity)


def test_a_model_that_another_beats_stands_beside_the_line_and_all_quantized_is_named() -> None:
    fidelity = fake_fidelity(2)
    slow = dataclasses.replace(fidelity.curve[0], latency_ms=fidelity.curve[-1].latency_ms * 0.99)
    figure = drawn("tradeoff", dataclasses.replace(fidelity, curve=(slow, *fidelity.curve[1:])))
    line, dots = figure["data"][:2]
    assert slow.latency_ms in dots["x"]
    assert slow.latency_ms not in line["x"]
    assert list(line["y"]) == sorted(line["y"])
    assert slow.label in [note["text"] for note in figure["layout"]["annotations"]]


def test_of_a_metric_that_is_better_lower_the_line_joins_the_lowest() -> None:
    fidelity = fake_fidelity(2)
    losses = [0.9, 0.5, 0.7, 0.4]
    curve = tuple(dataclasses.replace(each, metric=loss) for each, loss in zip(fidelity.curve, losses, strict=False))
    evaluation = dataclasses.replace(fidelity.evaluation, higher_is_better=False)
    line = drawn("tradeoff", dataclasses.replace(fidelity, curve=curve, evaluation=evaluation))["data"][0]
    assert list(line["y"]) == [0.9, 0.5, 0.4]


def test_names_in_the_right_half_stand_at_the_left_of_their_points() -> None:
    figure = drawn("tradeoff", fake_fidelity(2))
    half_ms = max(figure["data"][1]["x"]) / 2
    for note in figure["layout"]["annotations"]:
        assert note["xanchor"] == ("right" if note["x"] > half_ms else "left")


def test_one_point_is_a_curve() -> None:
    fidelity = fake_fidelity(2)
    figure = drawn("tradeoff", dataclasses.replace(fidelity, curve=fidelity.curve[:1]))
    assert list(figure["data"][1]["x"]) == [fidelity.curve[0].latency_ms]


@pytest.mark.parametrize(("kind", "words"), [("fidelity", "no layers"), ("tradeoff", "no curve")])
def test_what_is_not_there_cannot_be_drawn(kind: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        charts.draw(kind, fake_fidelity(0, num_points=0))
    with pytest.raises(InputError, match="not from Benchmark"):
        charts.draw(kind, fake_benchmark(2))


def picture(fidelity: Fidelity) -> ElementTree.Element:
    return ElementTree.fromstring(str(charts.draw("fidelity_svg", fidelity)))


def texts(drawn_picture: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in drawn_picture.iter(f"{SVG}text")]


def test_the_static_picture_has_the_same_line_markers_and_names() -> None:
    fidelity = fake_fidelity(20)
    shown = picture(fidelity)
    paths = {element.get("stroke") or element.get("fill"): element.get("d", "") for element in shown.iter(f"{SVG}path")}
    network = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", paths[FIRST_SERIES])]

    # The first layer makes no error: 19 points, and the higher the error the lower the point.
    assert len(network) == 19
    by_height = sorted(range(19), key=lambda place: network[place])
    assert by_height == sorted(range(19), key=lambda place: -fidelity.layers[place + 1].sqnr_db)
    worst = sorted(fidelity.layers, key=lambda layer: layer.made_here_db)[:3]
    for number, layer in enumerate(worst, start=1):
        assert f"{number}  {layer.source}  {layer.operator}, {layer.made_here_db:.1f} dB" in texts(shown)
    assert "SQNR [dB]" in texts(shown)


def test_a_line_breaks_where_there_is_no_error() -> None:
    layers = list(fake_fidelity(6).layers)
    layers[3] = dataclasses.replace(layers[3], sqnr_db=math.inf, made_here_db=math.inf)
    shown = picture(dataclasses.replace(fake_fidelity(0), layers=tuple(layers)))
    (line,) = [element.get("d", "") for element in shown.iter(f"{SVG}path") if element.get("stroke-width") == "2"][1:]
    assert (line.count("M"), line.count("L")) == (2, 2)


@pytest.mark.parametrize("value_db", [math.inf, -math.inf, 1e3, -1e3])
def test_whatever_the_error_there_is_a_picture(value_db: float) -> None:
    layer = dataclasses.replace(fake_fidelity(2).layers[1], sqnr_db=value_db, made_here_db=value_db)
    shown = picture(dataclasses.replace(fake_fidelity(0), layers=(layer,)))
    assert "inf" not in "".join(element.get("d", "") for element in shown.iter(f"{SVG}path"))


def test_a_thousand_layers_are_a_small_picture_and_equal_pictures_are_equal_text() -> None:
    drawn_picture = charts.draw("fidelity_svg", fake_fidelity(1000))
    assert len(drawn_picture) < 60_000
    assert drawn_picture == charts.draw("fidelity_svg", fake_fidelity(1000))


def test_a_quantized_model_shows_the_picture_of_its_fidelity(tmp_path: Path) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.quantized_fully_connected()))
    quantized = dataclasses.replace(model, fidelity=fake_fidelity(4))

    assert str(charts.draw("fidelity_svg", quantized.fidelity)) in quantized._repr_html_()
    assert "<svg" not in dataclasses.replace(model, fidelity=fake_fidelity(0))._repr_html_()
    with pytest.raises(InputError, match="not from LiteRTModel"):
        charts.draw("fidelity", model)


def test_a_fidelity_shows_the_picture_and_escapes_names_in_it() -> None:
    layer = dataclasses.replace(fake_fidelity(2).layers[1], source="<script>")
    page = dataclasses.replace(fake_fidelity(0), layers=(layer,))._repr_html_()
    assert "<svg" in page
    assert "<script>" not in page
    assert "<svg" not in fake_fidelity(0)._repr_html_()
