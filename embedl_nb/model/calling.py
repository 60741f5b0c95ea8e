"""Check a call's arguments against a signature, and turn real values into a quantized model's integers and back.

In: what the user passed. Out: one array an input, of exactly the shape and dtype that the file names. No model is run
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import SignatureMismatchError, UnknownNameError
from embedl_nb.model.spec import Signature, TensorSpec

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Arguments", "as_integers", "bind_inputs", "pick_signature", "real_values", "restore_outputs", "split_batch"]

# numpy has no type for these; the runtime's worker takes and gives their values in the next larger one.
_CARRIERS = {"bfloat16": "float32", "int4": "int8", "int2": "int8", "uint4": "uint8"}
_RANGES = {"int4": (-8, 7), "int2": (-2, 1), "uint4": (0, 15)}


def pick_signature(signatures: Sequence[Signature], key: str | None) -> Signature:
    """Return the signature named ``key``, the first without a name.

    Raises
    ------
    UnknownNameError
        If there is none; close matches are named.
    """
    if key is None:
        return signatures[0]
    for signature in signatures:
        if signature.key == key:
            return signature
    raise UnknownNameError.among("signature", key, [signature.key for signature in signatures])


Arguments = tuple[list[Any], dict[str, Any]]
"""Of one call: by position, and by name."""


def split_batch(signature: Signature, args: Sequence[Any], named: Mapping[str, Any]) -> list[Arguments]:
    """Split a call with N samples of a model that takes one into N calls.

    Parameters
    ----------
    signature
        What is called.
    args, named
        As the caller passed them: arrays or tensors.

    Returns
    -------
    list
        The call as it is, unless each input and each output of the signature begins with an axis of 1 and all inputs
        that were given have N > 1 there and fit in every other axis. Whether a single call fits is not looked at.
    """
    whole: Arguments = (list(args), dict(named))
    specs = {spec.name: spec for spec in signature.inputs}
    given = [*zip(specs, args, strict=False), *named.items()]
    if not given or any(spec.shape[:1] != (1,) for spec in (*signature.inputs, *signature.outputs)):
        return [whole]
    sizes = {_num_samples(specs[name], value) if name in specs else None for name, value in given}
    num_samples = sizes.pop()
    if sizes or num_samples is None or num_samples < 2:
        return [whole]
    return [
        ([value[i : i + 1] for value in args], {name: value[i : i + 1] for name, value in named.items()})
        for i in range(num_samples)
    ]


def _num_samples(spec: TensorSpec, value: Any) -> int | None:
    """Return how many samples ``value`` holds; None where it is no stack of them."""
    shape = tuple(getattr(value, "shape", ()))
    fits = len(shape) == len(spec.shape) and all(
        size in (-1, got) for size, got in zip(spec.shape[1:], shape[1:], strict=True)
    )
    return int(shape[0]) if fits and shape else None


def bind_inputs(
    signature: Signature, args: Sequence[Any], named: Mapping[str, Any], *, raw: bool = False
) -> dict[str, np.ndarray[Any, Any]]:
    """Match arguments to a signature's inputs and check them.

    Parameters
    ----------
    signature
        What is called.
    args
        Positional arguments, in the signature's order: arrays, torch tensors on any device, or nested lists.
    named
        Arguments by input name.
    raw
        Whether quantized inputs are given as the integers of the file; otherwise they are real values.

    Returns
    -------
    dict of arrays
        By input name, in the signature's order.

    Raises
    ------
    SignatureMismatchError
        If the count, a name, a shape or a dtype does not fit; the message names input, expected and got.
    """
    names = [spec.name for spec in signature.inputs]
    expected = ", ".join(_wanted(spec, raw=raw) for spec in signature.inputs) or "nothing"
    if len(args) > len(names):
        raise SignatureMismatchError(
            f"{len(args)} inputs were given, the model takes {len(names)}", hint=f"it takes {expected}"
        )
    values = dict(zip(names, args, strict=False))
    for name, value in named.items():
        if name not in names:
            raise SignatureMismatchError(f"the model has no input {name!r}", hint=f"it takes {expected}")
        if name in values:
            raise SignatureMismatchError(f"input {name!r} was given twice", hint=f"it takes {expected}")
        values[name] = value
    missing = [name for name in names if name not in values]
    if missing:
        raise SignatureMismatchError(
            f"input {', '.join(missing)} is missing: {len(values)} of {len(names)} were given",
            hint=f"it takes {expected}",
        )
    return {spec.name: _checked(spec, values[spec.name], raw=raw) for spec in signature.inputs}


def _dtype(spec: TensorSpec, *, raw: bool) -> str:
    """Return the dtype that an input is passed in: real values, or the file's integers."""
    return "float32" if spec.is_quantized and not raw else _CARRIERS.get(spec.dtype, spec.dtype)


