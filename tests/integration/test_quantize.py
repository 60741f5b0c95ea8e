"""The whole verb on a small network: what comes back, what is said of it, what goes on after an interruption."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedl_nb as enb
from embedl_nb import cache
from embedl_nb.errors import CalibrationError, EmbedlWarning, InputError, QuantizeError, UnknownNameError
from embedl_nb.quantizer import auto
from embedl_nb.quantizer.workshop import Workshop
from embedl_nb.testing import models

pytestmark = [pytest.mark.torch, pytest.mark.litert, pytest.mark.filterwarnings("ignore::embedl_nb.EmbedlWarning")]

SIZE = 12


@pytest.fixture(scope="module")
def net() -> Any:
    """Compile a small image classifier whose channels have uneven ranges."""
    import torch

    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.ReLU6(),
        torch.nn.Conv2d(8, 8, 3, padding=1, groups=8),
        torch.nn.ReLU6(),
        torch.nn.Conv2d(8, 12, 1),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 5),
    )
    with torch.no_grad():
        layers[0].weight *= torch.logspace(-1.5, 1, 8).reshape(8, 1, 1, 1)
    return enb.compile(layers.eval(), torch.randn(1, 3, SIZE, SIZE), name="net")


@pytest.fixture(scope="module")
def samples() -> Any:
    """Return 60 samples with as much structure as pictures have: smooth, and each its own brightness."""
    random = np.random.default_rng(0)
    rough = random.normal(size=(60, 3, 3, 3)) + random.normal(size=(60, 3, 1, 1))
    return np.kron(rough, np.ones((1, 1, SIZE // 3, SIZE // 3))).astype(np.float32)


@pytest.fixture(autouse=True)
def _no_stopwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing here depend on how busy the machine is; the check itself has tests of its own."""
    from embedl_nb.model.fidelity_rows import LatencyCheck
    from embedl_nb.quantizer import quantize

    monkeypatch.setattr(
        quantize, "check_latency", lambda *_, **__: LatencyCheck(float_p50_ms=2.0, quantized_p50_ms=1.0)
    )


@pytest.mark.parametrize(
    ("recipe", "precision"),
    [
        ("int8", "w8a8"),
        ("static_wi8_ai16", "w8a16"),
        ("dynamic_wi8_afp32", "w8af32"),
        ("weight_only_wi8_afp32", "w8af32"),
        ("fp16", "wf16af32"),
    ],
)
def test_a_named_recipe_gives_its_precision_and_a_fidelity(net, samples, recipe, precision):
    small = enb.quantize(net, samples, recipe=recipe, num_samples=20)
    assert small.fidelity.layers
    assert small.fidelity.num_samples == 20
    assert small.fidelity.is_held_out
    assert small.fidelity.outputs[0].name == net.signatures[0].outputs[0].name
    assert precision.split("a")[0] in small.precision
    assert small.lineage[:-1] == net.lineage


def test_auto_is_nearer_to_float_than_the_librarys_own_and_all_integer(net, samples):
    plain = enb.quantize(net, samples, recipe="int8", num_samples=40)
    best = enb.quantize(net, samples, num_samples=40)
    assert best.fidelity.sqnr_db > plain.fidelity.sqnr_db + 1
    assert best.fidelity.num_float_operators == 0
    assert best.precision == plain.precision == "w8a8"
    assert best.fidelity.recipe["name"] == "auto"


def test_fitted_weights_need_no_bias_to_be_near(net, samples):
    base = enb.quantize(net, samples, recipe="int8", num_samples=40)
    fitted = base.fidelity.recipe | {"name": "fitted", "rounding": "least_squares"}
    assert enb.quantize(net, samples, recipe=fitted).fidelity.sqnr_db > base.fidelity.sqnr_db


def test_a_file_that_crashes_the_runtime_is_an_error_with_a_way_out():
    import torch

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            scores = self.dense(x)
            return scores, scores.argmax(-1)

    torch.manual_seed(0)
    both = enb.compile(Both().eval(), torch.randn(1, 4), name="both")
    data = np.random.default_rng(0).normal(size=(40, 4))
    with pytest.raises(QuantizeError, match="LiteRT crashes on what became of both"):
        enb.quantize(both, data, recipe="int8", num_samples=16)


