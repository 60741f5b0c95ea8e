"""Samples in the dtypes of the compiled model, and the verdict on its outputs."""

from __future__ import annotations

import numpy as np
import pytest

from embedl_nb.compiler.verify import require_parity, typed_samples
from embedl_nb.errors import ParityError, SignatureMismatchError
from embedl_nb.model import Signature, TensorSpec
from embedl_nb.model.evidence import SampleSource
from embedl_nb.model.spec import Quantization

GIVEN = SampleSource.GIVEN

SIGNATURE = Signature(
    key="serving_default",
    inputs=(TensorSpec(name="ids", shape=(2,), dtype="int32"), TensorSpec(name="x", shape=(2,), dtype="float32")),
    outputs=(TensorSpec(name="y", shape=(2,), dtype="float32"),),
)


def test_64_bit_samples_become_32_bit_and_that_is_said() -> None:
    x = np.array([1, 2], np.float32)
    typed = typed_samples(SIGNATURE, {"0/ids": np.array([1, 2]), "0/x": x}, {"0/y": np.array([1.0, 2.0])})
    assert typed.inputs["0/ids"].dtype == np.int32
    assert typed.inputs["0/x"] is x
    assert typed.golden["0/y"].dtype == np.float32
    assert [note.split(" is")[0] for note in typed.notes] == ["input 'ids'", "output 'y'"]


def test_an_integer_that_does_not_fit_is_named() -> None:
    with pytest.raises(SignatureMismatchError, match=r"input 'ids' holds 4294967296, which int32"):
        typed_samples(SIGNATURE, {"0/ids": np.array([0, 2**32])}, {})


def test_a_wrong_result_comes_with_its_figures() -> None:
    golden = {"0/y": np.array([1.0, 2.0], np.float32), "0/z": np.array([1.0], np.float32)}
    with pytest.raises(ParityError, match=r"net compiled, but the result is not equal .*y: SQNR") as caught:
        require_parity("net", golden, golden | {"0/y": np.array([1.0, 3.0], np.float32)}, sample_source=GIVEN)
    assert [line.split(":")[0] for line in caught.value.details.splitlines()] == ["y", "z"]


def test_every_sample_counts() -> None:
    golden = {f"{index}/y": np.array([1.0], np.float32) for index in range(12)}
    assert require_parity("net", golden, golden, sample_source=GIVEN).num_samples == 12
    with pytest.raises(ParityError):
        require_parity("net", golden, golden | {"11/y": np.array([2.0], np.float32)}, sample_source=GIVEN)


def test_samples_of_a_quantized_input_stay_real_and_that_it_takes_integers_is_said() -> None:
    scale = Quantization(scales=(0.5,), zero_points=(3,), axis=0)
    signature = Signature(
        key="",
        inputs=(TensorSpec(name="x", shape=(2,), dtype="int8", quantization=scale),),
        outputs=(TensorSpec(name="y", shape=(2,), dtype="int8", quantization=scale),),
    )
    x = np.array([0.25, -1.5], np.float32)
    typed = typed_samples(signature, {"0/x": x}, {"0/y": x})
    assert typed.inputs["0/x"] is x
    assert typed.golden["0/y"] is x
    assert typed.notes[0] == "input 'x' is float32 in the source and int8 in the compiled model"
