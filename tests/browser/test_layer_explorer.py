"""The layer explorer: in a plain page what the browser does by itself, in JupyterLab what a user does with it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from accessibility import serious_violations

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb.measure import Benchmark
from embedl_nb.model import LiteRTModel
from embedl_nb.testing import models
from embedl_nb.testing.results import fake_benchmark, fake_fidelity
from embedl_nb.widgets import LayerExplorer

pytestmark = pytest.mark.browser

_SETUP = """
import embedl_nb as enb
from dataclasses import replace
from embedl_nb.testing.results import fake_benchmark
before, after = fake_benchmark(120, seed=1), fake_benchmark(120, seed=2, p50_ms=5.0)
moved = tuple(replace(layer, compute_unit="gpu" if layer.index % 9 < 3 else "cpu") for layer in after.layer_table)
after = replace(after, model_name="virtual_net_w8a8", model_sha256="1" * 64, layer_table=moved)
"""


def on_units(result: Benchmark, place: int) -> Benchmark:
    """Return the result with every third layer on the gpu, and one with markup in its name."""
    layers = [replace(layer, compute_unit="gpu" if layer.index % 3 == place else "cpu") for layer in result.layer_table]
    layers[4] = replace(layers[4], source="<img src=x onerror=alert(1)>")
    return replace(result, layer_table=tuple(layers))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> LayerExplorer:
    """Return an explorer of 66 layers of which everything is known."""
    model = LiteRTModel.open(models.write(tmp_path_factory.mktemp("model"), models.chain(66)))
    rows = [
        replace(row, name=info.name)
        for row, info in zip(fake_fidelity(66).layers, model.operators.itertuples(), strict=True)
    ]
    quantized = replace(model, fidelity=replace(fake_fidelity(0), layers=tuple(rows)))
    result = replace(on_units(fake_benchmark(66), 0), model_sha256=model.sha256)
    return LayerExplorer(result, models=quantized)


@pytest.fixture
def pair() -> LayerExplorer:
    """Return an explorer of two results, the second with a tenth of the layers left out."""
    second = on_units(fake_benchmark(66, seed=2, p50_ms=5.0), 1)
    kept = tuple(layer for layer in second.layer_table if layer.index % 10 != 9)
    return LayerExplorer(
        on_units(fake_benchmark(66), 0), replace(second, model_sha256="1" * 64, model_name="small", layer_table=kept)
    )


def selected_row(page: Any) -> str:
    """Return the text of the table's row that is selected and in sight."""
    row = page.locator(".embedl-rows [aria-selected=true]")
    assert row.is_visible()
    return str(row.inner_text())


