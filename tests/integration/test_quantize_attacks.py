"""Hostile circumstances and careless options: quantize answers with one error, and never with another model."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedl_nb as enb
from embedl_nb import config
from embedl_nb.errors import EmbedlError, InputError, QuantizeError, RecipeError, UnknownNameError
from embedl_nb.model.fidelity_rows import LatencyCheck
from embedl_nb.model.writer import pack, unpack
from embedl_nb.quantizer import quantize as quantizing
from embedl_nb.runtime.process import Child
from embedl_nb.testing import models

pytestmark = [pytest.mark.litert, pytest.mark.filterwarnings("ignore::embedl_nb.EmbedlWarning")]


@pytest.fixture
def net(tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a dense layer, and let nothing depend on how busy the machine is."""
    check = LatencyCheck(float_p50_ms=2.0, quantized_p50_ms=1.0)
    monkeypatch.setattr(quantizing, "check_latency", lambda *_, **__: check)
    return models.write(tmp_path, models.fully_connected())


@pytest.fixture
def samples() -> Any:
    return np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)


def test_a_search_whose_child_is_killed_from_outside_returns_no_lesser_model(net, samples, monkeypatch):
    request = Child.request

    def killed(self: Child, command: str, payload: Any, **options: Any) -> Any:
        if command == "refine":
            self.kill()
        return request(self, command, payload, **options)

    monkeypatch.setattr(Child, "request", killed)
    with pytest.raises(QuantizeError, match="was killed from outside"):
        enb.quantize(net, samples, num_samples=20, effort="light")


def test_a_full_disk_for_temporary_files_is_one_error_with_a_hint(net, samples, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(quantizing, "meet_target", full)
    with pytest.raises(QuantizeError, match="No space left on device") as caught:
        enb.quantize(net, samples, recipe="int8", num_samples=20)
    assert "TMPDIR" in caught.value.hint


def test_a_cache_that_was_removed_meanwhile_is_made_again(net, samples, recwarn):
    enb.quantize(net, samples, recipe="int8", num_samples=20)
    shutil.rmtree(config.cache_dir())
    recwarn.clear()
    enb.quantize(net, samples, recipe="int16", num_samples=20)
    assert not [warning for warning in recwarn if "not kept in the cache" in str(warning.message)]


@pytest.mark.parametrize("num_samples", [np.int64(8), np.int32(8)])
def test_numpy_whole_numbers_are_whole_numbers(net, samples, num_samples):
    small = enb.quantize(net, samples, recipe="int8", num_samples=num_samples, seed=np.int64(1))
    assert small.fidelity.num_calibration_samples == 8
    assert type(small.fidelity.recipe["seed"]) is int


@pytest.mark.parametrize("option", [{"min_sqnr_db": np.inf}, {"min_sqnr_db": -np.inf}, {"max_degradation": np.inf}])
def test_a_limit_without_end_is_refused_before_any_work(net, option):
    with pytest.raises(InputError, match=next(iter(option))):
        enb.quantize(net, 5, evaluate=lambda _: 1.0, **option)


@pytest.mark.parametrize("device", [None, 5, "", "pixel"])
def test_a_device_that_is_no_address_is_refused_before_any_work(net, device):
    with pytest.raises(EmbedlError, match="device="):
        enb.quantize(net, 5, device=device)


@pytest.mark.parametrize("overrides", ["CONV_2D", ["CONV_2D"], {5: "float"}])
def test_overrides_that_are_no_dict_of_names_are_named(net, samples, overrides):
    with pytest.raises(InputError, match="overrides"):
        enb.quantize(net, samples, overrides=overrides)


def test_an_override_cannot_be_a_search(net, samples):
    with pytest.raises(RecipeError, match="auto"):
        enb.quantize(net, samples, recipe="int8", overrides={"FULLY_CONNECTED": "auto"})


def test_spaces_around_auto_mean_nothing(net, samples):
    small = enb.quantize(net, samples, recipe=" auto ", num_samples=20, effort="light")
    assert small.fidelity.recipe["name"] == "auto"


def test_a_recipe_of_another_model_that_keeps_unknown_operators_in_float_is_refused(net, samples):
    small = enb.quantize(net, samples, recipe="int8", num_samples=20)
    record = {**small.fidelity.recipe, "kept_float": ["elsewhere"]}
    with pytest.raises(UnknownNameError, match="elsewhere"):
        enb.quantize(net, samples, recipe=record)


@pytest.mark.parametrize("score", [10**400, 1j, [1j, 2.0]])
def test_a_metric_that_returns_no_real_number_is_named(net, samples, score):
    with pytest.raises(InputError, match="evaluate="):
        enb.quantize(net, samples, recipe="int8", num_samples=20, evaluate=lambda _: np.array(score)[()])


@pytest.mark.parametrize(
    "option", [{"by": "layer"}, {"by": None}, {"time_limit_s": "x"}, {"time_limit_s": -1}, {"time_limit_s": np.nan}]
)
def test_an_option_of_sensitivity_that_cannot_be_meant_is_named(net, samples, option):
    (value,) = option.values()
    with pytest.raises(EmbedlError, match=str(value)):
        enb.sensitivity(net, samples, **option)


def test_sensitivity_to_a_search_is_refused(net, samples):
    with pytest.raises(RecipeError, match="auto"):
        enb.sensitivity(net, samples, recipe="auto")


def test_a_model_with_an_open_size_is_quantized_and_timed_at_a_samples_size(tmp_path: Path, empty_home: Path) -> None:
    net = models.write(tmp_path, open_batch())
    data = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    quantized = enb.quantize(net, data, recipe="static_wi8_ai8", num_samples=20)
    assert quantized.signatures[0].inputs[0].shape == (-1, 8)
    assert quantized.fidelity is not None
    assert quantized.fidelity.latency is not None
    assert quantized.fidelity.latency.quantized_p50_ms > 0


def open_batch() -> bytes:
    """Return a dense layer whose first dimension is open."""
    model = unpack(models.fully_connected())
    for tensor in (model.subgraphs[0].tensors[0], model.subgraphs[0].tensors[-1]):
        tensor.shapeSignature = [-1, *tensor.shape[1:]]
    return pack(model)
