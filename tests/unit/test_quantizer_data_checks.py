"""What is said of the values: dtype, NaN, constants, range, layout, duplicates, tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import CalibrationError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.evidence import compare_outputs
from embedl_nb.model.schema import schema
from embedl_nb.quantizer.data import DataReport, read_data
from embedl_nb.runtime.arrays import save_arrays
from embedl_nb.testing import models

Array = np.ndarray[Any, Any]


@pytest.fixture
def model(tmp_path: Path) -> LiteRTModel:
    """Input ``image`` (1, 8, 8, 3)."""
    return LiteRTModel.open(models.write(tmp_path, models.conv_relu()))


def pictures(count: int = 8) -> Array:
    return np.random.default_rng(0).standard_normal((count, 8, 8, 3)).astype(np.float32)


def report_on(data: Any, model: LiteRTModel, **options: Any) -> DataReport:
    with read_data(data, model, **options) as read:
        return read.report


def verified(model: LiteRTModel, sample: Array, folder: Path, *, source: str = "given") -> LiteRTModel:
    """Return the model as if it had been compiled and compared with this sample."""
    save_arrays(folder / "samples.npz", {"0/image": sample.astype(np.float32)})
    outputs = [{"features": np.ones(3)}]
    parity = compare_outputs(outputs, outputs, sample_source=source)
    return replace(model, samples_path=folder / "samples.npz", parity=parity)


def test_numbers_of_the_calibration_samples_are_those_of_numpy(model: LiteRTModel) -> None:
    data = pictures(12)
    with read_data(data, model) as read:
        used = np.concatenate([sample["image"] for sample in read.calibration()]).astype(np.float64)
        found = read.report.inputs[0]

    assert (found.minimum, found.maximum) == (used.min(), used.max())
    assert found.mean == pytest.approx(used.mean(), rel=1e-12)
    assert found.std == pytest.approx(used.std(), rel=1e-12)
    number = int(found.maximum_sample.removeprefix("sample "))
    assert data[number].max() == used.max()


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((5, 3, 8, 8), "array.transpose(0, 2, 3, 1)"),
        ((5, 1, 3, 8, 8), "array.transpose(0, 1, 3, 4, 2)"),
        ((3, 8, 8), "array.transpose(1, 2, 0)"),
        ((5, 192), "array.reshape(-1, 8, 8, 3)"),
        ((5, 16, 16, 3), "resize it"),
        ((5, 8, 8), "(N, 8, 8, 3)"),
        ((), "(N, 8, 8, 3)"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused_with_what_would_mend_it(
    model: LiteRTModel, shape: tuple[int, ...], hint: str
) -> None:
    with pytest.raises(CalibrationError, match="input 'image' has shape") as caught:
        read_data(np.zeros(shape, np.float32), model)
    assert hint in caught.value.hint


def test_the_proposed_transpose_is_taken(model: LiteRTModel) -> None:
    channels_first = pictures().transpose(0, 3, 1, 2)

    with pytest.raises(CalibrationError):
        read_data(channels_first, model)
    assert report_on(channels_first.transpose(0, 2, 3, 1), model).num_samples == 6


def test_doubles_are_cast_and_said(model: LiteRTModel) -> None:
    report = report_on(pictures().astype(np.float64), model)

    assert "input 'image' was given as float64 and cast to float32" in report.notices
    assert not report.warnings


def test_python_numbers_are_no_doubles(model: LiteRTModel) -> None:
    assert not any("cast" in notice for notice in report_on(pictures().tolist(), model).notices)


def test_bytes_for_floats_are_cast_with_a_warning_that_names_their_range(model: LiteRTModel) -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3))

    report = report_on(values.astype(np.uint8), model)

    assert report.warnings == (
        "input 'image' was given as uint8 and cast to float32 without scaling: its values span 0..255",
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_with_nan_or_infinity_are_all_named(model: LiteRTModel, value: float) -> None:
    data = pictures(30)
    data[3, 0, 0, 0] = data[17, 4, 4, 1] = value

    with pytest.raises(CalibrationError, match=r"2 inputs hold NaN or infinity: sample 3 \(.*sample 17 \(image: "):
        read_data(data, model)


def test_doubles_beyond_single_precision_are_refused(model: LiteRTModel) -> None:
    with pytest.raises(CalibrationError, match="holds values that float32 cannot hold"):
        read_data(pictures().astype(np.float64) * 1e300, model)


def test_constant_samples_are_named(model: LiteRTModel) -> None:
    data = pictures()
    data[5] = 1.5

    assert "input 'image' is constant in 1 of 8 samples: sample 5" in report_on(data, model).notices


def test_data_that_is_constant_throughout_is_warned_of(model: LiteRTModel) -> None:
    report = report_on(np.zeros((8, 8, 8, 3), np.float32), model)

    assert "input 'image' is constant in every sample: nothing can be learnt from it" in report.warnings


def test_bytes_where_fractions_were_meant_are_warned_of(model: LiteRTModel, tmp_path: Path) -> None:
    known = verified(model, np.linspace(0, 1, 192).reshape(1, 8, 8, 3), tmp_path)
    data = np.abs(pictures()) / np.abs(pictures()).max()

    (warning,) = report_on(data * 255, known).warnings
    assert "spans 0." in warning
    assert "255 times larger than what the model expects: the model was verified with 0..1" in warning
    assert not report_on(data, known).warnings


def test_fractions_where_bytes_were_meant_are_warned_of(model: LiteRTModel, tmp_path: Path) -> None:
    known = verified(model, np.linspace(0, 255, 192).reshape(1, 8, 8, 3), tmp_path)

    assert "times smaller than what the model expects" in report_on(pictures() / 5, known).warnings[0]


def test_a_mean_that_was_not_subtracted_is_warned_of(model: LiteRTModel, tmp_path: Path) -> None:
    sample = np.linspace(-2.1, 2.6, 192).reshape(1, 8, 8, 3)
    data = np.abs(pictures())

    (warning,) = report_on(data, verified(model, sample, tmp_path)).warnings
    assert "never below 0, and the model was verified with -2.1..2.6" in warning
    assert not report_on(data, verified(model, sample, tmp_path, source="synthetic")).warnings


def test_lost_parity_samples_are_said(model: LiteRTModel, tmp_path: Path) -> None:
    report = report_on(pictures(), replace(model, samples_path=tmp_path / "gone.npz"))

    assert any("are gone" in notice for notice in report.notices)


def test_held_out_samples_that_also_calibrate_are_counted(model: LiteRTModel) -> None:
    report = report_on(np.concatenate([pictures(10)] * 2), model, num_samples=10)

    assert report.num_duplicates > 0
    assert any("equal to a calibration sample" in warning for warning in report.warnings)


def test_repeated_calibration_samples_are_counted(model: LiteRTModel) -> None:
    stream = [pictures(1)[0]] * 3 + [pictures(2)[1]]

    report = report_on(iter(stream), model)

    assert "2 of the 3 calibration samples repeat another one" in report.notices
    assert report.num_duplicates == 0


def embedding(folder: Path, *, through_cast: bool) -> LiteRTModel:
    """Input ``ids`` (1, 4), int32 or int64, picks from a table of 10 rows."""
    builder = models.ModelBuilder()
    ids = builder.input("ids", (1, 4), "int64" if through_cast else "int32")
    table = builder.constant("table", np.ones((10, 3), np.float32))
    if through_cast:
        ids = builder.operator("CAST", [ids], builder.tensor("ids32", (1, 4), "int32"), options=schema().CastOptionsT())
    y = builder.operator("GATHER", [table, ids], builder.tensor("y", (1, 4, 3)), options=schema().GatherOptionsT())
    return LiteRTModel.open(models.write(folder, builder.build({"y": y})))


@pytest.mark.parametrize("through_cast", [False, True])
def test_indices_outside_of_their_table_are_refused(tmp_path: Path, through_cast: bool) -> None:
    model = embedding(tmp_path, through_cast=through_cast)
    ids = np.arange(40).reshape(10, 4) % 10

    assert report_on(ids, model).num_samples == 8
    with pytest.raises(CalibrationError, match=r"'ids' holds \d+\.\.10, and the model's table has 10 rows"):
        read_data(ids + 1, model)
    with pytest.raises(CalibrationError, match=r"holds -1\.\."):
        read_data(ids - 1, model)


def test_random_indices_use_the_whole_table(tmp_path: Path) -> None:
    with read_data("random", embedding(tmp_path, through_cast=True), num_samples=50) as data:
        ids = np.concatenate([sample["ids"] for sample in data.calibration()])

    assert (ids.min(), ids.max()) == (0, 9)


def test_fractions_for_integers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="'ids' is float32, expected int64"):
        read_data(np.zeros((4, 4), np.float32), embedding(tmp_path, through_cast=True))


def test_integers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"which int32 cannot hold"):
        read_data(np.full((4, 4), 2**40), embedding(tmp_path, through_cast=False))
