"""Data on the disk: a folder of .npy files, one sub-folder an input, .npy, .npz and .h5 files.

Rows are read when they are asked for. Pictures are refused here with the line that takes them, since nobody can guess
their preprocessing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedl_nb.errors import CalibrationError, MissingDependencyError
from embedl_nb.imports import is_installed
from embedl_nb.model.pictures import picture_files
from embedl_nb.model.spec import Signature
from embedl_nb.quantizer.data.items import name_values, read_item
from embedl_nb.quantizer.data.notes import Notes, join_some
from embedl_nb.quantizer.data.sources import Indexed, columns, from_list
from embedl_nb.quantizer.data.stored import StoredArray, stored_members, stored_npy

__all__ = ["from_path"]

_KINDS = "a folder of .npy files, a .npy, .npz or .h5 file"


def from_path(
    path: Path, signature: Signature, notes: Notes, *, scratch: Path, closing: Callable[[Any], None]
) -> Indexed:
    """Open what lies at ``path``.

    Parameters
    ----------
    scratch
        A folder for what must be unpacked.
    closing
        Takes what is to be closed when the data is no longer needed.

    Raises
    ------
    CalibrationError
        If there is nothing, nothing of use, or something damaged.
    MissingDependencyError
        For an .h5 file without h5py.
    """
    try:
        return _opened(path, signature, notes, scratch=scratch, closing=closing)
    except OSError as err:
        raise CalibrationError(f"{str(path)!r} cannot be read: {err}", hint="see who may read it") from err


def _opened(
    path: Path, signature: Signature, notes: Notes, *, scratch: Path, closing: Callable[[Any], None]
) -> Indexed:
    if path.is_dir():
        return _folder(path, signature, notes)
    if not path.is_file():
        raise CalibrationError(f"there is no file or folder {str(path)!r}", hint=f"give the path of {_KINDS}")
    name, suffix = f"the file {path.name}", path.suffix.lower()
    if suffix == ".npy":
        named = name_values(stored_npy(path), signature, notes, where=name)
        return columns(named, signature, notes, description=name)
    if suffix == ".npz":
        return _named_arrays(stored_members(path, scratch), signature, notes, name=name)
    if suffix in (".h5", ".hdf5"):
        return _named_arrays(_datasets(path, closing), signature, notes, name=name)
    raise CalibrationError(
        f"{str(path)!r} is of no kind that is read as samples", hint=f"give {_KINDS}, or enb.images(...) for pictures"
    )


def _named_arrays(arrays: Mapping[str, Any], signature: Signature, notes: Notes, *, name: str) -> Indexed:
    """Read arrays named after inputs, or ``"<sample>/<input name>"``."""
    if arrays and all(re.match(r"\d+/", key) for key in arrays):
        samples: dict[int, dict[str, Any]] = {}
        for key, array in arrays.items():
            number, _, input_name = key.partition("/")
            samples.setdefault(int(number), {})[input_name] = array
        numbers = sorted(samples)
        labels = [f"sample {number}" for number in numbers]
        return from_list([samples[number] for number in numbers], signature, notes, what=name, labels=labels)
    return columns(name_values(arrays, signature, notes, where=name), signature, notes, description=name)


def _datasets(path: Path, closing: Callable[[Any], None]) -> dict[str, Any]:
    if not is_installed("h5py"):
        raise MissingDependencyError("h5py, which reads .h5 files, is not installed", install="pip install h5py")
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as err:
        raise CalibrationError(f"{str(path)!r} is no readable .h5 file: {err}", hint="write it with h5py") from err
    closing(file)
    found: dict[str, Any] = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return found


def _folder(folder: Path, signature: Signature, notes: Notes) -> Indexed:
    names = [spec.name for spec in signature.inputs]
    subfolders = {
        path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")
    }
    if all(name in subfolders for name in names):
        return _input_folders({name: subfolders[name] for name in names}, signature, notes, folder=folder)
    files = _arrays_in(folder)
    if files and len(names) == 1:
        rows = [{names[0]: file} for file in files]
        return _files(
            rows, signature, notes, labels=[path.name for path in files], description=f"the folder {folder.name}"
        )
    raise _useless(folder, files, sorted(subfolders), names)


def _input_folders(subfolders: Mapping[str, Path], signature: Signature, notes: Notes, *, folder: Path) -> Indexed:
    files = {name: _arrays_in(path) for name, path in subfolders.items()}
    for name, found in files.items():
        if not found:
            raise CalibrationError(
                f"the folder {str(subfolders[name])!r} holds no .npy files", hint="put one a sample there"
            )
    first, *others = files
    stems = [path.name for path in files[first]]
    for other in others:
        differing = sorted(set(stems) ^ {path.name for path in files[other]})
        if differing:
            raise CalibrationError(
                f"the folders {first!r} and {other!r} of {str(folder)!r} hold different files: {join_some(differing)}",
                hint="give the files of one sample the same name in every input's folder",
            )
    rows = [dict(zip(files, paths, strict=True)) for paths in zip(*files.values(), strict=True)]
    return _files(rows, signature, notes, labels=stems, description=f"the folder {folder.name}")


def _files(
    rows: Sequence[Mapping[str, Path]], signature: Signature, notes: Notes, *, labels: Sequence[str], description: str
) -> Indexed:
    """Read files that hold one sample each; where the first holds several, each may hold any number."""

    def opened(index: int) -> Mapping[str, StoredArray]:
        return {name: stored_npy(path) for name, path in rows[index].items()}

    if read_item(opened(0), signature, notes, where=labels[0]).count != 1:
        arrays = [opened(index) for index in range(len(rows))]
        return from_list(arrays, signature, notes, what=f"{description} ({len(rows)} files)", labels=labels)

    def read(index: int) -> Any:
        batch = read_item(opened(index), signature, notes, where=labels[index])
        if batch.count != 1:
            raise CalibrationError(
                f"{labels[index]} holds {batch.count} samples where {labels[0]} holds one",
                hint="store one sample in every file, or several in every one",
            )
        return batch.sample(0)

    return Indexed(
        description=f"{description} ({len(rows)} files)", count=len(rows), read=read, label=labels.__getitem__
    )


def _arrays_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.npy") if not path.name.startswith("."))


def _useless(folder: Path, files: Sequence[Path], subfolders: Sequence[str], names: Sequence[str]) -> CalibrationError:
    """Say why a folder cannot be read, and what would make it readable."""
    where = f"the folder {str(folder)!r}"
    if files:
        return CalibrationError(
            f"{where} holds .npy files, and the model takes {len(names)} inputs",
            hint=f"make one sub-folder an input: {', '.join(names)}",
        )
    if picture_files(folder):
        return CalibrationError(
            f"{where} holds pictures, and their preprocessing is not known",
            hint=f"say how the model takes them: enb.images({str(folder)!r}, size=224, mean=..., std=...)",
        )
    if subfolders:
        return CalibrationError(
            f"{where} has the sub-folders {join_some(subfolders)}, and the model's inputs are {', '.join(names)}",
            hint="name the sub-folders after the inputs, or give a folder that holds the .npy files itself",
        )
    held = sorted(path.name for path in folder.iterdir())
    return CalibrationError(f"{where} holds no samples: {join_some(held) or 'it is empty'}", hint=f"give {_KINDS}")
