"""What the caller gives as ``example_inputs``, as named tensors.

One sample is a tensor (or array), a tuple of positional inputs or a dict of keyword inputs; a list is always a list of
such samples. The first sample fixes names, shapes and dtypes; the others must fit it. Numbers, strings and None inside
a sample are constants of the compiled model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.sources.given import listed, place_of
from embedl_nb.compiler.sources.pictures import ImageInput
from embedl_nb.compiler.sources.varying import Varying
from embedl_nb.errors import InputError, SignatureMismatchError

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["Sample", "Samples", "read_samples", "samples_of_call", "unique_names"]

_WAYS = "one sample is a tensor, a tuple of positional inputs or a dict of keyword inputs; a list holds several samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """One call of the source model.

    Attributes
    ----------
    args, kwargs
        The call's arguments, every array in them a tensor on the CPU.
    tensors
        The same tensors, flattened.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tensors: tuple[torch.Tensor, ...]


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a compile, and what they have in common.

    Attributes
    ----------
    names
        Name of each tensor: ``args_0`` for positional inputs, the keyword for the others, nested ones joined by ``_``.
    constants
        Leaves that are no tensors, as ``(path, value)``: they are fixed at compile time.
    structure
        Text that tells one nesting of inputs from another.
    state
        Pairs of an output and the input that takes it in the next sample, where samples are steps in time.
    varying
        Dimensions that stay open; samples may differ in them.
    images
        Inputs that were given as pictures; their tensors are what the source takes, preprocessed.
    is_made_up
        Whether they are random because none were given.
    """

    samples: tuple[Sample, ...]
    names: tuple[str, ...]
    constants: tuple[tuple[str, Any], ...]
    structure: str
    treespec: Any
    images: tuple[tuple[str, ImageInput], ...] = ()
    state: tuple[tuple[str, str], ...] = ()
    varying: tuple[Varying, ...] = ()
    is_made_up: bool = False

    @property
    def first(self) -> Sample:
        """The sample that fixes shapes and dtypes."""
        return self.samples[0]

    def call_with(self, tensors: tuple[torch.Tensor, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the first sample's arguments with ``tensors`` in the place of its own."""
        import torch
        from torch.utils import _pytree

        mine = iter(tensors)
        leaves = _pytree.tree_leaves((self.first.args, self.first.kwargs))
        filled = [next(mine) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        args, kwargs = _pytree.tree_unflatten(filled, self.treespec)
        return args, kwargs

    def mapped(self, convert: Callable[[str, torch.Tensor, int], torch.Tensor]) -> Samples:
        """Return the same with each tensor replaced by ``convert(name, tensor, sample)``."""
        changed = []
        for index, sample in enumerate(self.samples):
            pairs = zip(self.names, sample.tensors, strict=True)
            tensors = tuple(convert(name, tensor, index) for name, tensor in pairs)
            changed.append(Sample(*self.call_with(tensors), tensors))
        return replace(self, samples=tuple(changed))

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return every tensor of every sample as ``"<sample>/<name>"``."""
        return {
            f"{index}/{name}": tensor.numpy()
            for index, sample in enumerate(self.samples)
            for name, tensor in zip(self.names, sample.tensors, strict=True)
        }

    def describe(self) -> str:
        """Say what the first sample holds: ``args_0 float32 (1, 3, 224, 224)``."""
        return ", ".join(
            f"{name} {_dtype(tensor)} {tuple(tensor.shape)}"
            for name, tensor in zip(self.names, self.first.tensors, strict=True)
        )


def read_samples(example_inputs: Any) -> Samples:
    """Check ``example_inputs`` and name its tensors.

    Raises
    ------
    InputError
        If there are none, or a leaf can be no input.
    SignatureMismatchError
        If a later sample differs from the first in names, shapes, dtypes or constants.
    """
    if example_inputs is None:
        raise InputError(
            "a torch module is compiled for example inputs, and none were given",
            hint="give example_inputs, e.g. torch.randn(1, 3, 224, 224)",
        )
    samples = listed(example_inputs)
    given = [_ordered_like(samples[0], sample) for sample in samples]
    named = [_read_one(sample, where=place_of(index, len(given))) for index, sample in enumerate(given)]
    return _with_each_picture(_common(named))


def _ordered_like(first: Any, sample: Any) -> Any:
    """Return keyword inputs in the order in which the first sample has them."""
    if not (isinstance(first, Mapping) and isinstance(sample, Mapping) and set(first) == set(sample)):
        return sample
    return {name: sample[name] for name in first}


def _common(named: list[_Read]) -> Samples:
    from torch.utils import _pytree

    first = named[0]
    if not first.names:
        raise InputError("example_inputs hold no tensor", hint=_WAYS)
    if len(named) > 1 and any(read.images for read in named):
        raise InputError(
            "example_inputs is a list that holds an image_input",
            hint="give one sample, and all pictures to it: image_input(..., pictures=[...])",
        )
    for index, other in enumerate(named[1:], start=1):
        _must_fit(index, first, other)
    treespec = _pytree.tree_structure((first.sample.args, first.sample.kwargs))
    return Samples(
        samples=tuple(read.sample for read in named),
        names=first.names,
        constants=first.constants,
        structure=str(treespec),
        treespec=treespec,
        images=first.images,
    )


def _with_each_picture(samples: Samples) -> Samples:
    """Return one sample for each picture of the inputs that are pictures."""
    import torch

    images = dict(samples.images)
    if not images:
        return samples
    num_samples = max(len(image.pictures) for image in images.values())
    first = replace(samples, samples=samples.samples[:1] * num_samples)

    def convert(name: str, tensor: torch.Tensor, index: int) -> torch.Tensor:
        image = images.get(name)
        return tensor if image is None else torch.from_numpy(image.preprocessed(image.pixels(index)))

    return first.mapped(convert)


def samples_of_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Samples:
    """Name the tensors of one call that has positional and keyword inputs.

    Raises
    ------
    InputError
        If a leaf can be no input.
    """
    return _common([_read_call(args, kwargs, where="")])


def unique_names(names: list[str]) -> tuple[str, ...]:
    """Return ``names`` with a number added to those that were taken before."""
    taken: set[str] = set()
    result: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        result.append(unique)
    return tuple(result)


@dataclass(frozen=True, slots=True)
class _Read:
    """One sample, with the names of its tensors and what else is in it."""

    sample: Sample
    names: tuple[str, ...]
    constants: tuple[tuple[str, Any], ...]
    images: tuple[tuple[str, ImageInput], ...]


def _read_one(sample: Any, *, where: str) -> _Read:
    if isinstance(sample, Mapping):
        if not all(isinstance(key, str) for key in sample):
            raise InputError(f"{where}example_inputs is a dict whose keys are not all strings", hint=_WAYS)
        return _read_call((), dict(sample), where=where)
    return _read_call(sample if isinstance(sample, tuple) else (sample,), {}, where=where)


def _read_call(args: tuple[Any, ...], kwargs: dict[str, Any], *, where: str) -> _Read:
    from torch.utils import _pytree

    pairs, treespec = _pytree.tree_flatten_with_path((args, kwargs))
    leaves = [_as_tensor(leaf) for _, leaf in pairs]
    args, kwargs = _pytree.tree_unflatten(leaves, treespec)
    names: list[str] = []
    tensors: list[torch.Tensor] = []
    constants: list[tuple[str, Any]] = []
    images: dict[int, ImageInput] = {}
    for (path, given), leaf in zip(pairs, leaves, strict=True):
        name = _path_name(path)
        if hasattr(leaf, "untyped_storage"):
            if isinstance(given, ImageInput):
                images[len(tensors)] = given
            names.append(name)
            tensors.append(leaf)
        elif leaf is None or isinstance(leaf, bool | int | float | str):
            constants.append((name, leaf))
        else:
            raise InputError(
                f"{where}input {name!r} is a {type(leaf).__name__}, which is neither a tensor, an array nor a number",
                hint=_WAYS,
            )
    unique = unique_names(names)
    pictures = tuple((unique[position], image) for position, image in images.items())
    return _Read(Sample(args, kwargs, tuple(tensors)), unique, tuple(constants), pictures)


def _as_tensor(leaf: Any) -> Any:
    """Return arrays as tensors, and tensors detached on the CPU; anything else as it is."""
    import numpy as np
    import torch

    if isinstance(leaf, ImageInput):
        return torch.from_numpy(leaf.preprocessed(leaf.pixels(0)))
    if isinstance(leaf, torch.Tensor):
        if leaf.is_sparse or leaf.is_quantized:
            raise InputError("example_inputs holds a sparse or quantized tensor", hint="give dense tensors")
        return leaf.detach().cpu()
    if isinstance(leaf, np.ndarray | np.generic):
        try:
            return torch.from_numpy(np.array(leaf))
        except TypeError as err:
            raise InputError(f"example_inputs holds an array of dtype {leaf.dtype}, which torch does not know") from err
    return leaf


def _path_name(path: tuple[Any, ...]) -> str:
    """Name a leaf of ``(args, kwargs)`` by where it stands."""
    parts = [str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path[1:]]
    return "_".join(["args", *parts] if getattr(path[0], "idx", None) == 0 else parts)


def _must_fit(index: int, first: _Read, other: _Read) -> None:
    if first.names != other.names:
        raise SignatureMismatchError(
            f"sample {index} has the inputs {', '.join(other.names) or 'none'}; sample 0 has {', '.join(first.names)}",
            hint="give every sample the same inputs",
        )
    for name, tensor, expected in zip(first.names, other.sample.tensors, first.sample.tensors, strict=True):
        if tensor.shape != expected.shape or tensor.dtype != expected.dtype:
            raise SignatureMismatchError(
                f"sample {index}, input {name!r} is {_dtype(tensor)} {tuple(tensor.shape)}; "
                f"sample 0 has {_dtype(expected)} {tuple(expected.shape)}",
                hint="give every sample the same shapes and dtypes",
            )
    if first.constants != other.constants:
        raise SignatureMismatchError(
            f"sample {index} has other constants ({dict(other.constants)}) than sample 0 ({dict(first.constants)})",
            hint="numbers and strings in a sample are fixed at compile time; compile once for each",
        )


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
