"""What an ONNX model is called with: shapes pinned, samples checked against what the graph declares.

A dimension that is open in the file is pinned by ``input_shapes`` or taken from the example inputs; which were taken is
said. Without example inputs a random sample is made, and the parity then says that it is synthetic.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.onnx.dtypes import dtype_name, numpy_dtype
from embedl_nb.compiler.onnx.reading import InputSpec, Model
from embedl_nb.compiler.sources.given import as_array, by_name, listed, place_of
from embedl_nb.compiler.sources.pictures import ImageInput
from embedl_nb.compiler.sources.samples import Samples, read_samples
from embedl_nb.compiler.sources.varying import example_size
from embedl_nb.errors import InputError, SignatureMismatchError, UnknownNameError
from embedl_nb.formats import LARGEST_MODEL_BYTES

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Interface", "interface_of", "symbols_of"]

_MOST_ELEMENTS = LARGEST_MODEL_BYTES // 4  # of float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """Inputs with all sizes fixed.

    Attributes
    ----------
    notes
        Which open dimensions were taken from the samples.
    """

    samples: Samples
    notes: tuple[str, ...]


def symbols_of(model: Model) -> dict[str, tuple[tuple[str, int], ...]]:
    """Return the names of open dimensions, and the dimensions that have them: input and number."""
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for spec in model.inputs:
        for dimension, size in enumerate(spec.shape or ()):
            if isinstance(size, str):
                found[size] = (*found.get(size, ()), (spec.name, dimension))
    return found


def interface_of(
    model: Model,
    example_inputs: Any,
    input_shapes: Mapping[str, Sequence[int]] | None,
    dynamic_shapes: Any = None,
) -> Interface:
    """Fix the sizes of a model's inputs and read its samples; those in ``dynamic_shapes``, by input, for now only.

    Raises
    ------
    InputError
        If a dimension stays open; it is named, and the argument that fixes it is shown.
    SignatureMismatchError
        If a sample or a shape does not fit what the graph declares.
    """
    specs = _pinned(model, input_shapes or {})
    opened = dynamic_shapes if isinstance(dynamic_shapes, Mapping) else {}
    _refuse_numbered(model, opened)
    if example_inputs is None:
        specs = _with_examples(specs, opened)
        for spec in specs:
            _refuse_open(spec)
        return Interface(samples=replace(read_samples([_made_up(specs)]), is_made_up=True), notes=())
    given = listed(example_inputs)
    sizes: dict[str, int] = {}
    named = [_sample(specs, sample, sizes, where=place_of(index, len(given))) for index, sample in enumerate(given)]
    samples = read_samples(named)
    return Interface(samples=samples, notes=_taken(specs, samples))


def _refuse_numbered(model: Model, opened: Mapping[Any, Any]) -> None:
    """Refuse to open a dimension whose size the file gives: its graph may hold for no other."""
    for spec in model.inputs:
        dimensions = opened.get(spec.name)
        shape = spec.shape or ()
        for dimension, size in dimensions.items() if isinstance(dimensions, Mapping) else ():
            if isinstance(dimension, int) and -len(shape) <= dimension < len(shape):
                given = shape[dimension]
                if size is not None and isinstance(given, int):
                    raise InputError(
                        f"dynamic_shapes opens dimension {dimension} of input {spec}, which the file fixes to {given}",
                        hint="export the model with this dimension open (dynamic_axes or dynamic_shapes)",
                    )


def _with_examples(specs: tuple[InputSpec, ...], opened: Mapping[Any, Any]) -> tuple[InputSpec, ...]:
    """Return the inputs with a size in the place of those that are to stay open and that nobody gave an example of."""
    sizes: dict[str, int] = {}
    shapes = {spec.name: list(spec.shape or ()) for spec in specs}
    for spec in specs:
        dimensions = opened.get(spec.name)
        for dimension, size in dimensions.items() if isinstance(dimensions, Mapping) else ():
            place = shapes[spec.name]
            if isinstance(dimension, int) and -len(place) <= dimension < len(place) and size is not None:
                symbol = place[dimension]
                if isinstance(symbol, str):
                    sizes[symbol] = max(example_size(size), sizes.get(symbol, 0))
                elif symbol is None:
                    place[dimension] = example_size(size)
    fixed = (replace(spec, shape=None if spec.shape is None else tuple(shapes[spec.name])) for spec in specs)
    return tuple(_filled(spec, sizes) for spec in fixed)


def _pinned(model: Model, input_shapes: Mapping[str, Sequence[int]]) -> tuple[InputSpec, ...]:
    if not isinstance(input_shapes, Mapping):
        raise InputError(
            f"input_shapes={input_shapes!r} is no dict",
            hint=f"give shapes by name: input_shapes={{{model.inputs[0].name!r}: (1, 3, 224, 224)}}",
        )
    for name in input_shapes:
        if name not in {spec.name for spec in model.inputs}:
            raise UnknownNameError.among("input", str(name), [spec.name for spec in model.inputs])
    pinned = tuple(
        _with_shape(spec, input_shapes[spec.name]) if spec.name in input_shapes else spec for spec in model.inputs
    )
    sizes: dict[str, int] = {}
    for spec, fixed in zip(model.inputs, pinned, strict=True):
        for symbol, size in zip(spec.shape or (), fixed.shape or (), strict=spec.shape is not None):
            if isinstance(symbol, str) and isinstance(size, int) and sizes.setdefault(symbol, size) != size:
                raise SignatureMismatchError(
                    f"input_shapes sets the dimension {symbol!r} to {sizes[symbol]} and, in {spec.name!r}, to {size}",
                    hint="give it one size",
                )
    return tuple(_filled(spec, sizes) for spec in pinned)


def _filled(spec: InputSpec, sizes: Mapping[str, int]) -> InputSpec:
    """Return ``spec`` with the sizes of dimensions that are fixed in another input."""
    if spec.shape is None:
        return spec
    shape = tuple(sizes.get(size, size) if isinstance(size, str) else size for size in spec.shape)
    return InputSpec(name=spec.name, shape=shape, data_type=spec.data_type)


def _with_shape(spec: InputSpec, shape: Sequence[int]) -> InputSpec:
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError as err:
        raise InputError(
            f"input_shapes[{spec.name!r}]={shape!r} is no shape", hint="give whole numbers, e.g. (1, 3, 224, 224)"
        ) from err
    if any(size < 0 for size in sizes):
        raise InputError(
            f"input_shapes[{spec.name!r}]={sizes} has a negative size",
            hint="give every dimension a size",
        )
    if spec.shape is not None and not _fits(sizes, spec.shape):
        raise SignatureMismatchError(
            f"input_shapes[{spec.name!r}]={sizes} does not fit the declared {spec}",
            hint="give the declared sizes as they are; only open ones (names, ?) can be chosen",
        )
    return InputSpec(name=spec.name, shape=sizes, data_type=spec.data_type)


def _fits(shape: tuple[int, ...], declared: tuple[int | str | None, ...]) -> bool:
    return len(shape) == len(declared) and all(
        not isinstance(expected, int) or size == expected for size, expected in zip(shape, declared, strict=True)
    )


def _refuse_open(spec: InputSpec) -> None:
    shape = spec.shape
    if shape is None:
        raise InputError(
            f"input {spec.name!r} has no declared shape",
            hint=f"give input_shapes={{{spec.name!r}: (1, ...)}} or example_inputs",
        )
    for position, size in enumerate(shape):
        if not isinstance(size, int):
            what = f"the dimension {size!r} (number {position})" if size else f"dimension {position}"
            example = tuple(entry if isinstance(entry, int) else 1 for entry in shape)
            raise InputError(
                f"{what} of input {spec} is open, and no example inputs were given",
                hint=f"give its size, e.g. input_shapes={{{spec.name!r}: {example}}}, or example_inputs",
            )


def _made_up(specs: tuple[InputSpec, ...]) -> dict[str, np.ndarray[Any, Any]]:
    import numpy as np

    rng = np.random.default_rng(0)
    return {spec.name: _random(spec, rng) for spec in specs}


def _random(spec: InputSpec, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    import numpy as np

    from embedl_nb.runtime.dtypes import ElementType, random_array

    shape = tuple(size for size in spec.shape or () if isinstance(size, int))
    _refuse_huge(spec.name, shape)
    dtype = numpy_dtype(spec.data_type)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return np.asarray(random_array(rng, ElementType(code=0, name=str(dtype), array_dtype=str(dtype)), shape))


def _refuse_huge(name: str, shape: tuple[int, ...]) -> None:
    if math.prod(shape) > _MOST_ELEMENTS:
        raise InputError(
            f"input {name!r} has the shape {shape}, more than a LiteRT model can take", hint="make it smaller"
        )


def _sample(specs: tuple[InputSpec, ...], sample: Any, sizes: dict[str, int], *, where: str) -> dict[str, Any]:
    values = by_name(sample, {spec.name: spec for spec in specs}, place=where)
    return {spec.name: _fitting(spec, values[spec.name], sizes, where=where) for spec in specs}


def _fitting(spec: InputSpec, value: Any, sizes: dict[str, int], *, where: str) -> Any:
    """Return ``value`` as an array of the declared dtype; ``sizes`` collects those of named dimensions."""
    import numpy as np

    if isinstance(value, ImageInput):
        _fitting(spec, value.preprocessed(value.pixels(0)), sizes, where=where)
        return value
    array = as_array(value, spec.name, place=where)
    dtype = numpy_dtype(spec.data_type)
    is_fitting = array.dtype.kind == dtype.kind or (array.dtype.kind in "iu" and dtype.kind in "iu")
    is_number = not hasattr(value, "dtype") and array.dtype.kind in "biuf" and dtype.kind in "biuf"
    if not (is_fitting or is_number):
        raise SignatureMismatchError(
            f"{where}input {spec.name!r} is {array.dtype}; the graph declares {dtype_name(spec.data_type)}",
            hint=f"give {dtype_name(spec.data_type)} values",
        )
    if spec.shape is not None and not _fits(array.shape, spec.shape):
        raise SignatureMismatchError(
            f"{where}input {spec.name!r} has the shape {array.shape}; the graph declares {spec}",
            hint="give arrays of the declared shape",
        )
    for symbol, size in zip(spec.shape or (), array.shape, strict=False):
        if isinstance(symbol, str) and sizes.setdefault(symbol, size) != size:
            raise SignatureMismatchError(
                f"{where}the dimension {symbol!r} is {sizes[symbol]} and, in input {spec.name!r}, {size}",
                hint="give it one size in all inputs",
            )
    converted = array.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(converted, array):
        raise SignatureMismatchError(
            f"{where}input {spec.name!r} holds values that {dtype} cannot", hint=f"give {dtype} values"
        )
    return converted


def _taken(specs: tuple[InputSpec, ...], samples: Samples) -> tuple[str, ...]:
    taken: dict[str, None] = {}
    for spec, tensor in zip(specs, samples.first.tensors, strict=True):
        if spec.shape is None:
            taken[f"{spec.name}'s shape={tuple(tensor.shape)}"] = None
        for position, (symbol, size) in enumerate(zip(spec.shape or (), tensor.shape, strict=False)):
            if not isinstance(symbol, int):
                taken[f"{symbol or f'dimension {position} of {spec.name}'}={size}"] = None
    if not taken:
        return ()
    return (f"open dimensions have the sizes of the example inputs: {', '.join(taken)}",)
