"""Models that really run: called, cut, patched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedl_nb.errors import SignatureMismatchError, UnsupportedOperatorError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.likeness import sqnr_db
from embedl_nb.model.slicer import slice_operators
from embedl_nb.model.writer import replace_constants
from embedl_nb.runtime import running
from embedl_nb.runtime.pool import close_all
from embedl_nb.testing import models

pytestmark = pytest.mark.litert


@pytest.fixture
def make(tmp_path: Path) -> Callable[[bytes], LiteRTModel]:
    return lambda data: LiteRTModel.open(models.write(tmp_path, data))


def test_a_model_is_called_by_position_and_by_name(make: Callable[[bytes], LiteRTModel]) -> None:
    model = make(models.two_outputs())
    a, b = np.full((1, 4), 3, np.float32), np.full((1, 4), 2, np.float32)

    for outputs in (model(a, b), model(b=b, a=a), model(a, b=b, signature_key="serving_default")):
        assert {name: float(value[0, 0]) for name, value in outputs.items()} == {"sum": 5.0, "product": 6.0}
        assert list(outputs) == ["sum", "product"]


def test_a_call_leaves_no_file_behind(make: Callable[[bytes], LiteRTModel], monkeypatch: pytest.MonkeyPatch) -> None:
    model, taken = make(models.add()), []
    take = running.take_arrays
    monkeypatch.setattr(running, "take_arrays", lambda path: (taken.append(path), take(path))[1])
    model(np.ones((1, 4), np.float32), np.ones((1, 4), np.float32))
    assert len(taken) == 1
    assert not Path(taken[0]).exists()


def test_a_model_without_a_signature_is_called(make: Callable[[bytes], LiteRTModel]) -> None:
    builder = models.ModelBuilder()
    x = builder.input("x", (1, 4))
    y = builder.operator("ABS", [x], builder.tensor("y", (1, 4)))
    model = make(builder.build({"y": y}, signature_key=None))

    assert model(np.full((1, 4), -2, np.float32))["y"].tolist() == [[2, 2, 2, 2]]


def test_a_model_with_a_varying_dimension_is_called_at_several_sizes(make: Callable[[bytes], LiteRTModel]) -> None:
    builder = models.ModelBuilder()
    x = builder.input("x", (-1, 4))
    y = builder.operator("ABS", [x], builder.tensor("y", (-1, 4)))
    model = make(builder.build({"y": y}))

    for rows in (3, 1, 5):
        assert model(np.ones((rows, 4), np.float32))["y"].shape == (rows, 4)


def test_a_quantized_model_takes_and_returns_real_values(make: Callable[[bytes], LiteRTModel]) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (1, 8)).astype(np.float32)
    expected = make(models.fully_connected())(x)["y"]
    model = make(models.quantized_fully_connected())
    real = model(x)["y"]
    raw = model(np.rint(x / (4 / 127) + 3).astype(np.int8), raw=True)["y"]

    assert real.dtype == np.float32
    # 8 bits over a range that is 4 times what is used.
    assert sqnr_db(expected, real) > 20
    assert raw.dtype == np.int8
    np.testing.assert_allclose((raw.astype(float) + 5) * (16 / 127), real, rtol=1e-6)


def test_wrong_inputs_do_not_reach_the_runtime(make: Callable[[bytes], LiteRTModel]) -> None:
    with pytest.raises(SignatureMismatchError, match="input b is missing"):
        make(models.add())(np.ones((1, 4), np.float32))


def test_a_model_that_the_runtime_refuses_names_the_operator(make: Callable[[bytes], LiteRTModel]) -> None:
    with pytest.raises(UnsupportedOperatorError, match="STABLEHLO_SORT"):
        make(models.unsupported_operator())(np.ones((1, 4), np.float32))


def test_a_patched_constant_is_what_runs(make: Callable[[bytes], LiteRTModel]) -> None:
    x = np.ones((1, 8), np.float32)
    patched = replace_constants(models.fully_connected(), {1: np.ones((4, 8), np.float32), 2: np.zeros(4, np.float32)})
    assert make(patched)(x)["y"].tolist() == [[8, 8, 8, 8]]


@pytest.mark.parametrize("data", [models.conv_relu(), models.quantized_fully_connected(), models.composite()])
def test_a_slice_of_everything_computes_the_same(make: Callable[[bytes], LiteRTModel], data: bytes) -> None:
    whole = make(data)
    (spec,) = whole.signatures[0].inputs
    x = np.random.default_rng(0).normal(size=spec.shape).astype(np.float32)
    expected = next(iter(whole(x).values()))

    (got,) = make(slice_operators(data, 0).data)(x).values()
    np.testing.assert_array_equal(got, expected)


def test_slices_one_after_the_other_compute_the_whole(make: Callable[[bytes], LiteRTModel]) -> None:
    data = models.chain(6)
    x = np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 16)
    expected = make(data)(x)["y"]

    value = x
    for first, last in ((0, 1), (2, 2), (3, 5)):
        value = make(slice_operators(data, first, last).data)(value)["output_0"]
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_a_call_leaves_no_file_of_outputs_behind(
    make: Callable[[bytes], LiteRTModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_all()  # the next worker gets the folder below
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)

    make(models.add())(*(np.ones(spec.shape, np.float32) for spec in make(models.add()).signatures[0].inputs))

    close_all()
    assert not list(folder.glob("embedl_nb-*"))


def test_a_model_file_whose_name_is_no_utf_8_runs(tmp_path: Path) -> None:
    path = tmp_path / "model-\udcff.tflite"
    try:
        path.write_bytes(models.add())
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    model = LiteRTModel.open(path)

    assert model(*(np.ones(spec.shape, np.float32) for spec in model.signatures[0].inputs))


def test_many_samples_in_one_call_are_the_same_as_one_by_one(
    make: Callable[[bytes], LiteRTModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (7, 8)).astype(np.float32)
    for content in (models.fully_connected(), models.quantized_fully_connected()):
        model = make(content)
        singly = np.concatenate([model(row[None])["y"] for row in x])
        assert np.array_equal(model(x)["y"], singly)
        with monkeypatch.context() as patch:  # two samples at a time
            patch.setattr("embedl_nb.model.running._CHUNK_BYTES", 2 * x[0].nbytes)
            assert np.array_equal(model(x)["y"], singly)


def test_many_samples_do_not_hide_a_wrong_one(make: Callable[[bytes], LiteRTModel]) -> None:
    with pytest.raises(SignatureMismatchError, match="float64, expected float32"):
        make(models.fully_connected())(np.ones((3, 8)))
    with pytest.raises(SignatureMismatchError, match=r"shape \(3, 9\)"):
        make(models.fully_connected())(np.ones((3, 9), np.float32))
