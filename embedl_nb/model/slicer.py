"""Cut operators out of a model into one of their own that runs by itself.

In: a model and a range of operators. Out: :class:`ModelSlice`: the bytes of a model with those operators, their
constants, a signature, and which tensors of the whole its inputs and outputs are. It serves to time or compare a part
alone, or to ask a runtime about one operator.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedl_nb.errors import InputError
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack

__all__ = ["ModelSlice", "slice_operators"]

SIGNATURE_KEY = "slice"
# Fields of operators' options that hold an index of a subgraph, and that hold several.
_SUBGRAPH_FIELDS = (
    "subgraph",
    "initSubgraphIndex",
    "condSubgraphIndex",
    "bodySubgraphIndex",
    "thenSubgraphIndex",
    "elseSubgraphIndex",
    "decompositionSubgraphIndex",
    "comparatorSubgraphIndex",
    "updateComputationSubgraphIndex",
)
_SUBGRAPH_LISTS = ("branchSubgraphIndices", "calledComputations")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSlice:
    """A part of a model, as a model.

    Attributes
    ----------
    data
        Content of a ``.tflite`` file with the signature ``"slice"``, whose inputs are ``input_0``, ``input_1`` ... and
        whose outputs are ``output_0`` ...
    inputs, outputs
        Tensor index in the whole model of each input and output, in the same order.
    """

    data: bytes
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def slice_operators(source: Any, first: int, last: int | None = None, *, subgraph_index: int = 0) -> ModelSlice:
    """Cut operators ``first`` to ``last`` (both included) into a model of their own.

    Parameters
    ----------
    source
        A path, the content of a file, or the object tree that :func:`~.writer.unpack` made of it, which is not changed.
    first, last
        Operator indices in the subgraph; without ``last`` only ``first``.

    Returns
    -------
    ModelSlice
        Its inputs are the tensors that come from before the range; its outputs those that are needed behind it, that
        the model returns, or that nothing reads.

    Raises
    ------
    InputError
        If the range is empty or beyond the model, or the model cannot be cut (see :func:`~.writer.unpack`).

    Examples
    --------
    >>> from embedl_nb.testing import models
    >>> part = slice_operators(models.chain(10), 3, 5)
    >>> len(part.inputs), len(part.outputs)
    (1, 1)
    """
    model = unpack(source) if isinstance(source, str | Path | bytes) else source
    if not 0 <= subgraph_index < len(model.subgraphs):
        raise InputError(f"there is no subgraph {subgraph_index}", hint=f"the model has {len(model.subgraphs)}")
    whole = model.subgraphs[subgraph_index]
    num_operators = len(whole.operators or ())
    last = first if last is None else last
    if not 0 <= first <= last < num_operators:
        raise InputError(
            f"operators {first} to {last} cannot be cut out of {num_operators}",
            hint=f"give 0 <= first <= last <= {num_operators - 1}",
        )
    operators = whole.operators[first : last + 1]
    inputs, outputs = _boundary(model, whole, first, last)
    cut = _Cut(model)
    subgraph = cut.subgraph(whole, operators, inputs, outputs)
    return ModelSlice(data=pack(cut.model(subgraph)), inputs=inputs, outputs=outputs)


def _boundary(model: Any, whole: Any, first: int, last: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the tensors that cross into the range and out of it."""
    inside, behind = whole.operators[first : last + 1], whole.operators[last + 1 :]
    made = [int(index) for operator in inside for index in _indices(operator.outputs)]
    read = [int(index) for operator in inside for index in _indices(operator.inputs)]
    made_set, read_set = set(made), set(read)
    needed = {int(index) for operator in behind for index in _indices(operator.inputs)} | set(_indices(whole.outputs))
    given = [
        index for index in dict.fromkeys(read) if index not in made_set and not _is_held(model, whole.tensors[index])
    ]
    kept = [index for index in dict.fromkeys(made) if index in needed or index not in read_set]
    return tuple(given), tuple(kept)


def _is_held(model: Any, tensor: Any) -> bool:
    """Say whether a tensor needs no input: a constant, or a variable."""
    data = model.buffers[tensor.buffer].data if tensor.buffer else None
    return bool(tensor.isVariable) or (data is not None and len(data) > 0)


def _indices(indices: Any) -> list[int]:
    return [int(index) for index in (() if indices is None else indices) if index >= 0]


def _detail_tensors(details: Any) -> list[str]:
    """Return the fields of block-wise quantization that name a tensor; 0 zero points stand for none."""
    if not hasattr(details, "scales"):
        return []
    return ["scales", "zeroPoints"] if details.zeroPoints > 0 else ["scales"]


