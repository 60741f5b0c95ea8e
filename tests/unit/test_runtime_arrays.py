"""Arrays in files, without pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedl_nb.errors import InputError
from embedl_nb.runtime.arrays import by_sample, load_arrays, save_arrays, take_arrays


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int8", "int64", "uint8", "bool", "complex64"])
def test_arrays_come_back_as_they_were(tmp_path: Path, dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    save_arrays(tmp_path / "a.npz", {"0/x": array})
    back = load_arrays(tmp_path / "a.npz")["0/x"]
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


@pytest.mark.parametrize("name", ["0/file", "file", "arr_0", "0/a b;c", "0/ü.npy"])
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    save_arrays(tmp_path / "a.npz", {name: np.ones(2), "other": np.zeros(0)})
    assert set(load_arrays(tmp_path / "a.npz")) == {name, "other"}


def test_a_scalar_and_a_transposed_array_come_back(tmp_path: Path) -> None:
    arrays = {"scalar": np.array(3.5), "transposed": np.arange(6).reshape(2, 3).T}
    save_arrays(tmp_path / "a.npz", arrays)
    back = load_arrays(tmp_path / "a.npz")
    assert back["scalar"].shape == ()
    assert np.array_equal(back["transposed"], arrays["transposed"])


@pytest.mark.parametrize("array", [np.array([object()]), np.array(["text"]), np.zeros(2, "V2"), np.zeros(2, "M8[s]")])
def test_a_dtype_that_needs_pickle_is_refused_by_name(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(InputError, match="'odd'"):
        save_arrays(tmp_path / "a.npz", {"odd": array})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.npz"):
        load_arrays(tmp_path / "nothing.npz")


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_arrays(path, {"x": np.ones(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"a\.npz"):
        load_arrays(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY garbage"])
def test_a_foreign_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz"):
        load_arrays(path)


def test_a_plain_npy_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(2))
    with pytest.raises(InputError, match=r"a\.npy"):
        load_arrays(tmp_path / "a.npy")


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"a\.npz"):
        load_arrays(tmp_path / "a.npz")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_arrays(path, {"x": np.ones(2)})
    with pytest.raises(InputError):
        save_arrays(path, {"x": np.array([object()])})
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npz"]
    assert np.array_equal(load_arrays(path)["x"], np.ones(2))


def test_arrays_that_are_taken_leave_no_file(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.npz", {"0/x": np.ones(2)})
    assert take_arrays(tmp_path / "a.npz")["0/x"].tolist() == [1, 1]
    (tmp_path / "b.npz").write_bytes(b"damaged")
    with pytest.raises(InputError):
        take_arrays(tmp_path / "b.npz")
    assert list(tmp_path.iterdir()) == []


def test_samples_are_in_the_order_of_their_numbers() -> None:
    x = np.zeros(1)
    assert by_sample({"10/x": x, "2/x": x, "2/y/z": x}) == {2: {"x": x, "y/z": x}, 10: {"x": x}}


@pytest.mark.parametrize("name", ["x", "/x", "a/x", "-1/x", "²/x"])
def test_an_array_of_no_sample_is_named(name: str) -> None:
    with pytest.raises(InputError, match="is not named like '0/input'"):
        by_sample({name: np.zeros(1)})
