"""What a compiled model does, in order: graphs for the NPU, and runs of operators that stay on the CPU.

In: the content of a ``.tflite`` file with ``DISPATCH_OP``s. Out: :class:`Steps`, whose files (context binaries, slices
of the model) are in a folder of the caller's. Nothing is run here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flatbuffers import flexbuffers

from embedl_nb.model.flatbuffer import parse
from embedl_nb.model.graph import Operator, Subgraph
from embedl_nb.model.schema import schema
from embedl_nb.model.slicer import slice_operators
from embedl_nb.model.spec import Signature
from embedl_nb.model.writer import unpack
from embedl_nb.placement.npu.result import DISPATCH, started_by
from embedl_nb.placement.rehearsal.simulator import Graph

__all__ = ["CpuStep", "NpuStep", "Steps", "read_steps"]

_BUILD = re.compile(rb"v(\d+\.\d+\.\d+\.\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NpuStep:
    """A ``DISPATCH_OP``; ``inputs`` and ``outputs`` are tensors of the compiled model."""

    graph: Graph
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuStep:
    """Operators between two of them, as a model of their own (see :class:`~embedl_nb.model.slicer.ModelSlice`)."""

    path: Path
    num_operators: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A compiled model, taken apart.

    Attributes
    ----------
    inputs, outputs
        Tensor index by the name that the signature gives it.
    build
        Of QAIRT, as the context binary has it: ``"2.51.0.260929181845"``; ``""`` where it names none.
    """

    steps: tuple[NpuStep | CpuStep, ...]
    inputs: dict[str, int]
    outputs: dict[str, int]
    build: str


def read_steps(data: bytes, signature: Signature, folder: Path) -> Steps:
    """Take a compiled model apart.

    Parameters
    ----------
    signature
        Of the model that it was compiled from.
    folder
        Takes the files.

    Raises
    ------
    InputError
        If ``data`` is not a whole model, or operators that stay on the CPU cannot be cut out of it.
    """
    subgraph = started_by(parse(data, "the compiled model"), signature.key)
    contexts = _Contexts(data, folder)
    steps = tuple(_steps(data, subgraph, contexts, folder))
    inputs, outputs = _ends(data, subgraph, signature)
    return Steps(steps=steps, inputs=inputs, outputs=outputs, build=contexts.build)


def _steps(data: bytes, subgraph: Subgraph, contexts: _Contexts, folder: Path) -> Iterator[NpuStep | CpuStep]:
    tree: Any = None
    for is_npu, run in itertools.groupby(subgraph.operators, key=lambda operator: operator.custom_name == DISPATCH):
        operators = list(run)
        if is_npu:
            yield from (_npu_step(subgraph, operator, contexts) for operator in operators)
            continue
        tree = tree or unpack(data, with_bytecode=True)
        first, last = operators[0].index, operators[-1].index
        part = slice_operators(tree, first, last, subgraph_index=subgraph.index)
        path = folder / f"cpu-{first}.tflite"
        path.write_bytes(part.data)
        yield CpuStep(path=path, num_operators=len(operators), inputs=part.inputs, outputs=part.outputs)


def _npu_step(subgraph: Subgraph, operator: Operator, contexts: _Contexts) -> NpuStep:
    name, context_path = contexts.of(subgraph.index, operator.index)
    inputs, outputs = (
        tuple((subgraph.tensors[index].dtype, subgraph.tensors[index].shape) for index in side)
        for side in (operator.inputs, operator.outputs)
    )
    return NpuStep(
        graph=Graph(name=name, context_path=context_path, inputs=inputs, outputs=outputs),
        inputs=operator.inputs,
        outputs=operator.outputs,
    )


class _Contexts:
    """The context binaries of a file, each written to a file of its own once."""

    def __init__(self, data: bytes, folder: Path) -> None:
        self._data, self._folder = data, folder
        self._model = schema().Model.GetRootAs(data, 0)
        self._paths: dict[tuple[int, int], Path] = {}
        self.build = ""

    def of(self, subgraph_index: int, operator_index: int) -> tuple[str, Path]:
        """Return what an operator's graph is called, and the file of the binary that it is in."""
        operator = self._model.Subgraphs(subgraph_index).Operators(operator_index)
        options = flexbuffers.Loads(bytearray(operator.CustomOptionsAsNumpy()))
        place = options["bytecode_offset"], options["bytecode_size"]
        if place not in self._paths:
            binary = self._data[place[0] : sum(place)]
            self._paths[place] = self._folder / f"context-{len(self._paths)}.bin"
            self._paths[place].write_bytes(binary)
            found = _BUILD.search(binary)
            self.build = self.build or (found[1].decode() if found else "")
        return options["name"], self._paths[place]


def _ends(data: bytes, subgraph: Subgraph, signature: Signature) -> tuple[dict[str, int], dict[str, int]]:
    """Return which tensors a signature's inputs and outputs are."""
    model = schema().Model.GetRootAs(data, 0)
    for place in range(model.SignatureDefsLength()):
        found = model.SignatureDefs(place)
        if found.SignatureKey() == signature.key.encode():
            inputs = [found.Inputs(i) for i in range(found.InputsLength())]
            outputs = [found.Outputs(i) for i in range(found.OutputsLength())]
            return _named(inputs), _named(outputs)
    return (
        {spec.name: tensor for spec, tensor in zip(signature.inputs, subgraph.inputs, strict=True)},
        {spec.name: tensor for spec, tensor in zip(signature.outputs, subgraph.outputs, strict=True)},
    )


def _named(ends: list[Any]) -> dict[str, int]:
    return {end.Name().decode(): end.TensorIndex() for end in ends}
