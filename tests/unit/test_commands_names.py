"""What a name on a command line means, in a notebook and in a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.commands import NotebookNames, ShellNames
from embedl_nb.errors import InputError, UnknownNameError

RUN_ID = "20261122-170401-3f9a"


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(b"not read here")
    return path


def test_a_variable_comes_before_a_file_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert NotebookNames({"net": 7}).source("net") == 7


def test_a_variable_that_holds_none_is_handed_over() -> None:
    assert NotebookNames({"net": None}).model("net") is None


def test_a_notebook_takes_model_files_too(model_file: Path) -> None:
    assert NotebookNames({}).model(str(model_file)) == model_file


def test_a_suffix_in_capitals_is_one(tmp_path: Path) -> None:
    path = tmp_path / "NET.ONNX"
    path.write_bytes(b"not read here")
    assert NotebookNames({}).source(str(path)) == ShellNames().source(str(path)) == path


def test_a_mistyped_variable_names_the_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="unknown variable 'modle'") as caught:
        NotebookNames({"model": 1, "_model": 2}).model("modle")
    assert caught.value.candidates == ("model",)


def test_a_name_like_no_other_says_what_may_be_passed() -> None:
    with pytest.raises(UnknownNameError) as caught:
        NotebookNames({"x": 1}).samples("results[0]")
    assert "variable" in caught.value.hint


def test_a_file_of_another_kind_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "net.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"net\.zip is neither a model file \(.*\.tflite\)"):
        NotebookNames({}).source(str(tmp_path / "net.zip"))


def test_a_run_id_loads_what_was_recorded(fake_pipeline: Any) -> None:
    assert ShellNames().model(RUN_ID) == "result of load"
    assert NotebookNames({}).result(RUN_ID) == "result of load"
    assert ShellNames().result(RUN_ID[:8]) == "result of load"
    assert [args for _, args, _ in fake_pipeline.calls] == [(RUN_ID,), (RUN_ID,), (RUN_ID[:8],)]


def test_a_shell_says_which_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*gone\.tflite"):
        ShellNames().model(str(tmp_path / "gone.tflite"))


def test_a_shell_refuses_what_is_neither_file_nor_run() -> None:
    with pytest.raises(InputError, match=r"net is neither a model file \(.*\.tflite\), a SavedModel's folder nor"):
        ShellNames().source("net")


def test_named_arrays_are_read_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", image=np.ones((2, 3), np.float32), mask=np.zeros(2))
    arrays = ShellNames().samples(str(tmp_path / "x.npz"))
    assert sorted(arrays) == ["image", "mask"]
    assert arrays["image"].shape == (2, 3)


def test_unnamed_arrays_are_positional(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", *(np.full(1, place) for place in range(11)))
    arrays = ShellNames().samples(str(tmp_path / "x.npz"))
    assert [int(array[0]) for array in arrays] == list(range(11))


def test_arrays_with_a_gap_in_their_numbers_are_read_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", arr_1=np.ones(2))
    assert list(ShellNames().samples(str(tmp_path / "x.npz"))) == ["arr_1"]


def test_one_array_is_itself(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3))
    assert ShellNames().samples(str(tmp_path / "x.npy")).tolist() == [0, 1, 2]


def test_pickled_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([object()], dtype=object))
    with pytest.raises(InputError, match="holds no readable arrays"):
        ShellNames().samples(str(tmp_path / "x.npy"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"something else"])
def test_a_broken_file_of_arrays_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.npz holds no readable arrays"):
        ShellNames().samples(str(tmp_path / "x.npz"))


def test_a_missing_file_of_arrays_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*x\.npz"):
        ShellNames().samples(str(tmp_path / "x.npz"))


def test_other_files_are_no_samples() -> None:
    with pytest.raises(InputError, match=r"x\.png is not an \.npz or \.npy file"):
        ShellNames().samples("x.png")
