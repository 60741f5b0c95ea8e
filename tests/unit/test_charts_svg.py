"""The waterfall as one small SVG, read as the XML it must be."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import pytest

from embedl_nb.charts import draw
from embedl_nb.charts.waterfall_svg import waterfall_picture
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.units import Provenance

_NS = {"s": "http://www.w3.org/2000/svg"}


def _root(num_layers: int, **changes: object) -> ET.Element:
    return ET.fromstring(draw("waterfall_svg", dataclasses.replace(fake_benchmark(num_layers), **changes)))


def _rows(root: ET.Element) -> list[ET.Element]:
    return [group for group in root.findall("s:g", _NS) if group.find("s:title", _NS) is not None]


def _words(element: ET.Element) -> list[str]:
    return [text.text or "" for text in element.findall("s:text", _NS)]


def test_there_is_one_row_a_layer_and_one_for_the_remainder():
    assert len(_rows(_root(20))) == 21


def test_a_row_says_source_operator_and_ms():
    result = fake_benchmark(20)
    words = _words(_rows(_root(20))[7])
    layer = result.layer_table[7]
    assert words[:3] == [layer.source, layer.operator, f"{layer.mean_ms:.3f}"]


def test_bars_lie_on_one_scale():
    result = fake_benchmark(20)
    bars = [row.find("s:rect", _NS) for row in _rows(_root(20))[:20]]
    places = [float(bar.get("x")) for bar in bars]
    starts = [layer.start_ms for layer in result.layer_table]
    scale = (places[-1] - places[0]) / (starts[-1] - starts[0])
    # Places are written with two decimals.
    assert places == pytest.approx([places[0] + start * scale for start in starts], abs=0.02)
    longest = max(range(20), key=lambda place: result.layer_table[place].mean_ms)
    assert float(bars[longest].get("width")) == pytest.approx(result.layer_table[longest].mean_ms * scale, abs=0.05)


def test_no_bar_and_no_text_leaves_the_picture():
    root = _root(66)
    left, _, across, _ = map(float, root.get("viewBox").split())
    right = left + across
    assert all(float(bar.get("x")) + float(bar.get("width")) <= right for bar in root.iter(f"{{{_NS['s']}}}rect"))
    assert all(left < float(text.get("x")) < right for text in root.iter(f"{{{_NS['s']}}}text"))


def test_many_layers_show_the_longest_in_order_and_the_rest_as_one_bar():
    result = fake_benchmark(1000)
    root = _root(1000)
    rows = _rows(root)
    assert len(rows) == 62
    shown = [_words(row)[0] for row in rows[:60]]
    longest = sorted(result.layer_table, key=lambda layer: -layer.mean_ms)[:60]
    assert shown == [layer.source for layer in sorted(longest, key=lambda layer: layer.index)]
    assert _words(rows[60])[0] == "the other 940 layers"
    rest_ms = sum(layer.mean_ms for layer in result.layer_table) - sum(layer.mean_ms for layer in longest)
    assert float(_words(rows[60])[2]) == pytest.approx(rest_ms, abs=1e-3)
    assert "60 longest of 1000 layers" in " ".join(_words(root))


@pytest.mark.parametrize("num_layers", [1, 66, 100, 5000])
def test_the_picture_stays_small(num_layers):
    assert len(draw("waterfall_svg", fake_benchmark(num_layers))) < 60_000


def test_it_carries_no_script_and_loads_nothing():
    text = draw("waterfall_svg", fake_benchmark(20)).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert [word for word in ("<script", "http", "href", "url(", "@import", "@font-face") if word in text] == []


def test_a_screen_reader_finds_a_title_and_a_description():
    root = _root(20)
    ids = root.get("aria-labelledby").split()
    assert root.get("role") == "img"
    assert [root.find("s:title", _NS).get("id"), root.find("s:desc", _NS).get("id")] == ids


def test_text_takes_the_colour_of_the_page():
    assert _root(4).get("fill") == "currentColor"


def test_its_style_leaves_the_page_alone():
    style = _root(4).find("s:style", _NS).text
    selectors = [
        part.split("{")[0].strip()
        for part in style.replace("@media screen and (prefers-color-scheme:dark){", "").split("}")
    ]
    assert [each for each in selectors if each and each != "svg.embedl-waterfall:root"] == []


def test_equal_pictures_are_equal_text_and_others_have_other_ids():
    one, other = fake_benchmark(20), fake_benchmark(20, seed=1)
    assert draw("waterfall_svg", one) == draw("waterfall_svg", fake_benchmark(20))
    assert _root(20).get("aria-labelledby") not in draw("waterfall_svg", other)


def test_ids_can_be_injected():
    assert 'aria-labelledby="mine-title mine-desc"' in waterfall_picture(fake_benchmark(4), uid="mine")


def test_hostile_names_are_shown_as_they_are():
    result = fake_benchmark(1)
    hostile = "</text><script>alert(1)</script>\x00&\"'"
    layer = dataclasses.replace(result.layer_table[0], source=hostile, operator="<b>", kernel=hostile)
    root = _root(1, layer_table=(layer,), model_name=hostile)
    assert "<script>alert(1)</script>" in _rows(root)[0].find("s:title", _NS).text
    assert root.find(".//s:script", _NS) is None


@pytest.mark.parametrize(("provenance", "stripes"), [(Provenance.MEASURED, 0), (Provenance.ESTIMATED, 5)])
def test_what_was_not_measured_is_striped(provenance, stripes):
    root = _root(4, provenance=provenance)
    # Four layers and the key.
    dashed = [path for path in root.iter(f"{{{_NS['s']}}}path") if path.get("stroke-dasharray")]
    assert len(dashed) == stripes


def test_a_p95_is_promised_where_there_is_one_only():
    layers = tuple(dataclasses.replace(each, p50_ms=None, p95_ms=None) for each in fake_benchmark(3).layer_table)
    assert "Hover a bar for its p95 and kernel." in "".join(_root(3).itertext())
    assert "p95 and kernel" not in "".join(_root(3, layer_table=layers).itertext())
    assert "Hover a bar for its kernel." in "".join(_root(3, layer_table=layers).itertext())


def test_layers_that_took_no_time_are_drawn():
    result = fake_benchmark(3)
    layers = tuple(dataclasses.replace(layer, start_ms=0.0, mean_ms=0.0) for layer in result.layer_table)
    assert len(_rows(_root(3, layer_table=layers, unattributed_ms=None))) == 3
