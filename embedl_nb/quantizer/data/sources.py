"""What users have, as samples that are read one at a time: either by number, or as a stream in its own order.

In: arrays, dicts, lists, generators, data sets, loaders, pictures, paths. Out: an :class:`Indexed` or a
:class:`Stream` of samples in the model's shapes. Nothing is chosen or judged here.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import CalibrationError, EmbedlError
from embedl_nb.model.spec import Signature, TensorSpec
from embedl_nb.quantizer.data.items import Batch, Sample, must_agree, read_item, sizeable, take_rows
from embedl_nb.quantizer.data.notes import Notes
from embedl_nb.quantizer.data.pictures import ImageSet
from embedl_nb.quantizer.data.report import DataKind
from embedl_nb.quantizer.data.shapes import fit_shape, must_fit, sample_shape, shape_text

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Indexed", "Stream", "columns", "from_list", "from_object"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """Samples that are read by number.

    Attributes
    ----------
    read
        Returns a sample; None where it cannot be read and is to be skipped.
    label
        What to call a sample in messages: a file's name, ``"sample 3"``.
    is_stable
        Whether reading again is cheap and gives the same values; otherwise what was read is kept on the disk.
    """

    description: str
    count: int
    read: Callable[[int], Sample | None]
    label: Callable[[int], str] = "sample {}".format
    is_stable: bool = True
    kind: DataKind = DataKind.GIVEN
    preprocessing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Samples that come once, in their own order."""

    description: str
    samples: Iterator[Sample]
    kind: DataKind = DataKind.GIVEN
    preprocessing: str = ""


def columns(values: Mapping[str, Any], signature: Signature, notes: Notes, *, description: str) -> Indexed:
    """Read one array (or set of pictures) an input, samples along the first axis.

    Raises
    ------
    CalibrationError
        If a shape does not fit, or the inputs have different numbers of samples.
    """
    read = {spec.name: _column(values[spec.name], spec, notes, where=description) for spec in signature.inputs}
    must_agree({name: count for name, (count, _, _) in read.items()}, where=description)
    count = next(iter(read.values()))[0]
    labels = [label for _, _, label in read.values() if label is not None]

    def sample(index: int) -> Sample | None:
        arrays = {name: row(index) for name, (_, row, _) in read.items()}
        return None if any(array is None for array in arrays.values()) else arrays  # type: ignore[return-value]

    pictures = [value for value in values.values() if isinstance(value, ImageSet)]
    return Indexed(
        description=description,
        count=count,
        read=sample,
        label=(lambda index: ", ".join(label(index) for label in labels)) if labels else "sample {}".format,
        is_stable=not pictures,
        preprocessing="; ".join(each.preprocessing for each in pictures),
    )


_Column = tuple[int, Callable[[int], "Array | None"], Callable[[int], str] | None]


def _column(value: Any, spec: TensorSpec, notes: Notes, *, where: str) -> _Column:
    """Return the number of samples of one input, how to read one, and what they are called."""
    if isinstance(value, ImageSet):
        shape = _picture_shape(value, spec, where=where)
        return len(value), lambda index: _picture(value, index, shape), value.label
    if isinstance(value, list | tuple):
        batches = [_only(part, spec, where=f"{where}, {spec.name} {index}") for index, part in enumerate(value)]
        pick = _Concatenation(batches)
        return pick.count, lambda index: pick.sample(index)[spec.name], None
    value = sizeable(value, spec, where=where)
    fit = must_fit(value.shape, spec, where=where)
    if fit.num_left_over:
        notes.notice(f"{fit.num_left_over} rows at the end of {where} do not fill a batch of the model: left out")
    return fit.count, lambda index: take_rows(value, fit, index, spec), None


def _only(part: Any, spec: TensorSpec, *, where: str) -> Batch:
    signature = Signature(key="", inputs=(spec,), outputs=())
    return read_item(part, signature, Notes(), where=where)


def _picture_shape(pictures: ImageSet, spec: TensorSpec, *, where: str) -> tuple[int, ...]:
    """Return the shape in which the model takes a picture.

    Raises
    ------
    CalibrationError
        If it takes others; the hint names the options that make them.
    """
    fit, wanted = fit_shape(pictures.shape, spec), sample_shape(spec)
    if fit is not None and fit.count == 1:
        return fit.shape
    layout = "nchw" if wanted[:2] == (1, 3) else "nhwc" if (wanted[:1], wanted[3:]) == ((1,), (3,)) else ""
    sides = wanted[2:4] if layout == "nchw" else wanted[1:3]
    size = sides[0] if len(set(sides)) == 1 else sides
    fitting = len(wanted) == 4 and layout and min(sides) > 0
    raise CalibrationError(
        f"{where}: its pictures have shape {shape_text(pictures.shape)}, and input {spec.name!r} takes "
        f"{shape_text(wanted)}",
        hint=f'enb.images(..., size={size}, layout="{layout}") makes pictures that fit'
        if fitting
        else "give arrays of this shape; enb.images(...) makes pictures of three channels",
    )


