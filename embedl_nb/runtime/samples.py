"""The measured sample: read from a file, or made up where none was given; and its outputs in a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError
from embedl_nb.runtime.arrays import by_sample, load_arrays, save_arrays
from embedl_nb.runtime.dtypes import random_array
from embedl_nb.runtime.session import SignatureInfo

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["first_sample", "random_inputs", "save_outputs"]


def first_sample(inputs_path: str) -> Arrays:
    """Return the sample of the lowest number in a file.

    Raises
    ------
    InputError
        If there is none, or the file cannot be read.
    """
    samples = by_sample(load_arrays(inputs_path))
    if not samples:
        raise InputError(f"{inputs_path!r} holds no sample", hint="store arrays named like '0/input'")
    return next(iter(samples.values()))


def random_inputs(signature: SignatureInfo, seed: int) -> Arrays:
    """Return random inputs, the same for the same seed.

    Raises
    ------
    InputError
        If a shape is open.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    for tensor in signature.inputs:
        if -1 in tensor.shape:
            raise InputError(
                f"input {tensor.name!r} has the open shape {tensor.shape}, which random inputs cannot fill",
                hint="give inputs of the size to measure",
            )
    return {tensor.name: random_array(rng, tensor.kind, tensor.shape) for tensor in signature.inputs}


def save_outputs(outputs: Arrays) -> str:
    """Write outputs to a file that the caller reads and removes."""
    fd, path = tempfile.mkstemp(prefix="embedl_nb-outputs-", suffix=".npz")
    os.close(fd)
    try:
        save_arrays(path, outputs)
    except BaseException:
        Path(path).unlink()
        raise
    return path
