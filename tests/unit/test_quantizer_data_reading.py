"""What users have, read as samples: arrays, dicts, lists, generators, several inputs and signatures, made-up values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from embedl_nb import progress
from embedl_nb.errors import CalibrationError, InputError, UnknownNameError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack
from embedl_nb.quantizer.data import DataKind, DataReport, read_data
from embedl_nb.testing import models

Array = np.ndarray[Any, Any]


def opened(folder: Path, data: bytes) -> LiteRTModel:
    return LiteRTModel.open(models.write(folder, data))


@pytest.fixture
def vector(tmp_path: Path) -> LiteRTModel:
    """Input ``x`` (1, 8)."""
    return opened(tmp_path, models.fully_connected())


@pytest.fixture
def picture(tmp_path: Path) -> LiteRTModel:
    """Input ``image`` (1, 8, 8, 3)."""
    return opened(tmp_path, models.conv_relu())


@pytest.fixture
def pair(tmp_path: Path) -> LiteRTModel:
    """Inputs ``a`` and ``b`` (1, 4)."""
    return opened(tmp_path, models.add())


def rows(count: int, size: int = 8) -> Array:
    return np.random.default_rng(1).standard_normal((count, size)).astype(np.float32)


def first_values(samples: Iterator[dict[str, Array]], name: str = "x") -> list[float]:
    return [float(sample[name].flat[0]) for sample in samples]


def kept_values(data: Any, model: LiteRTModel, **options: Any) -> tuple[list[float], list[float], DataReport]:
    with read_data(data, model, **options) as read:
        return first_values(read.calibration()), first_values(read.held_out()), read.report


@pytest.mark.parametrize(
    "given",
    [
        lambda values: values,
        lambda values: values[:, None],
        lambda values: {"x": values},
        lambda values: list(values),
        lambda values: tuple(values),
        lambda values: list(values[:, None]),
        lambda values: [{"x": row} for row in values],
        lambda values: [(row,) for row in values],
        lambda values: [(row, 3) for row in values],
        lambda values: list(map(tuple, values.tolist())),
        lambda values: list(pd.DataFrame(values.tolist()).itertuples(index=False)),
        lambda values: values.tolist(),
        lambda values: {"x": values.tolist()},
        lambda values: [values[:10], values[10:]],
        lambda values: {"serving_default": values},
        lambda values: {"serving_default": {"x": values}},
        lambda values: pd.Series(list(values), index=range(100, 100 + len(values))),
        lambda values: (row for row in values),
        lambda values: ([row, 3] for row in values),
        lambda values: iter([values[:9], values[9:]]),
    ],
)
def test_every_form_of_the_same_samples_gives_all_of_them_once(
    vector: LiteRTModel, given: Callable[[Array], Any]
) -> None:
    values = rows(24)

    calibration, held_out, report = kept_values(given(values), vector, num_samples=24)

    assert sorted(calibration + held_out) == sorted(values[:, 0].tolist())
    assert (report.num_samples, report.num_held_out) == (18, 6)
    assert report.kind is DataKind.GIVEN


def test_samples_have_the_models_shape_and_dtype(picture: LiteRTModel) -> None:
    with read_data(np.ones((5, 8, 8, 3)) * np.arange(3), picture) as data:
        sample = next(data.calibration())

    assert sample["image"].shape == (1, 8, 8, 3)
    assert sample["image"].dtype == np.float32


def test_an_array_of_exactly_the_models_shape_is_one_sample(picture: LiteRTModel) -> None:
    _, _, report = kept_values_of(picture, np.zeros((1, 8, 8, 3), np.float32))

    assert report.num_samples == 1
    assert not report.is_held_out_separate
    assert "too few samples to hold some out (1): the same ones calibrate and judge" in report.warnings


def test_one_sample_may_lack_the_batch_axis(picture: LiteRTModel) -> None:
    assert kept_values_of(picture, np.zeros((8, 8, 3), np.float32))[2].num_samples == 1


def kept_values_of(model: LiteRTModel, data: Any, **options: Any) -> tuple[list[Any], list[Any], DataReport]:
    with read_data(data, model, **options) as read:
        return list(read.calibration()), list(read.held_out()), read.report


def test_a_model_with_a_batch_takes_whole_batches_and_leaves_the_rest(tmp_path: Path) -> None:
    model = opened(tmp_path, models.chain(1, shape=(4, 16)))

    samples, held_out, report = kept_values_of(model, rows(18, 16))

    assert [sample["x"].shape for sample in samples + held_out] == [(4, 16)] * 4
    assert "2 rows at the end of an array do not fill a batch of the model: left out" in report.notices


def test_a_batch_that_may_vary_is_read_one_by_one(tmp_path: Path) -> None:
    samples, held_out, _ = kept_values_of(opened(tmp_path, models.chain(1, shape=(-1, 16))), rows(8, 16))

    assert [sample["x"].shape for sample in samples + held_out] == [(1, 16)] * 8


def test_two_inputs_stay_together(pair: LiteRTModel) -> None:
    a = rows(40, 4)

    for data in ({"a": a, "b": -a}, [(row, -row) for row in a], [{"b": -row, "a": row} for row in a]):
        samples, held_out, _ = kept_values_of(pair, data)
        assert len(samples + held_out) == 40
        assert all((sample["a"] == -sample["b"]).all() for sample in samples + held_out)


def test_labels_beside_a_group_of_inputs_are_left_out_and_said(pair: LiteRTModel) -> None:
    items = [((row, -row), 7) for row in rows(8, 4)]

    samples, _, report = kept_values_of(pair, iter(items))

    assert set(samples[0]) == {"a", "b"}
    assert "of each item (inputs, label) the label is left out" in report.notices


def test_values_that_are_no_input_are_left_out_and_said(vector: LiteRTModel) -> None:
    _, _, report = kept_values([{"x": row, "labels": 1} for row in rows(8)], vector)

    assert "labels is no input of the model and left out" in report.notices


def test_inputs_with_different_numbers_of_samples_are_refused(pair: LiteRTModel) -> None:
    with pytest.raises(CalibrationError, match="differ in how many samples they have: a 5, b 6"):
        read_data({"a": rows(5, 4), "b": rows(6, 4)}, pair)


@pytest.mark.parametrize("data", [rows(5, 4), [rows(1, 4)[0]] * 5])
def test_one_array_for_two_inputs_is_refused(pair: LiteRTModel, data: Any) -> None:
    with pytest.raises(CalibrationError, match=r"takes 2 inputs \(a, b\)"):
        read_data(data, pair)


def test_a_missing_input_is_named_with_what_is_there(pair: LiteRTModel) -> None:
    with pytest.raises(CalibrationError, match="has no 'b': it holds a, c") as caught:
        read_data({"a": rows(5, 4), "c": rows(5, 4)}, pair)
    assert "a, b" in caught.value.hint


def with_second_signature(data: bytes) -> bytes:
    s, model = schema(), unpack(data)
    model.signatureDefs.append(
        s.SignatureDefT(
            inputs=[s.TensorMapT(name="other", tensorIndex=model.subgraphs[0].inputs[0])],
            outputs=model.signatureDefs[0].outputs,
            signatureKey="second",
        )
    )
    return pack(model)


def test_each_signature_reads_its_own_part(tmp_path: Path) -> None:
    model = opened(tmp_path, with_second_signature(models.fully_connected()))
    data = {"serving_default": rows(8), "second": {"other": rows(12)}}

    assert kept_values_of(model, data)[2].num_available == 8
    samples, _, report = kept_values_of(model, data, signature_key="second")
    assert report.num_available == 12
    assert set(samples[0]) == {"other"}


def test_a_signature_without_data_is_named(tmp_path: Path) -> None:
    model = opened(tmp_path, with_second_signature(models.fully_connected()))

    with pytest.raises(CalibrationError, match="none for the signature 'second'"):
        read_data({"serving_default": rows(8)}, model, signature_key="second")
    with pytest.raises(UnknownNameError, match="unknown signature 'third'"):
        read_data(rows(8), model, signature_key="third")


def test_the_choice_is_random_seeded_and_without_replacement(vector: LiteRTModel) -> None:
    values = rows(500)

    first, held_out, report = kept_values(values, vector, num_samples=20)
    again, _, _ = kept_values(values, vector, num_samples=20)
    other, _, _ = kept_values(values, vector, num_samples=20, seed=1)

    assert first == again
    assert first != other
    assert first != values[:20, 0].tolist()
    assert len(set(first + held_out)) == 40
    assert (report.num_samples, report.num_held_out, report.num_available) == (20, 20, 500)


def test_fewer_samples_are_the_first_of_more(vector: LiteRTModel) -> None:
    values = rows(300)

    assert kept_values(values, vector, num_samples=50)[0][:10] == kept_values(values, vector, num_samples=10)[0]


def test_of_a_stream_the_first_are_taken_and_every_fourth_judges(vector: LiteRTModel) -> None:
    values = rows(1000)

    calibration, held_out, report = kept_values((row for row in values), vector, num_samples=9)

    assert calibration == [float(values[i, 0]) for i in (0, 1, 2, 4, 5, 6, 8, 9, 10)]
    assert held_out == [float(values[i, 0]) for i in (3, 7, 11)]
    assert report.num_available is None


def test_an_endless_generator_is_read_no_further_than_needed(vector: LiteRTModel) -> None:
    taken = 0

    def endless() -> Iterator[Array]:
        nonlocal taken
        while True:
            taken += 1
            yield np.full(8, taken, np.float32) + np.arange(8, dtype=np.float32)

    report = kept_values(endless(), vector, num_samples=30)[2]

    assert taken == 40
    assert (report.num_samples, report.num_held_out) == (30, 10)


def test_a_generator_is_given_out_as_often_as_wanted(vector: LiteRTModel) -> None:
    with read_data((row for row in rows(12)), vector) as data:
        assert first_values(data.calibration()) == first_values(data.calibration())
        assert len(first_values(data.held_out())) == 3


def test_a_generator_that_ends_early_is_taken_and_said(vector: LiteRTModel) -> None:
    report = kept_values((row for row in rows(12)), vector, num_samples=50)[2]

    assert "12 of the 50 samples asked for came from a generator: it ended early" in report.notices


def test_a_generator_without_samples_is_refused(vector: LiteRTModel) -> None:
    with pytest.raises(CalibrationError, match="a generator holds no samples"):
        read_data((row for row in ()), vector)


def test_what_a_generator_raises_half_way_is_chained(vector: LiteRTModel) -> None:
    def broken() -> Iterator[Array]:
        yield from rows(3)
        raise ZeroDivisionError("no more")

    with pytest.raises(CalibrationError, match="raised ZeroDivisionError after 3 samples: no more") as caught:
        read_data(broken(), vector)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_interruption_passes_through_and_leaves_no_files(
    vector: LiteRTModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    def interrupted() -> Iterator[Array]:
        yield from rows(3)
        assert list(scratch.rglob("*.npz"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_data(interrupted(), vector)
    assert not list(scratch.iterdir())


def test_closing_removes_the_files_and_ends_the_samples(
    vector: LiteRTModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    data = read_data((row for row in rows(8)), vector)
    assert len(list(scratch.rglob("*.npz"))) == 8
    data.close()

    assert not list(scratch.iterdir())
    with pytest.raises(InputError, match="was closed"):
        next(data.calibration())


def test_arrays_in_memory_are_not_copied_to_the_disk(
    vector: LiteRTModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    with read_data(rows(50), vector):
        assert not list(scratch.rglob("*.np*"))


class Squares:
    """A data set with labels that notes what was asked for."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Array, int]:
        self.asked.append(index)
        if index >= self.length:
            raise IndexError(index)
        return np.arange(8, dtype=np.float32) + index, index


