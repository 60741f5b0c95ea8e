"""Arrays in files: what passes between the parent and a child, and what is kept as samples. Plain .npz, no pickle.

Inputs and outputs are named ``"<sample>/<name>"``, samples counted from 0.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["by_sample", "join_samples", "load_arrays", "save_arrays", "take_arrays"]

_STORABLE_KINDS = "biufc"


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write ``arrays`` by name into one .npz file, uncompressed; the file appears whole or not at all.

    Raises
    ------
    InputError
        For a dtype that the format cannot hold without pickle (objects, bfloat16).
    OSError
        If the disk is full or the folder cannot be written.
    """
    import numpy as np

    path = Path(path)
    checked = {name: _checked(name, array) for name, array in arrays.items()}
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        # numpy.savez takes names as keyword arguments and so cannot store an array named "file".
        with os.fdopen(fd, "wb") as stream, zipfile.ZipFile(stream, "w", allowZip64=True) as archive:
            for name, array in checked.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_arrays(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read all arrays of a .npz file.

    Raises
    ------
    InputError
        If the file is missing, is no .npz, is damaged, or holds pickled objects.
    """
    import numpy as np

    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds one bare array")
        with archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as err:
        raise InputError(f"there is no array file {str(path)!r}") from err
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as err:
        raise InputError(f"{str(path)!r} is not a readable .npz file of plain arrays: {err}") from err


def take_arrays(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read all arrays of a .npz file that nobody else needs, and remove it.

    Raises
    ------
    InputError
        See :func:`load_arrays`; the file is gone all the same.
    """
    try:
        return load_arrays(path)
    finally:
        Path(path).unlink(missing_ok=True)


def by_sample(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[int, dict[str, np.ndarray[Any, Any]]]:
    """Group arrays named ``"<sample>/<name>"`` by sample, in order of their numbers.

    Raises
    ------
    InputError
        If a name has no number.
    """
    samples: dict[int, dict[str, np.ndarray[Any, Any]]] = {}
    for key, array in arrays.items():
        number, slash, name = key.partition("/")
        if not (slash and number.isascii() and number.isdigit()):
            raise InputError(f"array {key!r} is not named like '0/input'", hint="name it <sample>/<name>")
        samples.setdefault(int(number), {})[name] = array
    return dict(sorted(samples.items()))


def join_samples(samples: Iterable[Mapping[str, np.ndarray[Any, Any]]]) -> dict[str, np.ndarray[Any, Any]]:
    """Undo :func:`by_sample`: name every array ``"<sample>/<name>"``.

    Examples
    --------
    >>> join_samples([{"x": 1}, {"x": 2}])  # type: ignore[dict-item]  # any value has a name
    {'0/x': 1, '1/x': 2}
    """
    return {f"{number}/{name}": array for number, sample in enumerate(samples) for name, array in sample.items()}


def _checked(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    array = np.asarray(array)
    if array.dtype.kind not in _STORABLE_KINDS:
        raise InputError(
            f"array {name!r} has dtype {array.dtype}, which a .npz file cannot hold",
            hint="convert it to float32 (or another plain number type) first",
        )
    return array
