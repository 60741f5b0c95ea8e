"""Data on the disk: .npy, .npz, .h5, folders; damaged, pickled, misnamed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import CalibrationError, MissingDependencyError
from embedl_nb.model import LiteRTModel
from embedl_nb.quantizer.data import DataReport, read_data
from embedl_nb.runtime.arrays import save_arrays
from embedl_nb.testing import models

Array = np.ndarray[Any, Any]


@pytest.fixture
def vector(tmp_path: Path) -> LiteRTModel:
    """Input ``x`` (1, 8)."""
    return LiteRTModel.open(models.write(tmp_path, models.fully_connected()))


@pytest.fixture
def pair(tmp_path: Path) -> LiteRTModel:
    """Inputs ``a`` and ``b`` (1, 4)."""
    return LiteRTModel.open(models.write(tmp_path, models.add()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


def rows(count: int, size: int = 8) -> Array:
    return np.random.default_rng(1).standard_normal((count, size)).astype(np.float32)


def all_rows(source: Path | str, model: LiteRTModel, name: str = "x") -> tuple[Array, DataReport]:
    """Return every sample of one input, sorted by its first value, and the report."""
    with read_data(source, model) as data:
        read = [sample[name][0] for sample in (*data.calibration(), *data.held_out())]
        return np.array(sorted(read, key=lambda row: float(row[0]))), data.report


def in_order(values: Array) -> Array:
    return values[np.argsort(values[:, 0])]


def test_an_npy_file_holds_samples_along_its_first_axis(vector: LiteRTModel, folder: Path) -> None:
    np.save(folder / "x.npy", rows(20))

    read, report = all_rows(str(folder / "x.npy"), vector)

    assert np.array_equal(read, in_order(rows(20)))
    assert report.source == "the file x.npy"


def test_an_npy_file_in_fortran_order_is_read_alike(vector: LiteRTModel, folder: Path) -> None:
    np.save(folder / "x.npy", np.asfortranarray(rows(20)))

    assert np.array_equal(all_rows(folder / "x.npy", vector)[0], in_order(rows(20)))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_file_holds_an_array_an_input(pair: LiteRTModel, folder: Path, save: Any) -> None:
    save(folder / "x.npz", a=rows(20, 4), b=-rows(20, 4), labels=np.arange(20))

    read, report = all_rows(folder / "x.npz", pair, "a")

    assert np.array_equal(read, in_order(rows(20, 4)))
    assert "labels is no input of the model and left out" in report.notices


def test_an_npz_file_may_hold_one_array_a_sample(pair: LiteRTModel, folder: Path) -> None:
    values = rows(12, 4)
    samples = {f"{i}/{name}": row[None] for i, row in enumerate(values) for name in "ab"}
    save_arrays(folder / "x.npz", samples)

    assert np.array_equal(all_rows(folder / "x.npz", pair, "b")[0], in_order(values))


def test_the_only_array_needs_no_name(vector: LiteRTModel, folder: Path) -> None:
    np.savez(folder / "x.npz", rows(20))

    read, report = all_rows(folder / "x.npz", vector)

    assert len(read) == 20
    assert "'arr_0' is taken as the model's only input, 'x'" in report.notices


def test_arrays_under_other_names_are_listed(vector: LiteRTModel, folder: Path) -> None:
    np.savez(folder / "x.npz", train=rows(20), test=rows(20))

    with pytest.raises(CalibrationError, match=r"the file x.npz has no 'x': it holds train, test"):
        read_data(folder / "x.npz", vector)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_pickled_objects_are_never_read(vector: LiteRTModel, folder: Path, name: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (folder.joinpath("boom").mkdir, ())

    objects = np.array([Bomb()] * 8, dtype=object)
    if name.endswith("z"):
        np.savez(folder / name, x=objects)
    else:
        np.save(folder / name, objects)

    with pytest.raises(CalibrationError, match="holds pickled objects"):
        read_data(folder / name, vector)
    assert not (folder / "boom").exists()


def test_a_file_that_was_cut_off_is_named(vector: LiteRTModel, folder: Path) -> None:
    np.save(folder / "x.npy", rows(20))
    data = (folder / "x.npy").read_bytes()
    for length, message in ((len(data) - 1, "is cut off"), (40, "no readable .npy"), (0, "no readable .npy")):
        (folder / "x.npy").write_bytes(data[:length])
        with pytest.raises(CalibrationError, match=message):
            read_data(folder / "x.npy", vector)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_npz_file_is_named(vector: LiteRTModel, folder: Path, save: Any) -> None:
    save(folder / "x.npz", x=rows(200))
    data = bytearray((folder / "x.npz").read_bytes())
    data[40:100] = b"?" * 60
    (folder / "x.npz").write_bytes(data)

    with pytest.raises(CalibrationError, match=r"x.npz'.* is no readable \.np[yz] file"):
        read_data(folder / "x.npz", vector)

    (folder / "x.npz").write_bytes(data[:100])
    with pytest.raises(CalibrationError, match=r"is no readable \.npz file"):
        read_data(folder / "x.npz", vector)


def test_an_empty_npz_file_is_refused(vector: LiteRTModel, folder: Path) -> None:
    zipfile.ZipFile(folder / "x.npz", "w").close()

    with pytest.raises(CalibrationError, match="it holds nothing"):
        read_data(folder / "x.npz", vector)


def test_a_folder_holds_one_sample_a_file(vector: LiteRTModel, folder: Path) -> None:
    for index, row in enumerate(rows(10)):
        np.save(folder / f"{index:02}.npy", row)
    (folder / "README.txt").write_text("ten samples")

    read, report = all_rows(folder, vector)

    assert np.array_equal(read, in_order(rows(10)))
    assert report.inputs[0].minimum_sample.endswith(".npy")


def test_a_folder_may_hold_several_samples_a_file(vector: LiteRTModel, folder: Path) -> None:
    np.save(folder / "a.npy", rows(10)[:7])
    np.save(folder / "b.npy", rows(10)[7:])

    read, report = all_rows(folder, vector)

    assert np.array_equal(read, in_order(rows(10)))
    assert report.inputs[0].maximum_sample.startswith("row ")


def test_a_file_of_another_shape_is_named(vector: LiteRTModel, folder: Path) -> None:
    for index, row in enumerate(rows(5)):
        np.save(folder / f"{index}.npy", row)
    np.save(folder / "9.npy", np.zeros(7, np.float32))

    with pytest.raises(CalibrationError, match=r"9.npy: input 'x' has shape \(7,\)"):
        read_data(folder, vector)


def test_a_sub_folder_an_input_pairs_files_of_one_name(pair: LiteRTModel, folder: Path) -> None:
    for name, sign in (("a", 1), ("b", -1)):
        (folder / name).mkdir()
        for index, row in enumerate(rows(8, 4)):
            np.save(folder / name / f"{index}.npy", sign * row)

    with read_data(folder, pair) as data:
        assert all((sample["a"] == -sample["b"]).all() for sample in data.calibration())
        assert data.report.num_available == 8

    (folder / "b" / "3.npy").unlink()
    with pytest.raises(CalibrationError, match=r"hold different files: 3\.npy"):
        read_data(folder, pair)


def test_sub_folders_that_are_no_inputs_are_named(pair: LiteRTModel, folder: Path) -> None:
    (folder / "cats").mkdir()
    (folder / "dogs").mkdir()

    with pytest.raises(CalibrationError, match="sub-folders cats, dogs, and the model's inputs are a, b"):
        read_data(folder, pair)


def test_one_folder_for_two_inputs_says_how_to_arrange_it(pair: LiteRTModel, folder: Path) -> None:
    np.save(folder / "1.npy", np.zeros(4, np.float32))

    with pytest.raises(CalibrationError, match="takes 2 inputs") as caught:
        read_data(folder, pair)
    assert caught.value.hint == "make one sub-folder an input: a, b"


def test_an_empty_sub_folder_is_named(pair: LiteRTModel, folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "b").mkdir()

    with pytest.raises(CalibrationError, match=r"a' holds no \.npy files"):
        read_data(folder, pair)


def test_an_empty_folder_is_refused(vector: LiteRTModel, folder: Path) -> None:
    with pytest.raises(CalibrationError, match="holds no samples: it is empty"):
        read_data(folder, vector)


def test_a_folder_of_pictures_is_refused_with_the_line_that_takes_it(vector: LiteRTModel, folder: Path) -> None:
    (folder / "cats").mkdir()
    (folder / "cats" / "1.JPG").write_bytes(b"?")

    with pytest.raises(CalibrationError, match="their preprocessing is not known") as caught:
        read_data(folder, vector)
    assert f"enb.images('{folder}', size=224" in caught.value.hint


def test_a_path_without_anything_is_named(vector: LiteRTModel, folder: Path) -> None:
    with pytest.raises(CalibrationError, match=r"there is no file or folder '.*nowhere'"):
        read_data(str(folder / "nowhere"), vector)


def test_a_file_that_goes_away_is_named(vector: LiteRTModel, folder: Path) -> None:
    np.save(folder / "x.npy", rows(20))

    with read_data(folder / "x.npy", vector) as data:
        (folder / "x.npy").unlink()
        with pytest.raises(CalibrationError, match=r"x\.npy' cannot be read any more"):
            next(data.calibration())


def test_a_file_of_another_kind_is_refused(vector: LiteRTModel, folder: Path) -> None:
    (folder / "x.csv").write_text("1,2")

    with pytest.raises(CalibrationError, match="is of no kind that is read as samples"):
        read_data(folder / "x.csv", vector)


def test_an_h5_file_without_h5py_says_how_to_install_it(
    vector: LiteRTModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedl_nb.quantizer.data.paths.is_installed", lambda module: False)
    (folder / "x.h5").write_bytes(b"?")

    with pytest.raises(MissingDependencyError, match="h5py") as caught:
        read_data(folder / "x.h5", vector)
    assert caught.value.install == "pip install h5py"


def test_an_h5_file_holds_a_dataset_an_input(pair: LiteRTModel, folder: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "x.h5", "w") as file:
        file["a"], file["b"] = rows(20, 4), -rows(20, 4)

    read, _ = all_rows(folder / "x.h5", pair, "a")

    assert np.array_equal(read, in_order(rows(20, 4)))


def test_what_is_no_h5_file_is_named(vector: LiteRTModel, folder: Path) -> None:
    pytest.importorskip("h5py")
    (folder / "x.h5").write_bytes(b"?")

    with pytest.raises(CalibrationError, match=r"is no readable \.h5 file"):
        read_data(folder / "x.h5", vector)