def test_the_resolved_recipe_makes_the_same_file_again(net, samples, empty_home):
    best = enb.quantize(net, samples, num_samples=40, effort="light")
    cache.clear()
    again = enb.quantize(net, samples, recipe=best.fidelity.recipe)
    assert again.sha256 == best.sha256


def test_a_recorded_model_comes_back_with_its_fidelity(net, samples):
    small = enb.quantize(net, samples, recipe="int8", num_samples=20)
    loaded = enb.load(small.run_id)
    assert loaded.fidelity == small.fidelity
    assert loaded.sha256 == small.sha256


def test_what_the_samples_showed_of_each_activation_is_kept(net, samples):
    fidelity = enb.load(enb.quantize(net, samples, recipe="int8", num_samples=20).run_id).fidelity
    frame = fidelity.calibration_frame()
    assert {"tensor", "min", "max", "min_sample", "max_sample", "is_outlier"} <= set(frame)
    assert frame["max_sample"].between(0, 19).all()
    assert fidelity.calibration_sentence.startswith("20 samples")
    with pytest.raises(InputError, match="nothing was calibrated"):
        enb.quantize(net, recipe="dynamic").fidelity.calibration_frame()


def test_its_outputs_are_checked_against_what_it_gave_here(net, samples):
    small = enb.quantize(net, samples, recipe="int8", num_samples=20)
    result = enb.benchmark(small, processes=1, iterations=2, warmup=0, profile=False)
    assert str(result.outputs.state) == "match"
    assert "what it gave when it was quantized" in result.outputs.sentence


def test_a_target_keeps_operators_in_float_and_draws_the_curve(net, samples):
    plain = enb.quantize(net, samples, recipe="int8", num_samples=40)
    target = plain.fidelity.sqnr_db + 3
    mixed = enb.quantize(net, samples, recipe="int8", num_samples=40, min_sqnr_db=target)
    assert mixed.fidelity.sqnr_db >= target
    assert 0 < mixed.fidelity.num_float_operators < mixed.fidelity.num_operators
    (chosen,) = [point for point in mixed.fidelity.curve if point.is_chosen]
    assert chosen.num_float_operators == mixed.fidelity.num_float_operators
    assert mixed.fidelity.tradeoff().data


def test_a_target_out_of_reach_is_said_aloud(net, samples):
    mixed = enb.quantize(net, samples, recipe="int8", num_samples=40, min_sqnr_db=500)
    assert any("no mix of float and quantized operators gives at least 500 dB" in note for note in mixed.notes)


def test_the_callers_metric_limits_the_drop(net, samples):
    reference = net(samples[:20])
    (name,) = reference

    def near(model: Any) -> Any:
        return 1 - np.abs(model(samples[:20])[name] - reference[name]).max(axis=1)

    plain = enb.quantize(net, samples, recipe="int8", num_samples=40, evaluate=near)
    assert plain.fidelity.evaluation.float_score == 1
    limit = plain.fidelity.evaluation.drop / 2
    mixed = enb.quantize(net, samples, recipe="int8", num_samples=40, evaluate=near, max_degradation=limit)
    assert mixed.fidelity.evaluation.drop <= limit
    assert mixed.fidelity.evaluation.drop_ci95 is not None


def test_random_data_is_said_in_the_headline(net):
    with pytest.warns(EmbedlWarning, match="random"):
        small = enb.quantize(net, "random", recipe="int8", num_samples=8)
    assert "random" in str(small).splitlines()[0]


def test_a_static_recipe_without_data_is_refused(net):
    for recipe in ("auto", "int8"):
        with pytest.raises(CalibrationError, match="there is no data for net") as caught:
            enb.quantize(net, recipe=recipe)
        assert 'data="random"' in caught.value.hint


def test_a_recipe_without_calibration_is_not_said_to_be_calibrated_with_the_data_it_is_judged_on(net, samples):
    fidelity = enb.quantize(net, samples, recipe="dynamic").fidelity
    assert fidelity.num_calibration_samples == 0
    assert "calibrated" not in fidelity.recipe_sentence


