"""What is taken in as an ONNX model, and what is refused before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from embedl_nb.compiler.onnx.reading import read_file, read_object  # noqa: E402
from embedl_nb.compiler.onnx.tensors import read_tensor  # noqa: E402
from embedl_nb.errors import CompileError, InputError  # noqa: E402

FLOAT = TensorProto.FLOAT


def info(name: str, shape: Any = (2, 3), dtype: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)


def model(*, initializers: Any = (), inputs: Any = None, outputs: Any = None, **options: Any) -> Any:
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "net", inputs or [info("x")], outputs or [info("y")], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], **options)


def external(location: str, *, length: int = 24, offset: int = 0, dims: tuple[int, ...] = (2, 3)) -> Any:
    tensor = TensorProto(name="w", data_type=FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def saved(folder: Path, proto: Any) -> Path:
    (folder / "net.onnx").write_bytes(proto.SerializeToString())
    return folder / "net.onnx"


def test_an_initializer_that_is_also_an_input_is_a_constant() -> None:
    weight = numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    taken = read_object(model(initializers=[weight], inputs=[info("x", ("N", 3)), info("w")]))
    assert [str(spec) for spec in taken.inputs] == ["x float32 (N, 3)"]


def test_lineage_names_the_producer_and_the_opset() -> None:
    assert read_object(model(producer_name="pytorch", producer_version="2.9")).origin == "onnx pytorch 2.9 opset 17"


def test_the_content_is_the_key_and_not_the_path(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    proto = model()
    first, second = saved(tmp_path, proto), saved(tmp_path / "other", proto)
    assert read_file(first).hash_content() == read_file(second).hash_content() == read_object(proto).hash_content()
    assert read_object(model(producer_name="other")).hash_content() != read_object(proto).hash_content()


def test_external_data_counts_for_the_content(tmp_path: Path) -> None:
    path = saved(tmp_path, model(initializers=[external("w.bin")]))
    hashes = set()
    for value in (1.0, 2.0):
        (tmp_path / "w.bin").write_bytes(np.full((2, 3), value, np.float32).tobytes())
        hashes.add(read_file(path).hash_content())
    assert len(hashes) == 2


def test_external_data_is_read_from_the_models_folder(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(b"\0" * 8 + values.tobytes())
    taken = read_file(saved(tmp_path, model(initializers=[external("data/w.bin", offset=8)])))
    assert np.array_equal(read_tensor(taken.proto.graph.initializer[0], taken.folder), values)


@pytest.mark.parametrize(
    "location", ["../w.bin", "/etc/hostname", "a/../../w.bin", "..\\w.bin", "C:\\w.bin", "", "link"]
)
def test_external_data_outside_the_folder_is_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(24))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "w.bin")
    with pytest.raises(InputError, match=r"tensor 'w' .* outside the model's folder"):
        read_file(saved(folder, model(initializers=[external(location)])))


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (external("gone.bin"), "there is no file"),
        (external("w.bin", length=12), "12 bytes; .* takes 24"),
        (external("w.bin", offset=8), "up to byte 32; the file has 24"),
        (external("w.bin", dims=(-1, 3)), r"has the shape \(-1, 3\)"),
    ],
)
def test_external_data_that_is_not_there_is_named(tensor: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(24))
    with pytest.raises(InputError, match=f"tensor 'w' {said}|'w' .*{said}"):
        read_file(saved(tmp_path, model(initializers=[tensor])))


def test_a_name_of_external_data_that_no_file_can_have_is_no_error_of_the_system(tmp_path: Path) -> None:
    path = saved(tmp_path, model(initializers=[external("a" * 5000)]))
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        read_file(path)


def test_a_model_object_with_external_data_asks_for_the_path() -> None:
    with pytest.raises(InputError, match="tensor 'w'") as caught:
        read_object(model(initializers=[external("w.bin")]))
    assert "path" in caught.value.hint


def test_a_model_that_says_no_opset_is_refused_with_the_line_that_adds_one() -> None:
    proto = model()
    del proto.opset_import[:]
    with pytest.raises(InputError, match="does not say which opset") as caught:
        read_object(proto)
    assert "make_opsetid" in caught.value.hint


def test_two_gibibytes_of_constants_are_refused_before_they_are_read(tmp_path: Path) -> None:
    huge = external("w.bin", dims=(40_000, 40_000), length=6_400_000_000)
    with pytest.raises(CompileError, match=r"5\.96 GiB of constants.*2 GiB.* w \(5\.96 GiB\)"):
        read_file(saved(tmp_path, model(initializers=[huge])))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is no readable ONNX model"),
        (b"\x08\x08", "holds no ONNX graph"),
    ],
)
def test_a_file_that_is_no_model_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.onnx {said}"):
        read_file(tmp_path / "x.onnx")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*gone\.onnx"):
        read_file(tmp_path / "gone.onnx")
    with pytest.raises(InputError, match="is a folder"):
        read_file(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda proto: proto.graph.ClearField("output"), "no outputs"),
        (lambda proto: proto.graph.output.add().CopyFrom(info("y")), "outputs with the same name: y, y"),
        (lambda proto: proto.graph.ClearField("input"), "no inputs"),
        (lambda proto: proto.graph.input.add().CopyFrom(info("x")), "with the same one: x, x"),
        (lambda proto: proto.graph.input[0].ClearField("type"), "input 'x' is of type unknown"),
        (lambda proto: proto.graph.input[0].CopyFrom(info("x", dtype=TensorProto.STRING)), "of type string"),
        (lambda proto: proto.graph.input[0].CopyFrom(info("x", dtype=99)), "of type number 99"),
        (lambda proto: proto.opset_import.add(domain="odd", version=0), "version 0 of the domain 'odd'"),
    ],
)
def test_a_graph_without_a_usable_interface_is_refused(change: Callable[[Any], Any], said: str) -> None:
    proto = model()
    change(proto)
    with pytest.raises(InputError, match=said):
        read_object(proto)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([1.5, -2.0], np.float64), np.float32),
        (np.array([1.5, -2.0], np.float16), np.float32),
        (np.array([1, 2], np.int64), np.int64),
        (np.array(True), np.bool_),
    ],
)
def test_constants_come_in_the_dtype_they_are_computed_in(array: Any, dtype: Any) -> None:
    read = read_tensor(numpy_helper.from_array(array, "w"), None)
    assert read.dtype == dtype
    assert np.array_equal(read, array)


def test_four_bit_integers_are_unpacked() -> None:
    packed = helper.make_tensor("w", TensorProto.INT4, (3,), [-8, 7, 1])
    assert read_tensor(packed, None).tolist() == [-8, 7, 1]


def test_data_that_does_not_fill_the_shape_is_refused() -> None:
    cut = TensorProto(name="w", data_type=FLOAT, dims=(2, 3), raw_data=bytes(20))
    with pytest.raises(InputError, match=r"'w' float32 \(2, 3\) has 20 bytes of data; 24 are needed"):
        read_tensor(cut, None)
