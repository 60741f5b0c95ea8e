"""The layer explorer's Python side: rows, what is known of them and why not, and what is left without a kernel."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb.analysis.layer_table import layer_table
from embedl_nb.errors import InputError
from embedl_nb.measure import Benchmark
from embedl_nb.model import LiteRTModel
from embedl_nb.pipeline import exploring
from embedl_nb.testing import models
from embedl_nb.testing.results import fake_benchmark, fake_fidelity
from embedl_nb.units import Provenance
from embedl_nb.widgets import LayerExplorer, base
from embedl_nb.widgets.cells import Execution


@pytest.fixture
def chain(tmp_path: Path) -> LiteRTModel:
    """Return a model of four operators, each of which reads and writes 16 floats."""
    return LiteRTModel.open(models.write(tmp_path, models.chain(4)))


def measured(model: LiteRTModel, groups: list[tuple[int, ...]], **changes: object) -> Benchmark:
    """Make up a benchmark of ``model`` whose layers cover these operators."""
    result = fake_benchmark(len(groups))
    layers = tuple(
        replace(layer, operator_indices=group, num_operators=len(group))
        for layer, group in zip(result.layer_table, groups, strict=True)
    )
    return replace(result, model_sha256=model.sha256, layer_table=layers, **changes)  # type: ignore[arg-type]


def quantized(chain: LiteRTModel) -> LiteRTModel:
    """Return the model with a fidelity that knows its third operator by its tensor, and its first by its place."""
    infos = list(chain.operators.itertuples())
    rows = fake_fidelity(2).layers
    known = (
        replace(rows[0], name="another", source=infos[0].source, operator=infos[0].operator, sqnr_db=20.0),
        replace(rows[1], name=infos[2].name, source="", operator=infos[2].operator, sqnr_db=float("inf")),
    )
    return replace(chain, fidelity=replace(fake_fidelity(0), layers=known))


def test_a_layer_moves_what_it_reads_and_writes_but_not_what_stays_inside(chain):
    table = layer_table(measured(chain, [(0,), (1, 2), (3,)]), models=[chain])
    assert [row.sides[0].facts.moved_bytes for row in table.rows if row.sides[0]] == [128, 128, 128]
    assert [row.sides[0].facts.macs for row in table.rows if row.sides[0]] == [0, 0, 0]
    fused = table.rows[1].sides[0]
    assert fused is not None
    assert fused.facts.operators == (
        "TANH #1: (1, 16) → (1, 16), float32",
        "TANH #2: (1, 16) → (1, 16), float32",
    )


def test_weights_are_moved_too_and_their_work_is_counted(tmp_path):
    model = LiteRTModel.open(models.write(tmp_path, models.fully_connected(num_inputs=8, num_outputs=4)))
    side = layer_table(measured(model, [(0,)]), models=[model]).rows[0].sides[0]
    assert side is not None
    assert side.facts.macs == 32
    assert side.facts.moved_bytes == model.operators.parameter_bytes[0] + 4 * (8 + 4)


def test_the_work_is_that_of_the_signature_that_was_measured(tmp_path):
    model = LiteRTModel.open(models.write(tmp_path, models.two_signatures()))
    macs = {
        key: layer_table(measured(model, [(0,)], signature_key=key), models=[model]).rows[0].sides[0].facts.macs
        for key in ("first", "second")
    }
    assert macs == {"first": 8 * 4, "second": 8 * 6}


def test_a_layer_that_could_not_be_mapped_has_no_figures_instead_of_zeros(chain):
    table = layer_table(measured(chain, [(0,), ()]), models=[chain])
    side = table.rows[1].sides[0]
    assert side is not None
    assert side.facts.macs is None
    assert side.facts.moved_bytes is None
    assert set(table.missing) == {"relative_error"}


def test_errors_of_quantizing_are_found_by_tensor_or_by_place(chain):
    model = quantized(chain)
    table = layer_table(measured(chain, [(0,), (1,), (2,), (3,)]), models=[model])
    errors = [side.facts.relative_error for row in table.rows for side in row.sides if side]
    assert errors == [pytest.approx(0.1), None, 0.0, None]
    assert table.missing == {}


def test_what_is_known_of_no_layer_has_its_reason(chain):
    result = measured(chain, [(0,), (1,)])
    assert "not at hand: give models=model" in layer_table(result).missing["macs"]
    assert "enb.quantize measures it" in layer_table(result, models=[chain]).missing["relative_error"]
    other = replace(chain, fidelity=fake_fidelity(3))
    assert "is one of those" in layer_table(result, models=[other]).missing["relative_error"]
    assert (
        "were not compared"
        in (layer_table(result, models=[replace(chain, fidelity=fake_fidelity(0))]).missing["relative_error"])
    )


def test_the_model_of_a_recorded_result_is_found_by_itself(chain, monkeypatch):
    monkeypatch.setattr(exploring, "_kept_model", {chain.sha256: chain}.get)
    result = measured(chain, [(0,), (1,)])
    assert set(exploring.layers_of(replace(result, run_id="a")).missing) == {"relative_error"}
    assert "macs" in exploring.layers_of(result).missing


def test_two_results_have_the_rows_and_changes_of_their_layer_diff():
    first, second = fake_benchmark(20, seed=1), fake_benchmark(20, seed=2, p50_ms=5.0)
    second = replace(second, model_sha256="1" * 64, layer_table=second.layer_table[:-2])
    table = layer_table(first, second)
    frame = table.frame()
    assert frame.mean_ms_change.sum() == pytest.approx(table.totals_ms[1] - table.totals_ms[0])
    assert frame.macs_change.isna().all()
    gone = frame[frame.second_mean_ms.isna()]
    assert len(gone) == 2
    assert list(gone.mean_ms_change) == list(-gone.first_mean_ms), "a layer that is not there takes no time"


@pytest.mark.parametrize(
    ("change", "message"),
    [({"layer_table": ()}, "has no layers"), ({"provenance": Provenance.MEASURED}, "not compared")],
)
def test_results_that_cannot_be_shown_side_by_side_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        LayerExplorer(fake_benchmark(3), replace(fake_benchmark(3), **change))


def test_what_is_no_benchmark_and_a_model_that_was_not_measured_are_refused(chain):
    with pytest.raises(InputError, match="not of a str"):
        LayerExplorer("20261122-170401-3f9a")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="in none of these results"):
        LayerExplorer(fake_benchmark(3), models=chain)


def test_what_is_sent_is_plain_json_even_of_an_error_that_is_none(chain):
    explorer = LayerExplorer(measured(chain, [(0,), (1,), (2,), (3,)]), models=quantized(chain))
    json.dumps(explorer._layers, allow_nan=False)


def test_only_a_row_that_there_is_can_be_selected():
    explorer = LayerExplorer(fake_benchmark(3))
    explorer.selected = 2
    with pytest.raises(InputError, match="no layer 3"):
        explorer.selected = 3
    assert explorer.selected == 2
    explorer.selected = None


def test_a_row_that_a_page_sends_and_there_is_not_leaves_the_selection():
    explorer = LayerExplorer(fake_benchmark(3))
    explorer.selected = 1
    explorer.set_state({"selected": 99})
    assert (explorer.selected, explorer._error["message"]) == (1, "there is no layer 99")


def test_search_and_selection_survive_a_re_run_but_not_another_results_rows(monkeypatch):
    runs = iter(range(9))
    make: Callable[[int], LayerExplorer] = lambda seed: LayerExplorer(fake_benchmark(5, seed=seed))  # noqa: E731

    def run(seed: int) -> LayerExplorer:
        execution = Execution("cell", f"run {next(runs)}")
        monkeypatch.setattr(base, "current_execution", lambda: execution)
        return make(seed)

    first = run(1)
    first.selected, first._query = 3, {"search": "conv"}
    again = run(1)
    assert (again.selected, again._query) == (3, {"search": "conv"})
    other = run(2)
    assert (other.selected, other._query) == (None, {"search": "conv"})


def test_without_a_kernel_the_longest_layers_and_the_largest_changes_are_left():
    result = replace(fake_benchmark(30), model_name="<b>net</b>")
    bundle = LayerExplorer(result)._repr_mimebundle_()
    assert bundle is not None
    page = bundle[0]["text/html"]
    assert "Longest layers (15 of 30)" in page
    assert "&lt;b&gt;net" in page
    pair = repr(LayerExplorer(result, fake_benchmark(30, seed=3)))
    assert "Largest changes (15 of 31)" in pair