def test_a_dynamic_recipe_needs_no_data_and_is_judged_all_the_same(net):
    small = enb.quantize(net, recipe="dynamic")
    assert small.fidelity.num_samples >= 1
    assert small.fidelity.num_calibration_samples == 0


def test_a_quantized_model_is_refused(net, samples):
    small = enb.quantize(net, samples, recipe="int8", num_samples=20)
    with pytest.raises(QuantizeError, match="w8a8"):
        enb.quantize(small, samples)


def test_a_metric_that_raises_is_told_apart_from_errors_of_the_quantizer(net, samples):
    def broken(model: Any) -> float:
        raise ZeroDivisionError("nothing to divide")

    with pytest.raises(InputError, match=r"broken .*raised ZeroDivisionError on the float model") as caught:
        enb.quantize(net, samples, recipe="int8", num_samples=20, evaluate=broken)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("num_samples", 0, InputError),
        ("seed", -1, InputError),
        ("effort", "huge", UnknownNameError),
        ("evaluate", 3, InputError),
        ("max_degradation", 0.1, InputError),
        ("min_sqnr_db", float("nan"), InputError),
        ("name", " ", InputError),
    ],
)
def test_an_option_that_cannot_be_meant_is_named(net, samples, option, value, error):
    with pytest.raises(error, match=option):
        enb.quantize(net, samples, **{option: value})


def test_an_interrupted_search_goes_on_where_it_stopped(net, samples, empty_home, monkeypatch):
    made: list[str] = []
    make = Workshop._make

    def counted(self: Workshop, recipe: Any, key: str) -> Any:
        if len(made) == 2:
            made.append("interrupted")
            raise KeyboardInterrupt
        made.append(recipe.sentence)
        return make(self, recipe, key)

    monkeypatch.setattr(Workshop, "_make", counted)
    with pytest.raises(KeyboardInterrupt):
        enb.quantize(net, samples, num_samples=40)
    before = made[:2]
    made.append("again")
    enb.quantize(net, samples, num_samples=40)
    assert not set(before) & set(made[4:])


def test_two_signatures_are_calibrated_and_judged_each(tmp_path):
    path = models.write(tmp_path, models.two_signatures())
    random = np.random.default_rng(0)
    data = {
        key: (random.normal(size=(30, 8)) * scale).astype(np.float32) for key, scale in (("first", 1), ("second", 9))
    }
    small = enb.quantize(path, data, recipe="int8", num_samples=20)
    assert [output.name.split("/")[0] for output in small.fidelity.outputs] == ["first", "second"]
    assert small.fidelity.num_calibration_samples == 40
    with pytest.raises(CalibrationError, match="no data for signature 'second'"):
        enb.quantize(path, {"first": data["first"]}, recipe="int8")
    with pytest.raises(CalibrationError, match="has the signatures first, second"):
        enb.quantize(path, data["first"], recipe="int8")


def test_sensitivity_ranks_every_operator(net, samples):
    found = enb.sensitivity(net, samples, num_samples=20)
    frame = found.frame()
    assert len(frame) == enb.quantize(net, samples, recipe="int8", num_samples=20).fidelity.num_operators
    assert list(frame["alone_sqnr_db"]) == sorted(frame["alone_sqnr_db"])


def test_a_result_below_the_floor_is_warned_of(net, samples, monkeypatch):
    from embedl_nb.model import fidelity

    monkeypatch.setattr(fidelity, "LEAST_SQNR_DB", 1000.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small = enb.quantize(net, samples, recipe="int8", num_samples=20)
    assert any("dB" in str(each.message) for each in caught)
    assert any("dB" in sentence for sentence in small.fidelity.warnings)


def test_every_effort_begins_with_the_plain_recipe(tmp_path: Path):
    from embedl_nb.quantizer.options import Effort
    from embedl_nb.quantizer.recipes import resolve_recipe

    base = resolve_recipe("int8")
    ladders = [auto._candidates(base, effort) for effort in Effort]
    assert all(ladder[0] == base for ladder in ladders)
    assert [len(ladder) for ladder in ladders] == sorted(len(ladder) for ladder in ladders)
