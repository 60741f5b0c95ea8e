"""What runs were fed with, kept by hash in the data folder: ``samples/<sha256>.npz``. Plain arrays, never pickle.

Kept so that a run can be done again; not a part of what is exported or uploaded.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import config
from embedl_nb.errors import UnknownNameError
from embedl_nb.runtime.arrays import load_arrays, save_arrays

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LARGEST_BYTES", "find_samples", "keep_samples"]

LARGEST_BYTES = 64 * 2**20
"""More than this of one call is not kept."""


def keep_samples(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Keep arrays by name and return their file's hash; the same arrays are kept once.

    Raises
    ------
    InputError
        For a dtype that is no plain number.
    OSError
        If there is no room for them.
    """
    folder = _folder()
    with tempfile.TemporaryDirectory(prefix=".keeping-", dir=folder) as work:
        file = Path(work) / "samples.npz"
        save_arrays(file, arrays)
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        file.replace(folder / f"{sha256}.npz")
    return sha256


def find_samples(sha256: str) -> dict[str, np.ndarray[Any, Any]]:
    """Return the kept arrays with this hash.

    Raises
    ------
    UnknownNameError
        If they are not here, or their file is no longer what it was.
    """
    file = _folder() / f"{sha256}.npz"
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
        raise UnknownNameError(f"no kept samples have the hash {sha256[:12]!r} in {file.parent}")
    return load_arrays(file)


def _folder() -> Path:
    path = config.data_dir() / "samples"
    path.mkdir(parents=True, exist_ok=True)
    return path