def _wanted(spec: TensorSpec, *, raw: bool) -> str:
    sizes = ", ".join("?" if size < 0 else str(size) for size in spec.shape)
    return f"{spec.name}: {_dtype(spec, raw=raw)} ({sizes})"


def _checked(spec: TensorSpec, value: Any, *, raw: bool) -> np.ndarray[Any, Any]:
    import numpy as np

    takes_real = spec.is_quantized and not raw
    try:
        dtype = np.dtype(_dtype(spec, raw=raw))
    except TypeError as err:
        raise SignatureMismatchError(
            f"input {spec.name!r} is of type {spec.dtype}, which no array can hold",
            hint="cut the model behind the operators that take it",
        ) from err
    array = _as_array(value, spec.name, wanted=_wanted(spec, raw=raw))
    if not isinstance(value, np.ndarray) and not hasattr(value, "dtype") and _can_become(array, dtype):
        array = array.astype(dtype)  # a list or a number has no type of its own
    if array.dtype != dtype:
        hint = f"convert it: {spec.name}.astype('{dtype}')"
        if spec.is_quantized:
            hint += " (raw=True takes the file's integers)" if takes_real else " (raw=False takes real values)"
        raise SignatureMismatchError(f"input {spec.name!r} is {array.dtype}, expected {dtype}", hint=hint)
    fits = len(array.shape) == len(spec.shape) and all(
        size in (-1, got) for size, got in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        raise SignatureMismatchError(
            f"input {spec.name!r} has shape {array.shape}, expected {_wanted(spec, raw=raw)}",
            hint="reshape it, or compile the model with an example input of this shape",
        )
    if takes_real:
        return as_integers(array, spec)
    if spec.dtype in _RANGES and array.size:
        lowest, highest = _RANGES[spec.dtype]
        if array.min() < lowest or array.max() > highest:
            raise SignatureMismatchError(
                f"input {spec.name!r} holds values from {array.min()} to {array.max()}, which {spec.dtype} cannot hold",
                hint=f"keep them between {lowest} and {highest}",
            )
    return array


def _as_array(value: Any, name: str, *, wanted: str) -> np.ndarray[Any, Any]:
    import numpy as np

    if hasattr(value, "detach"):  # a torch tensor, which may want a gradient or be on a GPU
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as err:
        raise SignatureMismatchError(
            f"input {name!r} cannot be taken as an array: {err}", hint=f"pass {wanted}"
        ) from err
    if array.dtype.kind not in "biufc":
        raise SignatureMismatchError(
            f"input {name!r} is a {type(value).__name__}, not an array of numbers", hint=f"pass {wanted}"
        )
    return array


def _can_become(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> bool:
    """Say whether plain Python numbers keep their value in ``dtype``."""
    import numpy as np

    if dtype.kind == "f":
        return array.dtype.kind in "iuf"
    if dtype.kind in "iu" and array.dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        return bool(limits.min <= array.min() and array.max() <= limits.max)
    return bool(array.dtype.kind == dtype.kind)


def as_integers(array: np.ndarray[Any, Any], spec: TensorSpec) -> np.ndarray[Any, Any]:
    """Return ``round(x / scale) + zero_point``, held to the range of the type."""
    import numpy as np

    scale, zero_point = _scale(spec)
    carrier = np.dtype(_CARRIERS.get(spec.dtype, spec.dtype))
    limits = np.iinfo(carrier)
    lowest, highest = _RANGES.get(spec.dtype, (limits.min, limits.max))
    if np.isnan(array).any():
        raise SignatureMismatchError(
            f"input {spec.name!r} holds NaN, which {spec.dtype} cannot stand for", hint="remove the NaNs"
        )
    integers: np.ndarray[Any, Any] = np.rint(array.astype(np.float64) / scale) + zero_point
    return integers.clip(lowest, highest).astype(carrier)


def restore_outputs(
    signature: Signature, outputs: Mapping[str, np.ndarray[Any, Any]], *, raw: bool = False
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the outputs by name in the signature's order; integers that stand for real values become float32."""
    return {
        spec.name: outputs[spec.name] if raw else real_values(outputs[spec.name], spec) for spec in signature.outputs
    }


def real_values(array: np.ndarray[Any, Any], spec: TensorSpec) -> np.ndarray[Any, Any]:
    """Undo :func:`as_integers`, in float32; what does not stand for real values stays as it is."""
    import numpy as np

    if not spec.is_quantized:
        return array
    scale, zero_point = _scale(spec)
    return ((array.astype(np.float64) - zero_point) * scale).astype(np.float32)


def _scale(spec: TensorSpec) -> tuple[float, int]:
    if spec.quantization is None:
        raise ValueError(f"{spec.name} is not quantized")
    return spec.quantization.first
