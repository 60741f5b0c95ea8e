"""One item of the user's data - an array, a tuple, a dict, a batch of a loader - as samples by input name.

In: whatever a list, a generator or a data set holds. Out: numpy arrays of the model's shapes, in the dtype that was
given; values are judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import CalibrationError
from embedl_nb.model.spec import Signature, TensorSpec
from embedl_nb.quantizer.data.notes import Notes, join_some
from embedl_nb.quantizer.data.shapes import Fit, must_fit

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "Batch",
    "Sample",
    "array_dtype",
    "must_agree",
    "name_values",
    "read_item",
    "shape_of",
    "sizeable",
    "take_rows",
    "to_array",
]

# numpy has no type for these; the runtime takes their values in the next larger one.
_CARRIERS = {"bfloat16": "float32", "int4": "int8", "int2": "int8", "uint4": "uint8"}

Sample = dict[str, "Array"]


@dataclass(frozen=True, slots=True)
class Batch:
    """An item's values by input name, and how each is cut into samples."""

    signature: Signature
    values: Mapping[str, Any]
    fits: Mapping[str, Fit]

    @property
    def count(self) -> int:
        """Samples in it."""
        return min(fit.count for fit in self.fits.values())

    def sample(self, index: int) -> Sample:
        """Return one sample, each array of the model's shape."""
        return {
            spec.name: take_rows(self.values[spec.name], self.fits[spec.name], index, spec)
            for spec in self.signature.inputs
        }


def read_item(item: Any, signature: Signature, notes: Notes, *, where: str) -> Batch:
    """Name an item's values and see how many samples it holds.

    Parameters
    ----------
    where
        What the item is, for errors: ``"sample 3"``.

    Raises
    ------
    CalibrationError
        If an input is missing, or something has the wrong shape.
    """
    named = name_values(item, signature, notes, where=where)
    values = {spec.name: sizeable(named[spec.name], spec, where=where) for spec in signature.inputs}
    fits = {spec.name: must_fit(shape_of(values[spec.name]), spec, where=where) for spec in signature.inputs}
    must_agree({name: fit.count for name, fit in fits.items()}, where=where)
    if any(fit.num_left_over for fit in fits.values()):
        notes.notice("samples at the end of an array that do not fill a batch of the model are left out")
    return Batch(signature, values, fits)


def must_agree(counts: Mapping[str, int], *, where: str) -> None:
    """Check that every input has as many samples.

    Raises
    ------
    CalibrationError
        Naming each input's count.
    """
    if len(set(counts.values())) > 1:
        each = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise CalibrationError(
            f"{where}: the inputs differ in how many samples they have: {each}",
            hint="give every input an array with the same first axis",
        )


def name_values(item: Any, signature: Signature, notes: Notes, *, where: str) -> dict[str, Any]:
    """Return an item's values by input name; what is no input (a label) is left out and noted."""
    names = [spec.name for spec in signature.inputs]
    if isinstance(item, Mapping):
        return _by_name(item, names, notes, where=where)
    if not _is_row_of_values(item) or (len(names) == 1 and _is_row_of_numbers(item, signature.inputs[0])):
        if len(names) > 1:
            raise CalibrationError(
                f"{where} is one {type(item).__name__}, and the model takes {len(names)} inputs ({', '.join(names)})",
                hint="give each sample as a dict by input name, or as a tuple in this order",
            )
        return {names[0]: item}
    if len(item) == 2 and len(names) > 1 and (isinstance(item[0], Mapping) or _is_row_of_values(item[0])):
        notes.notice("of each item (inputs, label) the label is left out")
        return name_values(item[0], signature, notes, where=where)
    if len(item) < len(names):
        raise CalibrationError(
            f"{where} holds {len(item)} values, and the model takes {len(names)} inputs ({', '.join(names)})",
            hint="give each sample as a dict by input name, or as a tuple in this order",
        )
    if len(names) == 1 and len(item) > 1 and isinstance(item[0], Mapping):
        notes.notice("of each item (inputs, label) the label is left out")
        return name_values(item[0], signature, notes, where=where)
    if len(item) > len(names):
        taken = "the first value is" if len(names) == 1 else f"the first {len(names)} values are"
        notes.notice(f"of each item of {len(item)} values {taken} taken; the others (labels) are left out")
    return dict(zip(names, item, strict=False))