def test_a_data_set_is_asked_only_for_the_chosen_items(vector: LiteRTModel) -> None:
    source = Squares(1000)

    calibration, held_out, report = kept_values(source, vector, num_samples=5)

    assert sorted(source.asked) == sorted(int(value) for value in calibration + held_out)
    assert report.source == "a Squares of 1000 items"
    assert "of each item of 2 values the first value is taken; the others (labels) are left out" in report.notices
    assert report.inputs[0].minimum_sample == f"item {int(min(calibration))}"


def test_an_item_that_raises_is_named_and_chained(vector: LiteRTModel) -> None:
    class Broken(Squares):
        def __getitem__(self, index: int) -> tuple[Array, int]:
            raise OSError("disk on fire")

    with pytest.raises(CalibrationError, match=r"a Broken raised OSError for item \d: disk on fire") as caught:
        read_data(Broken(4), vector)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_data_set_without_a_length_says_what_it_lacks(vector: LiteRTModel) -> None:
    class Lengthless:
        def __getitem__(self, index: int) -> Array:
            return rows(1)[0]

    with pytest.raises(CalibrationError, match="does not tell its length"):
        read_data(Lengthless(), vector)


def test_random_data_is_seeded_and_every_report_says_so(vector: LiteRTModel) -> None:
    first, held_out, report = kept_values("random", vector, num_samples=10, seed=3)

    assert first == kept_values("random", vector, num_samples=10, seed=3)[0]
    assert first != kept_values("random", vector, num_samples=10, seed=4)[0]
    assert len(set(first + held_out)) == 20
    assert report.kind is DataKind.RANDOM
    assert "random" in report.sentence
    assert "the data is random" in report.warnings[0]


