"""Which part of an array is one sample: whole arrays, rows, rows without the model's batch axis.

Takes shapes and the input they are meant for; knows nothing of where arrays come from. What fits nowhere is explained:
channels on the wrong side, a flattened picture, another size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from embedl_nb.errors import CalibrationError
from embedl_nb.model.spec import TensorSpec

__all__ = ["Fit", "fit_shape", "must_fit", "sample_shape", "shape_text"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How an array is cut into samples.

    Attributes
    ----------
    count
        Samples in it.
    num_rows
        Entries of the first axis that make one sample; 0 where the whole array is one.
    shape
        Of one sample, as the model takes it.
    num_left_over
        Entries at the end that do not fill a batch of the model.
    """

    count: int
    num_rows: int
    shape: Shape
    num_left_over: int = 0


def sample_shape(spec: TensorSpec) -> Shape:
    """Return the shape of one sample: the input's, with a batch axis that may vary set to 1."""
    if len(spec.shape) > 1 and spec.shape[0] < 0:
        return (1, *spec.shape[1:])
    return spec.shape


def fit_shape(shape: Sequence[int], spec: TensorSpec) -> Fit | None:
    """Say how an array of ``shape`` is cut into samples for ``spec``; None where it does not fit.

    Examples
    --------
    >>> pictures = TensorSpec(name="x", shape=(1, 3, 8, 8), dtype="float32")
    >>> fit_shape((1, 3, 8, 8), pictures).count, fit_shape((20, 3, 8, 8), pictures).count
    (1, 20)
    >>> fit_shape((20, 1, 3, 8, 8), pictures).count, fit_shape((3, 8, 8), pictures).shape
    (20, (1, 3, 8, 8))
    >>> fit_shape((20, 8, 8, 3), pictures) is None
    True
    """
    given, wanted = tuple(int(size) for size in shape), sample_shape(spec)
    rank = len(wanted)
    if _matches(given, wanted):
        return Fit(count=1, num_rows=0, shape=given)
    if len(given) == rank + 1 and _matches(given[1:], wanted):
        return Fit(count=given[0], num_rows=1, shape=given[1:])
    if not rank:
        return None
    if len(given) == rank and _matches(given[1:], wanted[1:]):
        count, left_over = divmod(given[0], wanted[0])
        return Fit(count=count, num_rows=wanted[0], shape=(wanted[0], *given[1:]), num_left_over=left_over)
    if len(given) == rank - 1 and wanted[0] == 1 and _matches(given, wanted[1:]):
        return Fit(count=1, num_rows=0, shape=(1, *given))
    return None


def must_fit(shape: Sequence[int], spec: TensorSpec, *, where: str) -> Fit:
    """Return :func:`fit_shape`'s answer.

    Parameters
    ----------
    where
        What holds the array, for the error: ``"sample 3"``.

    Raises
    ------
    CalibrationError
        If it does not fit; the hint says what would.
    """
    fit = fit_shape(shape, spec)
    if fit is None:
        raise CalibrationError(
            f"{where}: input {spec.name!r} has shape {shape_text(shape)}, which is no sample and no row of samples of "
            f"{shape_text(sample_shape(spec))}",
            hint=_remedy(tuple(shape), sample_shape(spec)),
        )
    return fit


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape; sizes that may vary as ``?``."""
    sizes = ["?" if size < 0 else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"


def _matches(shape: Shape, wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(want in (-1, got) for got, want in zip(shape, wanted, strict=True))


def _remedy(given: Shape, wanted: Shape) -> str:
    """Say what would make an array fit: a transpose, a reshape, a resize, or what is taken."""
    inner = wanted[1:]
    num_leading = len(given) - len(inner)
    if inner and num_leading >= 0:
        tail = given[num_leading:]
        for order in _LAYOUTS.get(len(inner), ()):
            if _matches(tuple(tail[axis] for axis in order), inner):
                axes = [*range(num_leading), *(num_leading + axis for axis in order)]
                return f"{_what_moved(order)}: transpose it, array.transpose({', '.join(map(str, axes))})"
    size = math.prod(inner) if inner and min(inner) > 0 else 0
    if size and len(given) in (1, 2) and given[-1] == size and len(inner) > 1:
        return f"it is flattened: array.reshape(-1, {', '.join(map(str, inner))})"
    if len(inner) == 3 and num_leading >= 0 and _is_other_size(given[num_leading:], inner):
        return f"resize it: one sample is {shape_text(wanted)}; enb.images(folder, size=...) does so for picture files"
    many = ("N", *(str(size) if size > 0 else "?" for size in (inner if wanted[:1] == (1,) else wanted)))
    return f"give an array of shape ({', '.join(many)}), or samples of {shape_text(wanted)}"


# Axes of a sample without its batch axis, in the order that the model takes them.
_LAYOUTS: dict[int, tuple[Shape, ...]] = {3: ((2, 0, 1), (1, 2, 0)), 2: ((1, 0),)}


def _what_moved(order: Shape) -> str:
    return {
        (2, 0, 1): "channels are last where the model takes them first (NHWC for NCHW)",
        (1, 2, 0): "channels are first where the model takes them last (NCHW for NHWC)",
        (1, 0): "the last two axes are swapped",
    }[order]


def _is_other_size(given: Shape, wanted: Shape) -> bool:
    """Say whether these are pictures with the right channels and another height or width."""
    return given[0] == wanted[0] or given[-1] == wanted[-1]
