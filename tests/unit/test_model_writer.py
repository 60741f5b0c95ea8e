"""Writing models: what is packed reads back, what is patched changes, and a file is whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from embedl_nb.errors import EmbedlError, InputError
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, replace_constants, unpack, write_file
from embedl_nb.testing import models


def constant(data: bytes, tensor: int, dtype: str = "float32") -> np.ndarray:
    model = schema().ModelT.InitFromPackedBuf(data, 0)
    return np.asarray(model.buffers[model.subgraphs[0].tensors[tensor].buffer].data).view(dtype)


@pytest.mark.parametrize(
    "data",
    [models.conv_relu(), models.quantized_fully_connected(), models.chain(3), models.custom_operator()],
    ids=["conv_relu", "quantized", "chain", "custom"],
)
def test_a_model_survives_being_unpacked_and_packed(data: bytes) -> None:
    again = pack(unpack(data))
    assert read_model(again) == read_model(data)
    assert pack(unpack(again)) == again


def test_constants_are_aligned_to_16_bytes() -> None:
    data = models.conv_relu()
    weights = constant(data, 1).tobytes()
    assert data.index(weights) % 16 == 0


def test_replacing_a_constant_changes_only_its_values() -> None:
    data = models.fully_connected(num_inputs=8, num_outputs=4)
    patched = replace_constants(data, {1: np.full((4, 8), 7, np.float32)})

    assert (constant(patched, 1) == 7).all()
    assert (constant(patched, 2) == constant(data, 2)).all()
    assert read_model(patched) == read_model(data)


@pytest.mark.parametrize(
    ("tensor", "value", "says"),
    [
        (0, np.ones((1, 8), np.float32), "is not a constant"),
        (1, np.ones((4, 9), np.float32), "holds 128 bytes, the new value 144"),
        (1, np.ones((4, 8)), "holds 128 bytes, the new value 256"),
        (99, np.ones(1), "there is no tensor 99"),
    ],
)
def test_a_constant_is_replaced_by_one_of_its_size_only(tensor: int, value: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says):
        replace_constants(models.fully_connected(num_inputs=8, num_outputs=4), {tensor: value})


def test_more_than_a_flatbuffer_can_address_is_refused_before_memory_is_spent() -> None:
    huge = SimpleNamespace(data=range(2**31))
    with pytest.raises(InputError, match=r"2\.00 GiB of constants; a flatbuffer ends at 2 GiB"):
        pack(SimpleNamespace(buffers=[huge], subgraphs=[]))


def test_code_compiled_ahead_of_time_is_not_moved() -> None:
    builder = models.ModelBuilder()
    x = builder.input("x", (1, 4))
    y = builder.operator("CUSTOM", [x], builder.tensor("y", (1, 4)), custom_name="DISPATCH_OP")
    with pytest.raises(InputError, match="compiled ahead of time"):
        unpack(builder.build({"y": y}))


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = write_file(tmp_path / "model.tflite", b"new")
    assert path.read_bytes() == b"new"
    assert write_file(path, b"newer").read_bytes() == b"newer"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tflite"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_file(tmp_path / "model.tflite", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EmbedlError, match=r"model\.tflite .* could not be written: No space left on device"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.tflite"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbedlError, match="nowhere"):
        write_file(tmp_path / "nowhere" / "model.tflite", b"x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_device_or_a_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(InputError, match="pipe is not a regular file"):
        write_file(pipe, b"data")

    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_name_that_is_just_short_enough_is_written(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 255)

    assert write_file(target, b"data").read_bytes() == b"data"


def test_a_name_that_no_file_can_have_is_one_clear_error(tmp_path: Path) -> None:
    for name in ("x" * 256, "nul\0"):
        with pytest.raises(EmbedlError, match="could not be written"):
            write_file(tmp_path / name, b"data")
