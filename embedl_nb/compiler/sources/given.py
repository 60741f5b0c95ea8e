"""How example inputs are written, whatever model they are for: one sample or a list of them, positional or by name.

In: what the caller gave. Out: samples, and their values by the names that a model declares. What a value must be is the
business of those who know the model (samples.py, onnx/interface.py, keras/binding.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError, SignatureMismatchError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["WAYS", "as_array", "by_name", "listed", "place_of"]

WAYS = "one sample is an array, a tuple of positional inputs or a dict by input name; a list holds several samples"


def listed(example_inputs: Any) -> list[Any]:
    """Return the samples: a list always holds several.

    Raises
    ------
    InputError
        If it is empty.
    """
    samples = example_inputs if isinstance(example_inputs, list) else [example_inputs]
    if not samples:
        raise InputError("example_inputs is an empty list", hint=WAYS)
    return samples


def place_of(index: int, num_samples: int) -> str:
    """Say which sample an error is about, "" of the only one."""
    return f"sample {index}: " if num_samples > 1 else ""


def by_name(sample: Any, declared: Mapping[str, Any], *, place: str) -> dict[str, Any]:
    """Return a sample's values by the names of ``declared``, in its order; the declarations are shown in errors.

    Raises
    ------
    SignatureMismatchError
        If there are too many, too few or others; ``place`` (see :func:`place_of`) begins the error.
    """
    shown = ", ".join(map(str, declared.values()))
    if not isinstance(sample, Mapping):
        values: Sequence[Any] = sample if isinstance(sample, tuple) else (sample,)
        if len(values) != len(declared):
            raise SignatureMismatchError(
                f"{place}{len(values)} inputs were given, and the model takes {len(declared)}: {shown}", hint=WAYS
            )
        return dict(zip(declared, values, strict=True))
    odd = next((name for name in (*sample, *declared) if name not in sample or name not in declared), None)
    if odd is not None:
        what = "has no input" if odd in sample else "also needs"
        raise SignatureMismatchError(
            f"{place}the model {what} {str(odd)!r}; it takes {shown}", hint="give a dict with just these names"
        )
    return {name: sample[name] for name in declared}


def as_array(value: Any, name: str, *, place: str = "") -> np.ndarray[Any, Any]:
    """Return numbers, an array or a tensor as an array.

    Raises
    ------
    InputError
        If it is none of them.
    """
    import numpy as np

    kind = type(value).__name__
    if not (value is None or isinstance(value, str | bytes | Mapping)):
        try:
            array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        except (TypeError, ValueError, RuntimeError) as err:
            raise InputError(f"{place}input {name!r} is a {kind}, which is no array of numbers", hint=WAYS) from err
        if array.dtype.kind in "biuf":
            return array
        kind = f"{kind} of {array.dtype}"
    raise InputError(f"{place}input {name!r} is a {kind}, which is no array of numbers", hint=WAYS)