def _by_name(item: Mapping[Any, Any], names: Sequence[str], notes: Notes, *, where: str) -> dict[str, Any]:
    missing = [name for name in names if name not in item]
    keys = [str(key) for key in item]
    if missing and len(names) == 1 and len(keys) == 1:
        notes.notice(f"{keys[0]!r} is taken as the model's only input, {names[0]!r}")
        return {names[0]: next(iter(item.values()))}
    if missing:
        raise CalibrationError(
            f"{where} has no {' and no '.join(map(repr, missing))}: it holds {join_some(keys) or 'nothing'}",
            hint=f"name the values after the model's inputs: {', '.join(names)}",
        )
    others = [key for key in keys if key not in names]
    if others:
        notes.notice(f"{join_some(others)} {'is' if len(others) == 1 else 'are'} no input of the model and left out")
    return {name: item[name] for name in names}


def _is_row_of_values(item: Any) -> bool:
    """Say whether a tuple or list holds a value for each input, rather than the numbers of one array."""
    if isinstance(item, tuple):
        return True
    return isinstance(item, list) and any(getattr(part, "shape", ()) or _is_nest(part) for part in item)


def _is_row_of_numbers(item: Any, spec: TensorSpec) -> bool:
    """Say whether a tuple is the last axis of one array, as a table's rows are: one number for each element."""
    numbers = all(isinstance(part, int | float) for part in item)
    return numbers and len(item) > 1 and spec.shape[-1:] == (len(item),)


def _is_nest(part: Any) -> bool:
    return isinstance(part, Mapping | tuple) or (isinstance(part, list) and _is_row_of_values(part))


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape of an array of any library, without reading it."""
    return tuple(int(size) for size in value.shape)


def sizeable(value: Any, spec: TensorSpec, *, where: str) -> Any:
    """Return ``value`` if it is an array of some kind, which is not read yet, or as an array.

    Raises
    ------
    CalibrationError
        If it holds no numbers.
    """
    if type(value).__module__.startswith("PIL"):
        raise _no_numbers(value, None, spec, where=where)
    if not hasattr(value, "shape"):
        return to_array(value, spec, where=where)
    if not hasattr(value, "__array__") or getattr(value, "is_sparse", False) or getattr(value, "is_quantized", False):
        raise CalibrationError(
            f"{where}: input {spec.name!r} is a {type(value).__name__} that is sparse or quantized",
            hint="give dense arrays of real values",
        )
    if getattr(getattr(value, "dtype", None), "kind", "f") not in "biuf":
        raise _no_numbers(value, value.dtype, spec, where=where)
    return value


def take_rows(value: Any, fit: Fit, index: int, spec: TensorSpec) -> Array:
    """Return sample ``index`` of an array of any library; only its rows are read."""
    part = value if fit.num_rows == 0 else value[index * fit.num_rows : (index + 1) * fit.num_rows]
    return to_array(part, spec, where=f"sample {index}").reshape(fit.shape)


def to_array(value: Any, spec: TensorSpec, *, where: str) -> Array:
    """Return tensors, arrays and nested lists as a numpy array of numbers.

    Python numbers have no type of their own: they take the input's, where that keeps their value.

    Raises
    ------
    CalibrationError
        If it is no array of numbers.
    """
    import numpy as np

    if hasattr(value, "detach"):  # a torch tensor, which may want a gradient, be on a GPU or of a type numpy lacks
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as err:
        raise CalibrationError(
            f"{where}: input {spec.name!r} cannot be taken as an array: {err}", hint="give an array of numbers"
        ) from err
    if array.dtype.kind not in "biuf":
        raise _no_numbers(value, array.dtype, spec, where=where)
    if not hasattr(value, "dtype") and array.dtype.kind in "iuf" and array_dtype(spec).kind == "f":
        with np.errstate(over="ignore"):  # becomes an infinity, which is refused where values are judged
            return array.astype(array_dtype(spec))
    return array


def array_dtype(spec: TensorSpec) -> np.dtype[Any]:
    """Return the dtype in which an input's values are passed.

    Raises
    ------
    CalibrationError
        For a type that no array can hold.
    """
    import numpy as np

    try:
        return np.dtype(_CARRIERS.get(spec.dtype, spec.dtype))
    except TypeError as err:
        raise CalibrationError(
            f"input {spec.name!r} is of type {spec.dtype}, which no array can hold",
            hint="cut the model behind the operators that take it",
        ) from err


def _no_numbers(value: Any, dtype: Any, spec: TensorSpec, *, where: str) -> CalibrationError:
    kind = f"an array of dtype {dtype}" if hasattr(value, "shape") else f"a {type(value).__name__}"
    is_picture = isinstance(value, str) or type(value).__module__.startswith(("PIL", "pathlib"))
    return CalibrationError(
        f"{where}: input {spec.name!r} is {kind}, not an array of numbers",
        hint="for picture files give enb.images(folder, size=224, mean=..., std=...)"
        if is_picture
        else "give arrays of plain numbers; arrays of objects are never read",
    )
