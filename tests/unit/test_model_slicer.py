"""Cutting models: what goes in, what comes out, what is carried along. That slices run is an integration test."""

from __future__ import annotations

import numpy as np
import pytest

from embedl_nb.errors import InputError
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.slicer import slice_operators
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder


def diamond() -> bytes:
    """``y = tanh(|x|) + |x|``, and ``|x|`` is an output too."""
    builder = ModelBuilder()
    x = builder.input("x", (1, 4))
    absolute = builder.operator("ABS", [x], builder.tensor("absolute", (1, 4)))
    tanh = builder.operator("TANH", [absolute], builder.tensor("tanh", (1, 4)))
    y = builder.operator("ADD", [tanh, absolute], builder.tensor("y", (1, 4)))
    return builder.build({"y": y, "absolute": absolute})


def names(data: bytes, indices: tuple[int, ...]) -> list[str]:
    tensors = read_model(data).main.tensors
    return [tensors[index].name for index in indices]


@pytest.mark.parametrize(
    ("first", "last", "inputs", "outputs"),
    [
        (0, 0, ["serving_default_x"], ["absolute"]),
        (1, 1, ["absolute"], ["tanh"]),
        (0, 1, ["serving_default_x"], ["absolute", "tanh"]),
        (1, 2, ["absolute"], ["y"]),
        (2, 2, ["tanh", "absolute"], ["y"]),
        (0, 2, ["serving_default_x"], ["absolute", "y"]),
    ],
)
def test_a_slice_takes_what_crosses_its_border(first: int, last: int, inputs: list[str], outputs: list[str]) -> None:
    data = diamond()
    part = slice_operators(data, first, last)
    graph = read_model(part.data)

    assert (names(data, part.inputs), names(data, part.outputs)) == (inputs, outputs)
    assert len(graph.main.operators) == last - first + 1
    assert graph.signatures[0].key == "slice"
    assert [spec.name for spec in graph.signatures[0].inputs] == [f"input_{i}" for i in range(len(inputs))]
    assert [graph.main.tensors[index].name for index in graph.main.outputs] == outputs


def test_a_slice_brings_its_constants_and_leaves_the_others() -> None:
    builder = ModelBuilder()
    value = builder.input("x", (1, 4))
    for index in range(3):
        kernel = builder.constant(f"k{index}", np.full((4, 4), index, np.float32))
        value = builder.operator("FULLY_CONNECTED", [value, kernel], builder.tensor(f"v{index}", (1, 4)))
    part = slice_operators(builder.build({"y": value}), 1)
    constants = [tensor.name for tensor in read_model(part.data).main.tensors if tensor.is_constant]

    assert constants == ["k1"]
    assert np.full((4, 4), 1, np.float32).tobytes() in part.data


def test_a_slice_keeps_quantization() -> None:
    data = models.quantized_fully_connected()
    whole, part = read_model(data), read_model(slice_operators(data, 0).data)

    assert {t.name: t.quantization for t in part.main.tensors} == {t.name: t.quantization for t in whole.main.tensors}


def test_a_value_that_nothing_reads_is_an_output_of_the_slice() -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4))
    builder.operator("TANH", [x], builder.tensor("unread", (1, 4)))
    y = builder.operator("ABS", [x], builder.tensor("y", (1, 4)))
    assert names(builder.build({"y": y}), slice_operators(builder.build({"y": y}), 0).outputs) == ["unread"]


def test_an_input_that_is_left_out_stays_left_out() -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4))
    kernel = builder.constant("kernel", np.ones((4, 4), np.float32))
    y = builder.operator("FULLY_CONNECTED", [x, kernel, -1], builder.tensor("y", (1, 4)))
    part = slice_operators(builder.build({"y": y}), 0)
    assert read_model(part.data).main.operators[0].inputs[-1] == -1


def test_a_composite_brings_the_subgraph_that_it_runs() -> None:
    part = read_model(slice_operators(models.composite(), 0).data)

    assert part.main.operators[0].calls == (1,)
    assert [operator.code for operator in part.subgraphs[1].operators] == ["FULLY_CONNECTED"]


def test_a_slice_of_a_slice_is_the_same() -> None:
    data = slice_operators(models.chain(10), 2, 6).data
    assert slice_operators(data, 0, 4).data == data


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (2, 1), (0, 10), (10, None)])
def test_a_range_beyond_the_model_is_refused(first: int, last: int | None) -> None:
    with pytest.raises(InputError, match="cannot be cut out of 10") as error:
        slice_operators(models.chain(10), first, last)
    assert error.value.hint == "give 0 <= first <= last <= 9"