def saved(page: Any, button: str) -> tuple[str, bytes]:
    """Press a button that saves a file; return the file's name and content."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_what_is_selected_in_the_waterfall_is_selected_in_table_and_detail_and_back(known, show):
    page = show(known)
    waterfall = page.get_by_role("group", name="Time of 66 layers")
    waterfall.click(position={"x": 200, "y": 5 * 18 + 9})
    assert page.evaluate("() => model.state.selected") == 5
    assert "features.1.conv.1" in selected_row(page)
    assert "TANH #5: (1, 16) → (1, 16), float32" in page.get_by_role("group", name="Selected layer").inner_text()
    waterfall.press("End")
    assert "features.16.conv.1" in selected_row(page), "the table follows to its last row"
    grid = page.get_by_role("grid", name="Layers")
    grid.press("Home")
    assert page.evaluate("() => model.state.selected") == 0
    page.wait_for_function("() => document.querySelector('.embedl-waterfall').scrollTop < 18")
    page.evaluate("() => model.receive('selected', 40)")
    assert "features.10.conv.0" in selected_row(page), "Python selects, too"


def test_a_click_goes_to_the_row_that_is_drawn_there_after_scrolling_and_in_the_overview(known, show):
    page = show(known)
    sky = page.locator(".embedl-sky").bounding_box()
    page.mouse.click(sky["x"] + sky["width"] * 0.999, sky["y"] + 20)
    page.locator(".embedl-waterfall").click(position={"x": 200, "y": 200})
    assert page.evaluate("() => model.state.selected") > 55


def test_each_metric_has_its_own_bars_and_an_unknown_one_cannot_be_chosen(known, pair, show):
    page = show(known)
    pictures = set()
    for metric in ("Time", "MACs", "Memory", "Quantization error", "Compute unit"):
        page.get_by_label("Metric").select_option(label=metric)
        page.evaluate("() => new Promise(painted => requestAnimationFrame(() => setTimeout(painted)))")
        pictures.add(page.locator(".embedl-waterfall canvas").evaluate("canvas => canvas.toDataURL()"))
    assert len(pictures) == 5
    page = show(pair)
    assert page.locator("option", has_text="MACs (not known)").is_disabled()
    assert "MACs, Memory, Quantization error not known: the model file" in page.locator(".embedl-reason").inner_text()


def test_the_longest_layer_is_found_by_sorting_and_others_by_searching(known, show):
    page = show(known)
    header = page.get_by_role("columnheader", name="Time")
    header.get_by_role("button").click()
    header.get_by_role("button").click()
    longest = max(known.frame().itertuples(), key=lambda layer: layer.mean_ms)
    assert longest.name in page.locator(".embedl-rows [role=row]").first.inner_text()
    page.get_by_label("Search layers").fill("depthwise gpu")
    count = int(page.locator(".embedl-foot").inner_text().split(" of ")[0])
    frame = known.frame()
    assert count == len(frame[(frame.operator == "DEPTHWISE_CONV_2D") & (frame.compute_unit == "gpu")])
    page.get_by_label("Search layers").fill("no such layer")
    assert page.get_by_text("No layer fits").is_visible()


def test_two_results_show_changes_and_the_layers_that_changed_unit(pair, show):
    page = show(pair)
    frame = pair.frame()
    page.get_by_role("columnheader", name="Change").get_by_role("button").click()
    fastest = frame.loc[frame.mean_ms_change.idxmin()]
    first = page.locator(".embedl-rows [role=row]").first.inner_text()
    assert fastest["name"] in first
    assert f"\N{MINUS SIGN}{-fastest.mean_ms_change:.3g} ms" in first
    page.get_by_label("Changed unit").check()
    moved = frame[(frame.first_compute_unit != frame.second_compute_unit) & (frame.second_compute_unit.notna())]
    assert page.locator(".embedl-foot").inner_text().startswith(f"{len(moved)} of 67 rows")
    assert page.locator(".embedl-moved").first.inner_text() in ("cpu → gpu", "gpu → cpu")


def test_csv_has_what_the_table_shows_and_runs_nothing_in_a_spreadsheet(show):
    result = fake_benchmark(6)
    layers = [replace(result.layer_table[0], source='=HYPERLINK("x")'), *result.layer_table[1:]]
    explorer = LayerExplorer(replace(result, layer_table=tuple(layers)))
    name, content = saved(show(explorer), "Save the table as CSV")
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert name == "layers-virtual_net.csv"
    assert [float(row["mean_ms"]) for row in rows] == pytest.approx(list(explorer.frame().mean_ms), abs=1e-6)
    assert rows[0]["layer"] == '\'=HYPERLINK("x")'
    assert rows[0]["macs"] == "", "what is not known is no zero"


def test_png_is_a_picture_of_every_row_or_of_what_is_in_sight_of_thousands(known, show):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    heights = []
    for explorer in (known, LayerExplorer(fake_benchmark(5000))):
        name, content = saved(show(explorer), "Save the waterfall as PNG")
        assert name.endswith(".png")
        picture = image.open(io.BytesIO(content))
        heights.append(picture.height)
        assert len(picture.convert("RGB").resize((200, 200)).getcolors(40000)) > 20
    assert heights[0] > 66 * 18
    assert heights[1] < 1000


def test_thousands_of_layers_are_a_few_rows_in_the_page_and_a_canvas_of_its_own_size(show):
    page = show(LayerExplorer(fake_benchmark(5000)))
    page.get_by_role("grid", name="Layers").press("End")
    assert page.evaluate("() => model.state.selected") == 4999
    assert page.locator(".embedl-rows [role=row]").count() < 40
    assert page.locator(".embedl-waterfall canvas").bounding_box()["height"] < 400
    page.wait_for_function("() => document.querySelector('.embedl-waterfall').scrollTop > 80000")


def test_markup_in_a_layers_name_is_shown_as_it_is(known, show):
    page = show(known)
    page.get_by_role("row").filter(has_text="<img src=x onerror=alert(1)>").click()
    assert page.locator(".embedl-widget img").count() == 0
    assert "<img src=x" in page.locator(".embedl-layer-details").inner_text()


def test_two_views_of_one_explorer_agree(known, show):
    page = show(known, num_views=2)
    left, right = page.locator(".view").nth(0), page.locator(".view").nth(1)
    left.get_by_role("row").filter(has_text="features.0.conv.2").click()
    right.locator(".embedl-rows [aria-selected=true]").filter(has_text="features.0.conv.2").wait_for()
    right.get_by_label("Metric").select_option("error")
    page.wait_for_function("() => document.querySelectorAll('.embedl-metric select')[0].value === 'error'")


def test_axe_finds_no_serious_violation_in_any_theme_at_any_zoom(known, pair, show):
    pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")
    found: list[str] = []
    for explorer, is_dark, width in ((known, False, 1100), (pair, True, 550)):
        page = show(explorer, is_dark=is_dark)
        page.set_viewport_size({"width": width, "height": 760})
        page.get_by_role("grid", name="Layers").press("ArrowDown")
        found += serious_violations(page, ".embedl-widget")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "nobody scrolls sideways"
        heads = page.get_by_role("columnheader").all_inner_texts()
        assert any(head.startswith(("Time", "Change")) for head in heads), "what matters most is never left out"
    assert found == []


def test_layers_are_walked_and_compared_in_jupyterlab(
    open_notebook: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.mktemp("explorer") / "explorer.ipynb"
    sources = (_SETUP, "explorer = enb.LayerExplorer(before, after)\nexplorer")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)
    with open_notebook(path, size=(1280, 1000)) as lab:
        lab.run_all(timeout_s=120)
        explorer = lab.page.locator(".embedl-widget")
        explorer.get_by_role("columnheader", name="Change").get_by_role("button").click()
        explorer.get_by_role("grid", name="Layers").focus()
        lab.page.keyboard.press("ArrowDown")
        lab.page.keyboard.press("ArrowDown")
        lab.screenshot("layer_explorer")
        selected = (
            "explorer.frame().name[explorer.selected] in explorer.frame().nsmallest(2, 'mean_ms_change').name.values"
        )
        assert lab.run_cell(selected).locator(".jp-OutputArea-output").last.inner_text() == "True"
        lab.use_theme("JupyterLab Dark")
        lab.page.locator("#jupyterlab-splash").wait_for(state="detached")
        explorer.get_by_label("Metric").select_option("unit")
        lab.screenshot("layer_explorer_dark")
        assert serious_violations(lab.page, ".embedl-widget") == []
        lab.page.set_viewport_size({"width": 640, "height": 500})
        lab.scroll_to(explorer)
        lab.page.wait_for_function("() => document.querySelector('.embedl-grid').ariaColCount < 7")
        lab.screenshot("layer_explorer_zoomed")
        lab.page.set_viewport_size({"width": 1280, "height": 1000})
        lab.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        lab.page.reload()
        explorer.locator(".embedl-layer-details dl").wait_for()
        assert explorer.get_by_label("Metric").input_value() == "unit"
