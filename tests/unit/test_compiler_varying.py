"""How dimensions that vary are spelled, and at which sizes a model is then verified."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from embedl_nb.compiler.sources.samples import Samples, read_samples  # noqa: E402
from embedl_nb.compiler.sources.varying import read_varying, torch_dimensions, with_other_sizes  # noqa: E402
from embedl_nb.errors import InputError, UnknownNameError  # noqa: E402

pytestmark = pytest.mark.torch


def _samples() -> Samples:
    return read_samples({"tokens": torch.arange(6).reshape(1, 6), "mask": torch.ones(1, 6)})


def _read(dynamic_shapes: Any) -> list[tuple[str, int, int, int | None]]:
    found = read_varying(dynamic_shapes, _samples())
    return [(each.input, each.dimension, each.low, each.high) for each in found]


@pytest.mark.parametrize(
    ("spelled", "read"),
    [
        ({"tokens": {1: (2, 128)}}, [("tokens", 1, 2, 128)]),
        ({"tokens": {-1: (2, 128)}, "mask": None}, [("tokens", 1, 2, 128)]),
        ({"tokens": {1: "time"}, "mask": {1: "time"}}, [("tokens", 1, 1, None), ("mask", 1, 1, None)]),
        (({1: "time"}, (None, "time")), [("tokens", 1, 1, None), ("mask", 1, 1, None)]),
        ({"mask": {1: torch.export.Dim("time", min=3, max=9)}}, [("mask", 1, 3, 9)]),
        ({"mask": {1: torch.export.Dim.DYNAMIC}}, [("mask", 1, 1, None)]),
    ],
)
def test_a_dimension_can_be_spelled_in_several_ways(spelled: Any, read: Any) -> None:
    assert _read(spelled) == read


def test_of_a_single_input_the_dimensions_suffice() -> None:
    samples = read_samples(torch.ones(2, 3))
    assert [each.dimension for each in read_varying({0: (1, 4)}, samples)] == [0]


@pytest.mark.parametrize(
    ("spelled", "said"),
    [
        ({1: (2, 128)}, "names no input"),
        ({"tokens": {2: (1, 8)}}, "does not fit its 2 dimensions"),
        ({"tokens": {1: (8, 2)}}, r"the size \(8, 2\)"),
        ({"tokens": {1: 7}}, "the size 7"),
        ({"tokens": {1: (7, 9)}}, "the size 6 in the example"),
        ({}, "names no dimension"),
        ("tokens", "does not fit the inputs tokens, mask"),
    ],
)
def test_what_cannot_be_meant_is_refused(spelled: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        _read(spelled)


def test_an_unknown_input_is_named() -> None:
    with pytest.raises(UnknownNameError, match="token"):
        _read({"token": {1: (1, 8)}})


def test_a_key_that_is_no_text_is_an_unknown_input() -> None:
    with pytest.raises(UnknownNameError, match="None"):
        _read({None: {1: (1, 8)}})


@pytest.mark.parametrize("largest", [10**10, 10**30])
def test_a_largest_size_that_would_fill_the_memory_is_refused_before_anything_is_made(largest: int) -> None:
    samples = _samples()
    varying = read_varying({"mask": {1: (1, largest)}}, samples)
    with pytest.raises(InputError, match=f"'mask' has .* GiB at the largest sizes .*1, {largest}"):
        with_other_sizes(replace(samples, varying=varying))


def test_dimensions_of_one_name_share_their_size_and_their_range() -> None:
    samples = _samples()
    time = torch.export.Dim("time", min=3, max=9)
    varying = read_varying({"tokens": {1: "time"}, "mask": {1: time}}, samples)
    assert {(each.low, each.high) for each in varying} == {(3, 9)}
    opened = with_other_sizes(replace(samples, varying=varying))
    shapes = [tuple(tuple(tensor.shape) for tensor in sample.tensors) for sample in opened.samples]
    assert shapes == [((1, 6), (1, 6)), ((1, 3), (1, 3)), ((1, 9), (1, 9))]
    assert set(opened.samples[-1].tensors[0].flatten().tolist()) == set(range(6))  # integers stay valid ones
    first, second = torch_dimensions(opened)
    assert first[1] is second[1]
