"""The one place that tells the kinds of data apart, and the made-up samples of ``"random"``.

In: whatever the user gave. Out: samples by number or as a stream, from the module that reads that kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import CalibrationError
from embedl_nb.model.spec import Signature, TensorSpec
from embedl_nb.quantizer.data.items import Sample, array_dtype, name_values
from embedl_nb.quantizer.data.notes import Notes
from embedl_nb.quantizer.data.paths import from_path
from embedl_nb.quantizer.data.pictures import ImageSet
from embedl_nb.quantizer.data.report import DataKind
from embedl_nb.quantizer.data.shapes import sample_shape
from embedl_nb.quantizer.data.sources import Indexed, Stream, columns, from_list, from_object

if TYPE_CHECKING:
    import numpy as np

__all__ = ["of_signature", "open_data", "random_data"]


def open_data(
    data: Any, signature: Signature, notes: Notes, *, scratch: Path, closing: Callable[[Any], None]
) -> Indexed | Stream:
    """Open what the user gave, apart from ``"random"``.

    Parameters
    ----------
    scratch
        A folder for what must be unpacked.
    closing
        Takes what is to be closed when the data is no longer needed.

    Raises
    ------
    CalibrationError
        If it is nothing that holds samples, or its first look shows that it does not fit.
    MissingDependencyError
        If a package that reads it is not installed.
    """
    names = [spec.name for spec in signature.inputs]
    if isinstance(data, str | Path):
        return from_path(Path(data).expanduser(), signature, notes, scratch=scratch, closing=closing)
    if isinstance(data, ImageSet):
        values = name_values(data, signature, notes, where="the set of pictures")
        return columns(values, signature, notes, description=f"the pictures of {data.source}")
    if isinstance(data, Mapping):
        values = name_values(data, signature, notes, where="the data")
        return columns(values, signature, notes, description=f"a dict of {', '.join(names)}")
    if hasattr(data, "to_numpy") and hasattr(data, "iloc"):  # a pandas column; its [i] goes by label
        if getattr(data, "ndim", 1) != 1:
            raise CalibrationError("the data is a table", hint="give one column, or frame.to_numpy(dtype='float32')")
        data = list(data)
    if hasattr(data, "shape") and hasattr(data, "dtype"):
        name = "a tensor" if hasattr(data, "detach") else "an array"
        values = name_values(data, signature, notes, where=name)
        return columns(values, signature, notes, description=name)
    if isinstance(data, list | tuple):
        return from_list(_listed(data), signature, notes, what=f"a {type(data).__name__} of {len(data)} elements")
    return from_object(data, signature, notes)


def _listed(data: Sequence[Any]) -> Sequence[Any]:
    """Refuse a list of paths, which says nothing of how the files are to be read."""
    if data and isinstance(data[0], str | Path):
        raise CalibrationError(
            "the data is a list of paths, and how to read them is not known",
            hint="for pictures: enb.images(paths, size=224, mean=..., std=...); for .npy files give their folder",
        )
    return data


def of_signature(data: Any, signature: Signature, keys: Sequence[str]) -> Any:
    """Pick a signature's part of ``{signature_key: data}``; anything else is returned as it is.

    Raises
    ------
    CalibrationError
        If there is no data for the signature.
    """
    if not isinstance(data, Mapping) or not data:
        return data
    if any(spec.name in data for spec in signature.inputs) or not all(key in keys for key in data):
        return data
    if signature.key not in data:
        raise CalibrationError(
            f"there is data for {', '.join(map(repr, data))}, and none for the signature {signature.key!r}",
            hint=f"add it: {{{signature.key!r}: ...}}",
        )
    return data[signature.key]


def random_data(signature: Signature, *, count: int, seed: int, limits: Mapping[str, int]) -> Indexed:
    """Make up samples: normal values for floats, whole numbers for integers.

    Parameters
    ----------
    limits
        By input name, the rows of the table that its integers pick from; without one they are 0 or 1.

    Raises
    ------
    CalibrationError
        If a size other than the batch may vary, so that nobody knows what to make up.
    """
    for spec in signature.inputs:
        if -1 in sample_shape(spec):
            raise CalibrationError(
                f"input {spec.name!r} has sizes that may vary, so random data cannot be made", hint="give real samples"
            )

    def read(index: int) -> Sample:
        import numpy as np

        rng = np.random.default_rng((seed, index))
        return {spec.name: _random_array(rng, spec, limits.get(spec.name, 2)) for spec in signature.inputs}

    return Indexed(
        description=f"random values (seed {seed})",
        count=count,
        read=read,
        label="random sample {}".format,
        kind=DataKind.RANDOM,
    )


def _random_array(rng: np.random.Generator, spec: TensorSpec, num_rows: int) -> np.ndarray[Any, Any]:
    """Return values of one input: standard normal, any whole number of small types, row numbers for wide ones."""
    import numpy as np

    dtype, shape = array_dtype(spec), sample_shape(spec)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    # Wide integers are mostly indices and token numbers, where a large value would leave the table.
    limits = np.iinfo(dtype)
    low, high = (int(limits.min), int(limits.max) + 1) if dtype.itemsize <= 2 else (0, num_rows)
    return rng.integers(low, high, shape).astype(dtype)
