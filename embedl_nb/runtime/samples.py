"""Samples as files of arrays, and inputs made up where none were given.

A file holds an array named ``"<i>/<input name>"`` for each input of sample ``i``, and outputs the same way.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError
from embedl_nb.runtime.arrays import load_arrays, save_arrays
from embedl_nb.runtime.dtypes import random_array
from embedl_nb.runtime.session import SignatureInfo

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["first_sample", "random_inputs", "read_samples", "save_outputs"]


def read_samples(inputs_path: str) -> dict[str, Arrays]:
    """Return the samples of a file in order of their number, each an array by input name.

    Raises
    ------
    InputError
        If the file cannot be read or an array's name has no number.
    """
    samples: dict[str, Arrays] = {}
    for key, array in load_arrays(inputs_path).items():
        index, slash, name = key.partition("/")
        if not (slash and index.isdigit()):
            raise InputError(f"array {key!r} in {inputs_path!r} is not named like '0/input'")
        samples.setdefault(index, {})[name] = array
    return dict(sorted(samples.items(), key=lambda item: int(item[0])))


def first_sample(inputs_path: str) -> Arrays:
    """Return the sample of the lowest number.

    Raises
    ------
    InputError
        If there is none.
    """
    samples = read_samples(inputs_path)
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
