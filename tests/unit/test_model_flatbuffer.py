"""Reading files: what is in good ones, and a clear error for every other."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from embedl_nb.errors import InputError
from embedl_nb.model.flatbuffer import read_graph, read_model
from embedl_nb.model.graph import ModelGraph
from embedl_nb.model.memory import estimate_memory
from embedl_nb.model.operators import describe_operators, operators_frame
from embedl_nb.model.schema import schema
from embedl_nb.model.slicer import slice_operators
from embedl_nb.testing import models

TINY: list[Callable[[], bytes]] = [
    models.add,
    models.two_outputs,
    models.conv_relu,
    models.fully_connected,
    models.quantized_fully_connected,
    models.chain,
    models.unsupported_operator,
    models.custom_operator,
]


@pytest.mark.parametrize("make", TINY)
def test_the_reader_agrees_with_the_schema_that_the_runtime_carries(make: Callable[[], bytes]) -> None:
    data = make()
    graph, expected = read_model(data), schema().ModelT.InitFromPackedBuf(data, 0)

    ours, theirs = graph.main, expected.subgraphs[0]
    assert [tensor.name.encode() for tensor in ours.tensors] == [tensor.name for tensor in theirs.tensors]
    assert [list(tensor.shape) for tensor in ours.tensors] == [tensor.shape.tolist() for tensor in theirs.tensors]
    for tensor, other in zip(ours.tensors, theirs.tensors, strict=True):
        value = expected.buffers[other.buffer].data
        assert tensor.constant_bytes == (0 if value is None else len(value))
        scales = () if other.quantization is None else tuple(np.ravel(other.quantization.scale))
        assert (tensor.quantization.scales if tensor.quantization else ()) == scales
    for operator, other in zip(ours.operators, theirs.operators, strict=True):
        assert list(operator.inputs) == other.inputs.tolist()
        assert list(operator.outputs) == other.outputs.tolist()
        code = expected.operatorCodes[other.opcodeIndex]
        assert getattr(schema().BuiltinOperator, operator.code) == code.builtinCode
    assert graph.signatures[0].key == "serving_default"


def test_quantization_of_weights_and_activations_is_read() -> None:
    graph = read_model(models.quantized_fully_connected(num_outputs=4))
    x, weights = graph.signatures[0].inputs[0], graph.main.tensors[1]

    assert (x.dtype, x.is_quantized) == ("int8", True)
    assert x.quantization is not None
    assert x.quantization.zero_points == (3,)
    assert weights.quantization is not None
    assert (len(weights.quantization.scales), weights.quantization.axis) == (4, 0)


def test_a_model_without_a_signature_has_its_first_subgraph_as_one() -> None:
    builder = models.ModelBuilder()
    x = builder.input("x", (1, 4))
    y = builder.operator("ABS", [x], builder.tensor("y", (1, 4)))
    graph = read_model(builder.build({"y": y}, signature_key=None))

    assert [signature.key for signature in graph.signatures] == [""]
    assert [spec.name for spec in graph.signatures[0].inputs] == ["serving_default_x"]
    assert [spec.name for spec in graph.signatures[0].outputs] == ["y"]


def test_a_dimension_that_may_vary_is_minus_one() -> None:
    builder = models.ModelBuilder()
    x = builder.input("x", (-1, 4))
    y = builder.operator("ABS", [x], builder.tensor("y", (-1, 4)))
    spec = read_model(builder.build({"y": y})).signatures[0].inputs[0]

    assert spec.shape == (-1, 4)
    assert spec.num_elements is None


def test_the_subgraph_of_a_composite_is_known() -> None:
    graph = read_model(models.composite())

    assert graph.main.operators[0].code == "STABLEHLO_COMPOSITE"
    assert graph.main.operators[0].calls == (1,)


def test_constants_behind_the_flatbuffer_are_read() -> None:
    data = with_constants_behind(models.fully_connected())
    plain = read_model(models.fully_connected())

    assert [t.constant_bytes for t in read_model(data).main.tensors] == [t.constant_bytes for t in plain.main.tensors]


def test_a_constant_beyond_the_end_is_refused() -> None:
    with pytest.raises(InputError, match="a constant ends at byte"):
        read_model(with_constants_behind(models.fully_connected())[:-1])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"TFL", "is truncated: 3 bytes"),
        (b"PK\x03\x04" + bytes(100), "a zip archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"\x08\x07\x12\x07pytorch" + bytes(50), r"\.onnx"),
        (b"nothing like a model", "is not a LiteRT model: bytes 4 to 8"),
        (b"\x1c\x00\x00\x00TFL3", "truncated or damaged"),
        (b"\xff\xff\xff\xffTFL3" + bytes(100), "truncated or damaged"),
    ],
)
def test_a_file_that_is_no_model_is_named_with_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "downloaded.tflite"
    path.write_bytes(content)

    with pytest.raises(InputError, match=says) as error:
        read_model(path)
    assert str(path) in error.value.message
    assert error.value.hint


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*nowhere\.tflite"):
        read_model(tmp_path / "nowhere.tflite")
    with pytest.raises(InputError, match="is a folder"):
        read_model(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_model("a\0b.tflite")


@pytest.mark.parametrize("make", TINY)
def test_every_truncation_is_an_input_error(make: Callable[[], bytes]) -> None:
    data = make()
    for length in range(0, len(data) - 1, 7):
        with pytest.raises(InputError):
            _use_all_of(data[:length])


@pytest.mark.parametrize("make", TINY)
def test_damaged_files_give_an_input_error_or_a_model(make: Callable[[], bytes]) -> None:
    """Byte flips, wild offsets and impossible lengths, from a fixed seed."""
    data, source = make(), random.Random(make.__name__)
    refused = 0
    for _ in range(120):
        damaged = bytearray(data)
        for _ in range(source.choice((1, 1, 4, 16))):
            position = source.randrange(len(data) - 4)
            if source.random() < 0.5:
                damaged[position] ^= 1 << source.randrange(8)
            else:
                wild = source.choice((0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, source.randrange(len(data))))
                damaged[position // 4 * 4 : position // 4 * 4 + 4] = struct.pack("<I", wild)
        try:
            _use_all_of(bytes(damaged))
        except InputError:
            refused += 1
    assert 0 < refused < 120


def test_a_file_whose_lists_all_point_to_one_place_is_refused() -> None:
    """40,000 entries that are one subgraph, with 40,000 entries that are one tensor: 1.6 billion tables in 320 KB."""
    count = 40_000
    header = struct.pack("<I4s", 20, b"TFL3")
    model = struct.pack("<5H2x", 10, 8, 0, 0, 4) + struct.pack("<iI", 12, 4)  # layout, then table: only "subgraphs"
    behind_subgraphs = struct.pack("<3H2x", 6, 8, 4) + struct.pack("<iI", 8, 4)  # layout, then table: only "tensors"
    subgraphs = struct.pack("<I", count) + b"".join(
        struct.pack("<I", 4 * (count - entry) + 8) for entry in range(count)
    )
    tensors = struct.pack("<I", count) + b"".join(struct.pack("<I", 4 * (count - entry) + 4) for entry in range(count))
    tensor = struct.pack("<2H", 4, 4) + struct.pack("<i", 4)

    with pytest.raises(InputError, match="refer to each other more often than a model's do"):
        read_model(header + model + subgraphs + behind_subgraphs + tensors + tensor)


def test_impossible_shapes_are_refused() -> None:
    builder = models.ModelBuilder()
    x = builder.input("x", (2**30, 2**30))
    with pytest.raises(InputError, match="impossible shape"):
        read_model(builder.build({"x": x}))


def test_a_file_that_changed_since_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = models.write(tmp_path, models.add())
    with pytest.raises(InputError, match="has changed since it was opened"):
        read_graph(path, "0" * 64)


def _use_all_of(data: bytes) -> ModelGraph:
    graph = read_model(data)
    operators_frame(describe_operators(graph))
    estimate_memory(graph)
    if graph.main.operators:
        slice_operators(data, 0, subgraph_index=graph.main.index)
    return graph


def with_constants_behind(data: bytes) -> bytes:
    """Move the constants behind the flatbuffer, as the files do that are larger than 2 GiB."""
    model = schema().ModelT.InitFromPackedBuf(data, 0)
    values = {i: bytes(b.data) for i, b in enumerate(model.buffers) if b.data is not None and len(b.data)}
    for index in values:
        model.buffers[index].data, model.buffers[index].offset, model.buffers[index].size = None, 2**20, 1
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    end = len(builder.Output())
    for index, value in values.items():
        model.buffers[index].offset, model.buffers[index].size = end, len(value)
        end += len(value)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output()) + b"".join(values.values())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_device_does_not_hang_or_fill_the_memory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tflite")
    (tmp_path / "endless.tflite").symlink_to("/dev/zero")

    for name in ("pipe.tflite", "endless.tflite"):
        with pytest.raises(InputError, match=rf"{name} is not a regular file"):
            read_model(tmp_path / name)
