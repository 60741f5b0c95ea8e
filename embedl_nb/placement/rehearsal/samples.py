"""What an artifact is rehearsed on: what the caller gave, else the model's own samples, else random values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError
from embedl_nb.model.calling import Arguments, bind_inputs, pick_signature, real_values, split_batch
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.model.spec import Signature, TensorSpec
from embedl_nb.runtime.arrays import by_sample, load_arrays
from embedl_nb.runtime.dtypes import element_type_named, random_array

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["RehearsalSamples", "check_source", "choose_samples"]

_NUM_RANDOM, _SEED = 4, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalSamples:
    """Samples for one signature.

    Attributes
    ----------
    calls
        In real values, as a model is called.
    arrays
        The same in the dtypes of the file, by input name.
    golden
        What the source of the model made of them, in real values by output name; empty where nobody knows.
    words
        Where they come from: ``"its own sample"``.
    """

    calls: tuple[Arguments, ...]
    arrays: tuple[Arrays, ...]
    golden: tuple[Arrays, ...]
    words: str


def choose_samples(model: LiteRTModel, signature: Signature, given: Any) -> RehearsalSamples:
    """Return the samples to rehearse on.

    Parameters
    ----------
    given
        A list of samples, each an array, a tuple by position or a dict by input name; or one such, which may hold
        several along the first axis.

    Raises
    ------
    SignatureMismatchError
        If they do not fit the signature.
    InputError
        If there is none, or random values cannot be made for it.
    """
    golden: tuple[Arrays, ...] = ()
    own = model.samples_path
    if given is not None:
        calls, source = _given_calls(signature, given), "given"
    elif own is not None and own.is_file() and signature == model.signatures[0]:
        stored = by_sample(load_arrays(own))
        calls, source = [([], dict(sample)) for sample in stored.values()], "of its own"
        golden = _golden(model, list(stored))
    else:
        calls, source = _random_calls(signature), f"of random values, seed {_SEED}"
    if not calls:
        raise InputError("there is no sample to rehearse on", hint="give at least one")
    return RehearsalSamples(
        calls=tuple(calls),
        arrays=tuple(bind_inputs(signature, *call) for call in calls),
        golden=golden,
        words=f"{len(calls)} sample{'' if len(calls) == 1 else 's'} {source}",
    )


def check_source(model: LiteRTModel, signature: Signature, source: LiteRTModel, signature_key: str | None) -> None:
    """Refuse what a model cannot have been made from: one with other inputs or outputs.

    Raises
    ------
    InputError
        If a name or a shape differs.
    UnknownNameError
        If the source has no such signature.
    """
    theirs = pick_signature(source.signatures, signature_key)
    for kind, ours, others in (
        ("inputs", signature.inputs, theirs.inputs),
        ("outputs", signature.outputs, theirs.outputs),
    ):
        if not _are_alike(ours, others):
            raise InputError(
                f"{source.name} is not what {model.name} was made from: its {kind} are {', '.join(map(str, others))}, "
                f"not {', '.join(map(str, ours))}",
                hint="give the float model that it was quantized from, or leave source out",
            )


def _are_alike(ours: Sequence[TensorSpec], others: Sequence[TensorSpec]) -> bool:
    """Say whether names and shapes are the same, as far as the sizes are fixed."""
    shapes = {spec.name: spec.shape for spec in others}
    return shapes.keys() == {spec.name for spec in ours} and all(
        len(spec.shape) == len(shapes[spec.name])
        and all(size == other or -1 in (size, other) for size, other in zip(spec.shape, shapes[spec.name], strict=True))
        for spec in ours
    )


def _given_calls(signature: Signature, given: Any) -> list[Arguments]:
    if isinstance(given, list):
        return [_call(sample) for sample in given]
    return split_batch(signature, *_call(given))


def _call(sample: Any) -> Arguments:
    if isinstance(sample, Mapping):
        return [], dict(sample)
    return (list(sample), {}) if isinstance(sample, tuple) else ([sample], {})


def _golden(model: LiteRTModel, numbers: Sequence[int]) -> tuple[Arrays, ...]:
    """Return what the source made of the model's samples; of a quantized model its own outputs are kept instead."""
    if model.fidelity is not None or model.golden_path is None or not model.golden_path.is_file():
        return ()
    stored = by_sample(load_arrays(model.golden_path))
    return tuple(stored[number] for number in numbers) if stored.keys() == set(numbers) else ()


def _random_calls(signature: Signature) -> list[Arguments]:
    import numpy as np

    rng = np.random.default_rng(_SEED)
    return [
        ([], {spec.name: _random(spec, rng) for spec in signature.inputs})
        for _ in range(_NUM_RANDOM if signature.inputs else 1)
    ]


def _random(spec: TensorSpec, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    if -1 in spec.shape:
        raise InputError(
            f"input {spec.name!r} has the open shape {spec.shape}, which random values cannot fill",
            hint="give samples=[...] of the size that you use",
        )
    return real_values(random_array(rng, element_type_named(spec.dtype, tensor=spec.name), spec.shape), spec)
