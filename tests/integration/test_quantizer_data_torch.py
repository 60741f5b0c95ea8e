"""Tensors, data sets and loaders of torch as samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import CalibrationError
from embedl_nb.model import LiteRTModel
from embedl_nb.quantizer.data import read_data
from embedl_nb.testing import models

torch = pytest.importorskip("torch")
data = pytest.importorskip("torch.utils.data")
pytestmark = pytest.mark.torch


@pytest.fixture
def vector(tmp_path: Path) -> LiteRTModel:
    """Input ``x`` (1, 8)."""
    return LiteRTModel.open(models.write(tmp_path, models.fully_connected()))


@pytest.fixture
def pair(tmp_path: Path) -> LiteRTModel:
    """Inputs ``a`` and ``b`` (1, 4)."""
    return LiteRTModel.open(models.write(tmp_path, models.add()))


def values(count: int, size: int = 8) -> Any:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(0))


def all_values(source: Any, model: LiteRTModel, **options: Any) -> tuple[list[float], Any]:
    with read_data(source, model, **options) as read:
        samples = [*read.calibration(), *read.held_out()]
        assert all(sample["x"].shape == (1, 8) and sample["x"].dtype == np.float32 for sample in samples)
        return sorted(float(sample["x"][0, 0]) for sample in samples), read.report


@pytest.mark.parametrize(
    "given",
    [
        lambda x: x,
        lambda x: x.clone().requires_grad_(),
        lambda x: {"x": x},
        lambda x: list(x),
        lambda x: data.TensorDataset(x, torch.arange(len(x))),
        lambda x: data.DataLoader(data.TensorDataset(x, torch.arange(len(x))), batch_size=7),
        lambda x: data.DataLoader(x, batch_size=None),
        lambda x: data.DataLoader([{"x": row, "label": 1} for row in x], batch_size=5),
        lambda x: iter(data.DataLoader(x, batch_size=5)),
    ],
)
def test_every_form_of_the_same_samples_gives_all_of_them_once(vector: LiteRTModel, given: Any) -> None:
    x = values(24)

    assert all_values(given(x), vector)[0] == sorted(x[:, 0].tolist())


def test_half_precision_is_cast_and_said(vector: LiteRTModel) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        x = values(8).to(dtype)
        assert all_values(x, vector)[0] == sorted(x[:, 0].float().tolist())
    assert any("float16" in notice for notice in all_values(values(8).half(), vector)[1].notices)


def test_a_loader_says_that_its_own_order_was_taken(vector: LiteRTModel) -> None:
    loader = data.DataLoader(data.TensorDataset(values(100), torch.zeros(100)), batch_size=16)

    found, report = all_values(loader, vector, num_samples=9)

    assert found == sorted(values(100)[:12, 0].tolist())
    assert report.source == "a DataLoader"
    assert any("in its own order" in notice for notice in report.notices)
    assert any("labels" in notice for notice in report.notices)


def test_a_data_set_that_changes_its_items_gives_the_same_samples_twice(vector: LiteRTModel) -> None:
    class Augmented(data.Dataset):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> Any:
            return torch.randn(8)

    with read_data(Augmented(), vector) as read:
        first, again = list(read.calibration()), list(read.calibration())
    assert all(np.array_equal(a["x"], b["x"]) for a, b in zip(first, again, strict=True))


def test_an_iterable_data_set_is_a_stream(vector: LiteRTModel) -> None:
    class Endless(data.IterableDataset):
        def __iter__(self) -> Iterator[Any]:
            return (row for _ in iter(int, 1) for row in values(10))

    assert all_values(Endless(), vector, num_samples=9)[1].num_samples == 9


def test_two_inputs_come_from_a_data_set_of_pairs(pair: LiteRTModel) -> None:
    a = values(8, 4)
    sources = [
        data.TensorDataset(a, -a),
        data.TensorDataset(a, -a, torch.zeros(8)),
        data.DataLoader(data.TensorDataset(a, -a, torch.zeros(8)), batch_size=3),
        data.DataLoader([((row, -row), 1) for row in a], batch_size=3),
        data.DataLoader([({"a": row, "b": -row}, 1) for row in a], batch_size=3),
    ]
    for source in sources:
        with read_data(source, pair) as read:
            assert all((sample["a"] == -sample["b"]).all() for sample in read.calibration())
            assert read.report.num_samples == 6


def test_items_that_hold_batches_say_what_to_give_instead(vector: LiteRTModel) -> None:
    with pytest.raises(CalibrationError, match=r"item \d of a TensorDataset holds 4 samples") as caught:
        read_data(data.TensorDataset(values(8).reshape(2, 4, 8)), vector)
    assert "DataLoader" in caught.value.hint


def test_sparse_tensors_are_refused(vector: LiteRTModel) -> None:
    with pytest.raises(CalibrationError, match="sparse or quantized"):
        read_data(values(8).to_sparse(), vector)
