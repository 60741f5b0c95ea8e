"""Example inputs meet the inputs that a model declares: by name, by position, or made up where none were given.

In: declared inputs and what the caller gave. Out: arrays by name, in the declared dtypes. It knows no TensorFlow.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from embedl_nb.compiler.sources.given import WAYS, as_array, by_name, listed, place_of
from embedl_nb.compiler.sources.pictures import ImageInput
from embedl_nb.errors import InputError, SignatureMismatchError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["ArraySamples", "Given", "InputSpec", "Sample", "bind", "read_given"]

Sample: TypeAlias = "tuple[Array, ...] | dict[str, Array]"
"""Positional inputs, or inputs by name."""
_DTYPES = {
    *("float16", "float32", "float64", "bool"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """An input as the model declares it; -1 stands for an open dimension."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} ({', '.join('?' if size < 0 else str(size) for size in self.shape)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySamples:
    """Samples by input name; the first fixes the shapes that are compiled for.

    Attributes
    ----------
    is_made_up
        Whether they are random values, for want of the caller's.
    notes
        What was pinned, as sentences.
    constants, images, state, varying
        Always empty: every input is an array of one size.
    """

    samples: tuple[dict[str, Array], ...]
    is_made_up: bool = False
    notes: tuple[str, ...] = ()
    constants: tuple[tuple[str, Any], ...] = ()
    images: tuple[tuple[str, Any], ...] = ()
    state: tuple[tuple[str, str], ...] = ()
    varying: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(self.samples[0])

    def arrays(self) -> dict[str, Array]:
        """Return every array of every sample as ``"<sample>/<name>"``."""
        return {f"{index}/{name}": array for index, sample in enumerate(self.samples) for name, array in sample.items()}

    def describe(self) -> str:
        """Say what the first sample holds."""
        return ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in self.samples[0].items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the caller gave as example inputs, before it is known what the model takes.

    A dict is one sample by input name or, for several signatures, their samples by signature key: both may be meant.

    Attributes
    ----------
    samples
        Of the only signature; empty where none, or a dict, was given.
    by_key
        Of a dict, the samples in each value.
    """

    samples: tuple[Sample, ...] = ()
    by_key: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)

    def of(self, keys: tuple[str, ...]) -> dict[str, tuple[Sample, ...]]:
        """Return the samples of each signature, empty where none were given.

        Raises
        ------
        SignatureMismatchError
            If there are several signatures, and the example inputs are not by their keys.
        """
        if set(self.by_key) == set(keys):
            return dict(self.by_key)
        if not self.samples and not self.by_key:
            return dict.fromkeys(keys, ())
        if len(keys) > 1:
            raise SignatureMismatchError(
                f"the model has the signatures {', '.join(keys)}, and the example inputs are not by these keys",
                hint=f"give a dict by signature: {{{keys[0]!r}: ..., ...}}",
            )
        return {keys[0]: self.samples or (self._named(),)}

    def _named(self) -> dict[str, Array]:
        sample = {}
        for name, samples in self.by_key.items():
            if len(samples) != 1 or not isinstance(samples[0], tuple) or len(samples[0]) != 1:
                raise InputError(f"input {name!r} is no array of numbers but several", hint=WAYS)
            sample[name] = samples[0][0]
        return sample

    def shapes(self) -> tuple[Any, ...]:
        """Return keys, names, dtypes and shapes of the first samples, as plain values."""
        first = [("", self.samples[:1]), *((key, samples[:1]) for key, samples in self.by_key.items())]
        return tuple(
            (key, tuple((name, str(array.dtype), array.shape) for name, array in _named_arrays(sample)))
            for key, samples in first
            for sample in samples
        )

    def packed(self) -> tuple[dict[str, Array], dict[str, list[list[str] | int]]]:
        """Return the arrays for a file, and what each sample holds: its names, or its number of positional inputs."""
        groups = {"": self.samples, **self.by_key} if self.samples else dict(self.by_key)
        arrays = {
            f"{group}/{index}/{name}": array
            for group, samples in enumerate(groups.values())
            for index, sample in enumerate(samples)
            for name, array in _named_arrays(sample)
        }
        held = {
            key: [list(sample) if isinstance(sample, dict) else len(sample) for sample in samples]
            for key, samples in groups.items()
        }
        return arrays, held

    @classmethod
    def unpacked(cls, arrays: Mapping[str, Array], held: Mapping[str, list[list[str] | int]]) -> Given:
        """Undo :meth:`packed`."""
        groups = {
            key: tuple(_unpacked_sample(arrays, f"{group}/{index}", each) for index, each in enumerate(samples))
            for group, (key, samples) in enumerate(held.items())
        }
        return cls(samples=groups.pop("", ()), by_key=groups)


def _unpacked_sample(arrays: Mapping[str, Array], place: str, held: list[str] | int) -> Sample:
    if isinstance(held, int):
        return tuple(arrays[f"{place}/{position}"] for position in range(held))
    return {name: arrays[f"{place}/{name}"] for name in held}


def _named_arrays(sample: Sample) -> list[tuple[str, Array]]:
    if isinstance(sample, dict):
        return list(sample.items())
    return [(str(position), array) for position, array in enumerate(sample)]


def read_given(example_inputs: Any) -> Given:
    """Read the caller's example inputs; None is none.

    Raises
    ------
    InputError
        If there is a leaf that is no array of numbers.
    """
    if example_inputs is None:
        return Given()
    if isinstance(example_inputs, Mapping):
        if not example_inputs or not all(isinstance(key, str) for key in example_inputs):
            raise InputError("example_inputs is a dict without names, or with keys that are none", hint=WAYS)
        return Given(by_key={key: _read_samples(value, key) for key, value in example_inputs.items()})
    return Given(samples=_read_samples(example_inputs, ""))


def _read_samples(value: Any, name: str) -> tuple[Sample, ...]:
    return tuple(_read_one(sample, name) for sample in listed(value))


def _read_one(sample: Any, name: str) -> Sample:
    if isinstance(sample, Mapping):
        if not all(isinstance(key, str) for key in sample):
            raise InputError("example_inputs is a dict whose keys are not all strings", hint=WAYS)
        return {name: _array(value, name) for name, value in sample.items()}
    values = sample if isinstance(sample, tuple) else (sample,)
    return tuple(_array(value, name or str(position)) for position, value in enumerate(values))


def _array(value: Any, name: str) -> Array:
    if isinstance(value, ImageInput):
        raise InputError(
            f"input {name!r} is an image_input, which Keras and TensorFlow models do not take",
            hint="give the pixels as an array, and put the normalization into the model (keras.layers.Rescaling)",
        )
    return as_array(value, name)


def bind(specs: tuple[InputSpec, ...], given: tuple[Sample, ...], *, name: str) -> ArraySamples:
    """Return samples for ``specs``; open dimensions are pinned to the first sample's sizes, or an open batch to 1.

    Parameters
    ----------
    given
        Empty for none: random values of the declared shapes are made up.
    name
        Of the model, for errors.

    Raises
    ------
    SignatureMismatchError
        If a sample does not fit the declared inputs; it says what they are.
    InputError
        If none is given and a dimension besides the batch is open.
    """
    text = next((spec for spec in specs if spec.dtype not in _DTYPES), None)
    if text is not None:
        raise InputError(
            f"{name} takes {text}, and a LiteRT model takes numbers",
            hint="leave the layers that read it out of the model, and give it their numbers",
        )
    if not given:
        return ArraySamples(
            samples=({spec.name: _made_up(spec, name) for spec in specs},),
            is_made_up=True,
            notes=_pinned(specs, None),
        )
    samples = tuple(_bound(specs, sample, place_of(index, len(given))) for index, sample in enumerate(given))
    for index, sample in enumerate(samples[1:], start=1):
        for key, array in sample.items():
            if array.shape != samples[0][key].shape:
                raise SignatureMismatchError(
                    f"sample {index}, input {key!r} has shape {array.shape}; sample 0 has {samples[0][key].shape}",
                    hint="give every sample the same shapes",
                )
    return ArraySamples(samples=samples, notes=_pinned(specs, samples[0]))


def _bound(specs: tuple[InputSpec, ...], sample: Sample, place: str) -> dict[str, Array]:
    values = by_name(sample, {spec.name: spec for spec in specs}, place=place)
    return {spec.name: _fitted(spec, values[spec.name], place) for spec in specs}


def _fitted(spec: InputSpec, array: Array, place: str) -> Array:
    import numpy as np

    dtype = np.dtype(spec.dtype)
    fits = len(array.shape) == len(spec.shape) and all(
        declared in (-1, size) for declared, size in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        raise SignatureMismatchError(
            f"{place}input {spec.name!r} has shape {array.shape}; the model declares {spec}",
            hint="an open dimension (?) takes any size, the others one",
        )
    converted = array.astype(dtype)
    is_same = array.dtype.kind == dtype.kind == "f" or bool((converted == array).all())
    if not is_same:
        raise SignatureMismatchError(
            f"{place}input {spec.name!r} holds {array.dtype} values that {dtype} cannot hold",
            hint=f"give an array of {dtype}",
        )
    return converted


def _made_up(spec: InputSpec, name: str) -> Array:
    import numpy as np

    if -1 in spec.shape[1:]:
        raise InputError(
            f"{name} declares {spec}, with open dimensions besides the batch, and no example inputs were given",
            hint="give example_inputs: their shapes are compiled for",
        )
    shape, dtype = tuple(1 if size < 0 else size for size in spec.shape), np.dtype(spec.dtype)
    rng = np.random.default_rng(zlib.crc32(spec.name.encode()))
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, dtype)
    return np.zeros(shape, dtype)  # an index of 0 is valid everywhere


def _pinned(specs: tuple[InputSpec, ...], sample: dict[str, Array] | None) -> tuple[str, ...]:
    """Say which open dimensions were pinned."""
    said = []
    for spec in specs:
        if -1 not in spec.shape:
            continue
        sizes = [1 if size < 0 else size for size in spec.shape] if sample is None else list(sample[spec.name].shape)
        why = "there were no example inputs" if sample is None else "as in the example inputs"
        said.append(f"input {spec} is compiled for ({', '.join(map(str, sizes))}), {why}")
    return tuple(said)
