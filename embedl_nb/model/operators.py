"""One row an operator: what it is, where it comes from, what it costs in arithmetic and memory.

In: a graph. Out: :class:`OperatorInfo` rows, the frame that users see, and the model's precision, which is read off the
tensors. All numbers follow from the file; nothing here is measured.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedl_nb.model.graph import ModelGraph, Operator, Subgraph, Tensor
from embedl_nb.model.macs import count_macs
from embedl_nb.model.source_names import source_module

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "OperatorInfo",
    "count_float_operators",
    "describe_operators",
    "num_parameters",
    "operator_precisions",
    "operators_frame",
    "precision_of",
]

# Where an operator's weights are among its inputs.
_WEIGHTS_INPUT = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "CONV_3D": 1,
    "TRANSPOSE_CONV": 1,
    "CONV_3D_TRANSPOSE": 1,
    "FULLY_CONNECTED": 1,
    "BATCH_MATMUL": 1,
    "EMBEDDING_LOOKUP": 1,
}
# Where its activations are.
_VALUES_INPUT = {"TRANSPOSE_CONV": 2, "CONV_3D_TRANSPOSE": 2}
# What litert-torch calls an output of the model; the rest is the user's own name for it.
_SIGNATURE_OUTPUT = "serving_default_"
_SHORT = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "float64": "f64"}
_INTEGERS = ("int64", "int32", "uint32", "uint64", "bool")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorInfo:
    """One operator as the user sees it.

    Attributes
    ----------
    index
        Position in the subgraph, which is the order of execution.
    operator
        ``"CONV_2D"``, or a custom operator's own name.
    name
        Of its first output tensor.
    source
        Dotted name of the source module it comes from, ``"f.4.c.3"``; "" where the file carries none.
    inputs, outputs
        Shapes; -1 for a dimension that may vary. Constants and inputs that are left out are not listed.
    dtype, weights_dtype
        Of the first output, and of the constant weights ("" without).
    quantization
        Of the first output; "" for real values.
    macs
        Multiply-accumulates of one run; None where they cannot be known.
    num_parameters, parameter_bytes
        Elements and size of its constants, shapes and axes left out. One that several operators share counts for each.
    activation_bytes
        Size of the values it reads and writes; None where a dimension may vary.
    """

    index: int
    operator: str
    name: str
    source: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    dtype: str
    weights_dtype: str
    quantization: str
    macs: int | None
    num_parameters: int
    parameter_bytes: int
    activation_bytes: int | None


def describe_operators(graph: ModelGraph, *, subgraph_index: int | None = None) -> tuple[OperatorInfo, ...]:
    """Describe the operators of a subgraph, by default that of the first signature."""
    subgraph = graph.main if subgraph_index is None else graph.subgraphs[subgraph_index]
    uses = Counter(index for operator in subgraph.operators for index in operator.inputs)
    return tuple(_describe(operator, subgraph, graph, uses) for operator in subgraph.operators)


def _describe(operator: Operator, subgraph: Subgraph, graph: ModelGraph, uses: Counter[int]) -> OperatorInfo:
    tensors = subgraph.tensors
    inputs = [tensors[index] for index in operator.inputs if index >= 0]
    outputs = [tensors[index] for index in operator.outputs if index >= 0]
    values = [tensor for tensor in inputs if not tensor.is_constant]
    parameters = [tensor for tensor in inputs if is_parameter(tensor)]
    sizes = [tensor.num_bytes for tensor in (*values, *outputs)]
    first = outputs[0] if outputs else None
    weights = _weights(operator, tensors)
    return OperatorInfo(
        index=operator.index,
        operator=operator.type_name,
        name=first.name if first else "",
        source=_source(outputs, inputs, uses),
        inputs=tuple(tensor.shape for tensor in values),
        outputs=tuple(tensor.shape for tensor in outputs),
        dtype=first.dtype if first else "",
        weights_dtype=weights.dtype if weights and weights.is_constant else "",
        quantization=str(first.quantization) if first and first.quantization else "",
        macs=count_macs(operator, subgraph, graph),
        num_parameters=sum(tensor.num_elements or 0 for tensor in parameters),
        parameter_bytes=sum(tensor.constant_bytes for tensor in parameters),
        activation_bytes=None if None in sizes else sum(size for size in sizes if size is not None),
    )


def _source(outputs: list[Tensor], inputs: list[Tensor], uses: Counter[int]) -> str:
    """Return the source module; an output of the model has a name of its own, but its weights still tell."""
    named = [tensor for tensor in outputs if not tensor.name.startswith(_SIGNATURE_OUTPUT)]
    for tensor in named:
        if source := source_module(tensor.name):
            return source
    if any(";" in tensor.name for tensor in named):
        return ""  # made by the outermost module itself
    own_constants = [tensor for tensor in inputs if tensor.is_constant and uses[tensor.index] == 1]
    return next((source for tensor in own_constants if (source := source_module(tensor.name))), "")


def is_parameter(tensor: Tensor) -> bool:
    """Say whether a tensor holds learned values, not a shape, an axis or an index."""
    return tensor.is_constant and (tensor.quantization is not None or tensor.dtype not in _INTEGERS)


def num_parameters(graph: ModelGraph) -> int:
    """Return the number of learned values in the file; those that several operators share count once."""
    by_buffer = {
        tensor.buffer: tensor.num_elements or 0
        for subgraph in graph.subgraphs
        for tensor in subgraph.tensors
        if is_parameter(tensor)
    }
    return sum(by_buffer.values())


def _weights(operator: Operator, tensors: tuple[Tensor, ...]) -> Tensor | None:
    position = _WEIGHTS_INPUT.get(operator.code)
    return None if position is None else _input(operator, tensors, position)


def _values(operator: Operator, tensors: tuple[Tensor, ...]) -> Tensor | None:
    return _input(operator, tensors, _VALUES_INPUT.get(operator.code, 0))


def _input(operator: Operator, tensors: tuple[Tensor, ...], position: int) -> Tensor | None:
    """Return an input, None where it is left out or the operator has fewer."""
    if position >= len(operator.inputs) or operator.inputs[position] < 0:
        return None
    return tensors[operator.inputs[position]]


def precision_of(graph: ModelGraph) -> str:
    """Return the precision in which the model computes, read off its tensors.

    Returns
    -------
    str
        ``"f32"``; ``"w8a8"`` for 8-bit weights and activations; ``"w8af32"`` for 8-bit weights that meet real
        activations; ``"f32+w8a8"`` where operators differ, the one with more operators first. Operators with weights
        decide; in a model without any, the outputs do.
    """
    subgraph = graph.main
    tensors = subgraph.tensors
    stored = _stored(subgraph)
    kinds: Counter[str] = Counter()
    for operator in subgraph.operators:
        weights, values = _weights(operator, tensors), _values(operator, tensors)
        if weights is None or values is None or operator.code == "EMBEDDING_LOOKUP":
            continue
        weights = stored.get(weights.index, weights)
        if not weights.is_constant:  # a product of two values that are both computed
            continue
        kinds[_precision(weights.dtype, values.dtype)] += 1
    if not kinds:
        kinds.update(_short(tensors[index].dtype) for index in subgraph.outputs if index >= 0)
    return "+".join(kind for kind, _ in kinds.most_common()) or "f32"


def operator_precisions(subgraph: Subgraph) -> tuple[str, ...]:
    """Return what each operator computes in.

    Returns
    -------
    tuple of str
        ``"w8a8"``; ``"a8"`` for one without weights; ``"w8af32"`` for 8-bit weights that meet real values, also where
        they are turned into real ones first; ``"f32"``; ``"i64"`` for plain integers.
    """
    stored = _stored(subgraph)
    return tuple(_operator_precision(operator, subgraph.tensors, stored) for operator in subgraph.operators)


def _operator_precision(operator: Operator, tensors: tuple[Tensor, ...], stored: dict[int, Tensor]) -> str:
    weights, values = _weights(operator, tensors), _values(operator, tensors)
    if weights is not None and values is not None:
        weights = stored.get(weights.index, weights)
        if weights.is_constant:
            return _precision(weights.dtype, values.dtype)
    output = next((tensors[index] for index in operator.outputs if index >= 0), None)
    if output is None:
        return ""
    short = _short(output.dtype)
    return f"a{short.removeprefix('i')}" if output.quantization else short


def _stored(subgraph: Subgraph) -> dict[int, Tensor]:
    """Return, by tensor, what constant it is read from: weights that are stored small and made real before use."""
    return {
        operator.outputs[0]: subgraph.tensors[operator.inputs[0]]
        for operator in subgraph.operators
        if operator.code == "DEQUANTIZE" and operator.inputs and operator.outputs and operator.inputs[0] >= 0
    }


def count_float_operators(graph: ModelGraph) -> dict[str, int]:
    """Return how many operators of the first signature compute in float with float weights, by type.

    QUANTIZE and DEQUANTIZE are not counted: they lead into the others and out of them.
    """
    precisions = zip(graph.main.operators, operator_precisions(graph.main), strict=True)
    return dict(
        Counter(
            operator.type_name
            for operator, precision in precisions
            if operator.code not in ("QUANTIZE", "DEQUANTIZE") and precision.startswith(("f", "bf", "wf", "wbf"))
        )
    )


def _precision(weights: str, activations: str) -> str:
    if weights == activations and weights in _SHORT:
        return _short(weights)
    return f"w{_short(weights).removeprefix('i')}a{_short(activations).removeprefix('i')}"


def _short(dtype: str) -> str:
    if dtype in _SHORT:
        return _SHORT[dtype]
    return f"i{dtype.removeprefix('u').removeprefix('int')}" if "int" in dtype else dtype


def operators_frame(infos: tuple[OperatorInfo, ...]) -> pd.DataFrame:
    """Return one row an operator; counts that cannot be known are missing (``<NA>``), not 0."""
    import pandas as pd

    columns = OperatorInfo.__dataclass_fields__
    frame = pd.DataFrame({name: [getattr(info, name) for info in infos] for name in columns})
    return frame.astype({"macs": "Int64", "activation_bytes": "Int64"})