def test_random_integers_stay_in_the_range_of_their_type(tmp_path: Path) -> None:
    samples, _, _ = kept_values_of(opened(tmp_path, models.add((1, 64), dtype="int8")), "random", num_samples=4)

    assert samples[0]["a"].dtype == np.int8
    assert samples[0]["a"].min() < 0 < samples[0]["a"].max()


def test_random_data_for_sizes_that_vary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="sizes that may vary"):
        read_data("random", opened(tmp_path, models.chain(1, shape=(1, -1))))


@pytest.mark.parametrize("num_samples", [0, -1, 2.5, "10", True, None])
def test_a_number_of_samples_that_cannot_be_meant_is_refused(vector: LiteRTModel, num_samples: Any) -> None:
    with pytest.raises(InputError, match="num_samples is"):
        read_data(rows(5), vector, num_samples=num_samples)


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_a_seed_that_cannot_be_meant_is_refused(vector: LiteRTModel, seed: Any) -> None:
    with pytest.raises(InputError, match="seed is"):
        read_data(rows(5), vector, seed=seed)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "no calibration data was given"),
        (3.0, "the data is a float, which holds no samples"),
        (np.float32(3), r"has shape \(\)"),
        (np.zeros((0, 8), np.float32), "holds no samples"),
        ([], "holds no samples"),
        ({}, "it holds nothing"),
        (list, "has not been called"),
        (np.array([None, object()]), "dtype object"),
        ([object()], "not an array of numbers"),
        ([[1, 2, [3]]], "cannot be taken as an array"),
        (np.zeros((4, 8), np.complex64), "dtype complex64"),
        ([[1e300] * 8], "x: infinity"),
        ([Image.new("RGB", (8, 8))], "is a Image, not an array of numbers"),
        (["a.jpg", "b.jpg"], "a list of paths"),
        ("", "holds no samples|there is no file"),
        (pd.DataFrame({"a": [1.0], "b": [2.0]}), "the data is a table"),
    ],
)
def test_what_holds_no_samples_is_refused_in_words(
    vector: LiteRTModel, data: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)

    with pytest.raises(CalibrationError, match=message) as caught:
        read_data(data, vector)
    assert caught.value.hint