class _Cut:
    """Collects what a slice needs of the whole, under new numbers."""

    def __init__(self, whole: Any) -> None:
        self._whole = whole
        self._buffers = {0: 0}
        self._codes: dict[int, int] = {}
        # The slice itself is subgraph 0; those that its operators run follow.
        self._called: dict[int, int] = {}
        self._bodies: list[Any] = []

    def model(self, subgraph: Any) -> Any:
        """Return the model of ``subgraph`` and of all that was collected for it."""
        s = schema()
        signature = s.SignatureDefT(
            inputs=[s.TensorMapT(name=f"input_{i}", tensorIndex=t) for i, t in enumerate(subgraph.inputs)],
            outputs=[s.TensorMapT(name=f"output_{i}", tensorIndex=t) for i, t in enumerate(subgraph.outputs)],
            signatureKey=SIGNATURE_KEY,
        )
        return s.ModelT(
            version=self._whole.version,
            operatorCodes=[self._whole.operatorCodes[code] for code in self._codes],
            subgraphs=[subgraph, *self._bodies],
            description="slice of a model",
            buffers=[s.BufferT(data=self._whole.buffers[buffer].data if buffer else None) for buffer in self._buffers],
            signatureDefs=[signature],
        )

    def subgraph(self, whole: Any, operators: Any, inputs: Any, outputs: Any) -> Any:
        """Return a subgraph of ``operators`` with only the tensors that they use."""
        numbers: dict[int, int] = {}
        used = [i for operator in operators for i in (*_indices(operator.inputs), *_indices(operator.outputs))]
        used += [i for operator in operators for i in _indices(operator.intermediates)]
        for index in (*inputs, *used, *outputs):
            self._number(numbers, whole, int(index))
        return schema().SubGraphT(
            tensors=[self._tensor(whole.tensors[index], numbers) for index in numbers],
            inputs=[numbers[index] for index in inputs],
            outputs=[numbers[index] for index in outputs],
            operators=[self._operator(operator, numbers) for operator in operators],
            name=whole.name,
        )

    def _number(self, numbers: dict[int, int], whole: Any, index: int) -> None:
        numbers.setdefault(index, len(numbers))
        details = getattr(whole.tensors[index].quantization, "details", None)
        for name in _detail_tensors(details):
            scale_tensor = getattr(details, name)
            if not 0 <= scale_tensor < len(whole.tensors):
                raise InputError(f"the scales of tensor {index} are not in the model", hint="compile the model again")
            numbers.setdefault(scale_tensor, len(numbers))

    def _tensor(self, tensor: Any, numbers: dict[int, int]) -> Any:
        tensor = copy.copy(tensor)
        tensor.buffer = self._buffers.setdefault(tensor.buffer, len(self._buffers))
        if getattr(tensor.quantization, "details", None) is not None:
            tensor.quantization = copy.copy(tensor.quantization)
            details = tensor.quantization.details = copy.copy(tensor.quantization.details)
            for name in _detail_tensors(details):
                setattr(details, name, numbers[getattr(details, name)])
        return tensor

    def _operator(self, operator: Any, numbers: dict[int, int]) -> Any:
        operator = copy.copy(operator)
        operator.opcodeIndex = self._codes.setdefault(operator.opcodeIndex, len(self._codes))
        for name in ("inputs", "outputs", "intermediates"):
            indices = getattr(operator, name)
            if indices is not None:
                setattr(operator, name, [numbers[int(index)] if index >= 0 else -1 for index in indices])
        operator.debugMetadataIndex = -1  # into metadata that the slice leaves behind
        operator.builtinOptions = self._options(operator.builtinOptions)
        operator.builtinOptions2 = self._options(operator.builtinOptions2)
        return operator

    def _options(self, options: Any) -> Any:
        """Return options that refer to the slice's own copies of the subgraphs that the operator runs."""
        options = copy.copy(options)
        for name in _SUBGRAPH_FIELDS:
            if hasattr(options, name):
                setattr(options, name, self._body(getattr(options, name)))
        for name in _SUBGRAPH_LISTS:
            if getattr(options, name, None) is not None:
                setattr(options, name, [self._body(int(index)) for index in getattr(options, name)])
        return options

    def _body(self, index: int) -> int:
        if not 0 <= index < len(self._whole.subgraphs):
            return index  # -1: an optional one that is left out
        if index not in self._called:
            self._called[index] = len(self._called) + 1
            self._bodies.append(None)  # keeps its place while the bodies that it runs itself are added
            body = self._whole.subgraphs[index]
            made = self.subgraph(body, body.operators or [], _indices(body.inputs), _indices(body.outputs))
            self._bodies[self._called[index] - 1] = made
        return self._called[index]
