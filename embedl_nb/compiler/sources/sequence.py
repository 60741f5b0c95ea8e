"""Sources that carry state from call to call: samples are steps in time, and what one returns the next one takes.

The compiled model keeps its state as an ordinary input and an ordinary output; whoever runs it hands the one on to the
other. Source and compiled model are each fed their own state, so that an error that grows is seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.keys.fingerprint import Fingerprint, extended
from embedl_nb.compiler.sources.wrapping import WrappedSource
from embedl_nb.errors import InputError, SignatureMismatchError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from embedl_nb.compiler.sources.samples import Sample, Samples
    from embedl_nb.compiler.sources.source import Source

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["LEAST_STEPS", "State", "StatefulSource", "read_state", "with_state_filled", "with_states"]

State = tuple[tuple[str, str], ...]
"""Pairs of an output and the input that takes it in the next call."""

LEAST_STEPS = 16


def read_state(state: Mapping[str, str] | None) -> State:
    """Check the shape of what was given; names are checked when the source is known.

    Raises
    ------
    InputError
        If it is no dict of texts, or two outputs go into one input.
    """
    if state is None:
        return ()
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for pair in state.items() for name in pair):
        raise InputError(
            f"state={state!r} does not name outputs and inputs",
            hint="give the input that takes each output in the next call, e.g. {'h_out': 'h_in'}",
        )
    taken = list(state.values())
    twice = next((name for name in taken if taken.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"state hands two outputs to the input {twice!r}", hint="give each input one output")
    return tuple(state.items())


def with_state_filled(example_inputs: Any, state: State) -> Any:
    """Return the samples with the inputs of the state that later ones leave out: nobody looks at their values."""
    if not (state and isinstance(example_inputs, list) and all(isinstance(each, Mapping) for each in example_inputs)):
        return example_inputs
    names = [name for _, name in state]
    first = {name: example_inputs[0][name] for name in names if name in example_inputs[0]} if example_inputs else {}
    return [*example_inputs[:1], *({**first, **each} for each in example_inputs[1:])]


def with_states(inputs: Arrays, golden: Arrays, state: State) -> Arrays:
    """Return the inputs of all steps with the state that the source itself had there; arrays by ``"<step>/<name>"``."""
    states: Arrays = {}
    for key in golden:
        step, _, name = key.partition("/")
        states |= {f"{int(step) + 1}/{taken}": golden[key] for given, taken in state if given == name}
    return {key: states.get(key, array) for key, array in inputs.items()}


class StatefulSource(WrappedSource):
    """A source whose samples are steps of one sequence.

    Parameters
    ----------
    source
        Its first sample holds the state to begin with. What later samples hold in its place is not used.
    state
        Which output becomes which input.

    Raises
    ------
    UnknownNameError
        If the source has no such input.
    """

    def __init__(self, source: Source, state: State) -> None:
        super().__init__(source)
        self._state = state
        for _, name in state:
            if name not in source.samples.names:
                raise UnknownNameError.among("input for state", name, source.samples.names)
        self.samples = dataclasses.replace(_lengthened(source.samples, self._inputs), state=state)

    @property
    def _inputs(self) -> tuple[str, ...]:
        return tuple(name for _, name in self._state)

    def fingerprint(self) -> Fingerprint:
        """Return the key of compiling it."""
        return extended(self._inner.fingerprint(), "state", self._state)

    def run(self, samples: Samples) -> Arrays:
        """Compute the reference step by step, each with the state that the source itself returned.

        Raises
        ------
        UnknownNameError
            If the source has no such output.
        SignatureMismatchError
            If a state comes out in another shape or dtype than it goes in.
        """
        arrays: Arrays = {}
        carried: Arrays = {}
        for index, sample in enumerate(samples.samples):
            returned = self._inner.run(_one_step(samples, sample, carried))
            outputs = {key.partition("/")[2]: array for key, array in returned.items()}
            if index == 0:
                self._check_outputs(outputs)
            carried = {taken: outputs[given] for given, taken in self._state}
            arrays |= {f"{index}/{name}": array for name, array in outputs.items()}
        return arrays

    def _check_outputs(self, outputs: Arrays) -> None:
        tensors = dict(zip(self.samples.names, self.samples.first.tensors, strict=True))
        for given, taken in self._state:
            if given not in outputs:
                raise UnknownNameError.among("output for state", given, outputs)
            comes_out = f"{outputs[given].dtype} {outputs[given].shape}"
            goes_in = f"{str(tensors[taken].dtype).removeprefix('torch.')} {tuple(tensors[taken].shape)}"
            if comes_out != goes_in:
                raise SignatureMismatchError(
                    f"the state comes out of {given!r} as {comes_out}, and goes into {taken!r} as {goes_in}",
                    hint="a state has to keep its shape and dtype from call to call",
                )


def _one_step(samples: Samples, sample: Sample, carried: Arrays) -> Samples:
    import torch

    def convert(name: str, tensor: torch.Tensor, index: int) -> torch.Tensor:  # noqa: ARG001 - one sample only
        return torch.from_numpy(carried[name]) if name in carried else tensor

    return dataclasses.replace(samples, samples=(sample,)).mapped(convert)


def _lengthened(samples: Samples, state_inputs: Sequence[str]) -> Samples:
    """Add made-up steps where fewer than :data:`LEAST_STEPS` were given: noise like the floats, integers again."""
    import torch

    given = samples.samples
    if len(given) >= LEAST_STEPS:
        return samples
    generator = torch.Generator().manual_seed(0)

    def convert(name: str, tensor: torch.Tensor, index: int) -> torch.Tensor:
        if index < len(given) or name in state_inputs or not tensor.is_floating_point():
            return tensor
        noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        spread = tensor.std() if tensor.numel() > 1 else tensor.abs().max()
        return (noise * spread + tensor.mean()).clamp(tensor.min(), tensor.max())

    steps = tuple(given[index % len(given)] for index in range(LEAST_STEPS))
    return dataclasses.replace(samples, samples=steps, is_made_up=True).mapped(convert)