def test_ten_thousand_small_samples_are_read_quickly(vector: LiteRTModel) -> None:
    samples = list(rows(10_000))
    start = time.perf_counter()

    report = kept_values(samples, vector, num_samples=10_000)[2]

    assert report.num_samples == 9_900
    assert time.perf_counter() - start < 10  # about 1 s; a copy of the list for each sample would take minutes


def test_a_row_too_long_to_be_permuted_is_sampled_all_the_same(vector: LiteRTModel) -> None:
    numbers = np.arange(2**21, dtype=np.float32)
    endless = np.broadcast_to(numbers[:, None, None], (2**21, 1, 8))

    first, held_out, report = kept_values(endless, vector, num_samples=50)

    assert len(set(first + held_out)) == 100
    assert first[:10] == kept_values(endless, vector, num_samples=10)[0]
    assert report.num_available == 2**21


def test_a_full_disk_is_named(vector: LiteRTModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("embedl_nb.quantizer.data.reading.save_arrays", full)

    with pytest.raises(CalibrationError, match=r"sample 0 cannot be kept in .*: No space left on device"):
        read_data((row for row in rows(4)), vector)


def test_progress_reaches_the_end(vector: LiteRTModel) -> None:
    events: list[progress.Event] = []
    with progress.listening(events.append):
        read_data(rows(47), vector, num_samples=47).close()

    assert (events[-1].stage, events[-1].done, events[-1].total) == ("read data", 47, 47)


def test_the_report_survives_its_record(vector: LiteRTModel) -> None:
    import json

    report = kept_values(rows(9), vector)[2]

    assert DataReport.from_record(json.loads(json.dumps(report.to_record()))) == report
    assert repr(report).startswith("7 samples of an array to calibrate, 2 others held out")
    assert "Values of the calibration samples" in report._repr_html_()