def _picture(pictures: ImageSet, index: int, shape: tuple[int, ...]) -> Array | None:
    array = pictures.decode(index)
    return None if array is None else array.reshape(shape)


class _Concatenation:
    """Batches one after the other, with their samples numbered through."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self._batches = batches
        self._ends = list(itertools.accumulate(batch.count for batch in batches))
        self.count = self._ends[-1] if self._ends else 0

    def position(self, index: int) -> tuple[int, int]:
        """Return the batch that holds a sample, and the sample's place in it."""
        number = bisect.bisect_right(self._ends, index)
        return number, index - (self._ends[number - 1] if number else 0)

    def sample(self, index: int) -> Sample:
        number, row = self.position(index)
        return self._batches[number].sample(row)


def from_list(
    items: Sequence[Any], signature: Signature, notes: Notes, *, what: str, labels: Sequence[str] = ()
) -> Indexed:
    """Read a list of samples, or of batches of them.

    Parameters
    ----------
    labels
        What to call each element; ``"element 3"`` by default.

    Raises
    ------
    CalibrationError
        Naming the element that does not fit.
    """
    names = labels or [f"element {index}" for index in range(len(items))]
    batches = [read_item(item, signature, notes, where=name) for item, name in zip(items, names, strict=True)]
    joined = _Concatenation(batches)

    def label(index: int) -> str:
        number, row = joined.position(index)
        return f"row {row} of {names[number]}" if batches[number].count > 1 else names[number]

    return Indexed(description=what, count=joined.count, read=joined.sample, label=label)


def from_object(data: Any, signature: Signature, notes: Notes) -> Indexed | Stream:
    """Read a data set (``len`` and ``[i]``), a loader, a generator or any other iterable.

    Raises
    ------
    CalibrationError
        If it is none of these.
    """
    name = f"{'an' if type(data).__name__[:1] in 'AEIOU' else 'a'} {type(data).__name__}"
    is_loader = hasattr(data, "dataset") and hasattr(data, "batch_size")
    is_stream = any(base.__name__ == "IterableDataset" for base in type(data).__mro__)
    if not is_loader and not is_stream and isinstance(data, Sized) and hasattr(data, "__getitem__"):
        return _data_set(data, signature, notes, name=name)
    if isinstance(data, Iterable):
        if is_loader:
            notes.notice(
                "the loader's samples were taken in its own order from the start; give its data set for a random choice"
            )
        return Stream(description=name, samples=_stream(data, signature, notes, name=name))
    if callable(data):
        raise CalibrationError(f"the data is {name}, which has not been called", hint="give what it returns: data=f()")
    if hasattr(data, "__getitem__"):
        raise CalibrationError(f"the data is {name}, which does not tell its length", hint="give it a __len__")
    raise CalibrationError(f"the data is {name}, which holds no samples", hint=_WAYS)


_WAYS = (
    "give an array (N, ...), a dict of them by input name, a list or generator of samples, a torch Dataset or "
    "DataLoader, enb.images(folder, ...), or the path of a folder of .npy files, an .npz or an .h5 file"
)


def _data_set(data: Any, signature: Signature, notes: Notes, *, name: str) -> Indexed:
    def read(index: int) -> Sample:
        where = f"item {index}"
        try:
            item = data[index]
        except EmbedlError:
            raise
        except Exception as err:
            raise CalibrationError(
                f"{name} raised {type(err).__name__} for item {index}: {err}",
                hint=f"see that data[{index}] works on its own",
            ) from err
        batch = read_item(item, signature, notes, where=where)
        if batch.count != 1:
            raise CalibrationError(
                f"{where} of {name} holds {batch.count} samples",
                hint="give batches as a list, a generator or a DataLoader",
            )
        return batch.sample(0)

    return Indexed(
        description=f"{name} of {len(data)} items",
        count=len(data),
        read=read,
        label="item {}".format,
        is_stable=False,
    )


def _stream(data: Iterable[Any], signature: Signature, notes: Notes, *, name: str) -> Iterator[Sample]:
    count = 0
    items = _guarded(data, lambda: count, name=name)
    for number, item in enumerate(items):
        batch = read_item(item, signature, notes, where=f"item {number}")
        for index in range(batch.count):
            yield batch.sample(index)
            count += 1


def _guarded(data: Iterable[Any], count: Callable[[], int], *, name: str) -> Iterator[Any]:
    """Yield items; what the user's code raises is chained to an error that says where it stood."""
    try:
        yield from data
    except EmbedlError:
        raise
    except Exception as err:
        raise CalibrationError(
            f"{name} raised {type(err).__name__} after {count()} samples: {err}",
            hint="see that it can be iterated on its own",
        ) from err
