"""How many multiply-accumulates an operator does, from shapes alone.

Only matrix products and convolutions count, as is usual; elementwise work, pooling and moving data count 0. Where the
number cannot be known (a shape that varies, a custom or recurrent operator, a loop) the answer is None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from embedl_nb.model.graph import ModelGraph, Operator, Subgraph, Tensor

__all__ = ["count_macs", "total_macs"]

# Operators without a matrix product, one line a kind: arithmetic, activations, comparisons, reductions, pooling, moves.
_WITHOUT_MACS = frozenset(
    """
    ADD SUB MUL DIV FLOOR_DIV FLOOR_MOD POW SQUARED_DIFFERENCE MAXIMUM MINIMUM ADD_N ATAN2 NEG ABS SIGN SQUARE SQRT
    RSQRT EXP LOG SIN COS FLOOR CEIL ROUND CUMSUM L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION BITCAST BITWISE_XOR
    RIGHT_SHIFT RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 PRELU LEAKY_RELU ELU GELU TANH LOGISTIC HARD_SWISH SOFTMAX
    LOG_SOFTMAX
    EQUAL NOT_EQUAL LESS LESS_EQUAL GREATER GREATER_EQUAL LOGICAL_AND LOGICAL_OR LOGICAL_NOT SELECT SELECT_V2 WHERE
    SUM MEAN REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL ARG_MAX ARG_MIN TOPK_V2 SEGMENT_SUM
    UNSORTED_SEGMENT_SUM UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNIQUE BUCKETIZE
    AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR NON_MAX_SUPPRESSION_V4
    NON_MAX_SUPPRESSION_V5
    RESHAPE TRANSPOSE PAD PADV2 MIRROR_PAD CONCATENATION SPLIT SPLIT_V PACK UNPACK SQUEEZE EXPAND_DIMS SLICE
    STRIDED_SLICE GATHER GATHER_ND SCATTER_ND TILE BROADCAST_TO BROADCAST_ARGS REVERSE_V2 REVERSE_SEQUENCE
    SPACE_TO_DEPTH DEPTH_TO_SPACE SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND DYNAMIC_UPDATE_SLICE DILATE MATRIX_DIAG
    MATRIX_SET_DIAG CAST QUANTIZE DEQUANTIZE FAKE_QUANT FILL RANGE SHAPE RANK ZEROS_LIKE ONE_HOT SPARSE_TO_DENSE DENSIFY
    EMBEDDING_LOOKUP EMBEDDING_LOOKUP_SPARSE HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_LOOKUP HASHTABLE_SIZE
    VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE RANDOM_UNIFORM RANDOM_STANDARD_NORMAL MULTINOMIAL
    STABLEHLO_ADD STABLEHLO_SUBTRACT STABLEHLO_MULTIPLY STABLEHLO_DIVIDE STABLEHLO_RESHAPE STABLEHLO_TRANSPOSE
    STABLEHLO_CONCATENATE STABLEHLO_SLICE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_GATHER STABLEHLO_PAD STABLEHLO_CONVERT
    """.split()  # noqa: SIM905 - a wall of quotes otherwise
)

# More than this is a damaged file, not a model.
_LARGEST_COUNT = 2**62

_Shapes = tuple[tuple[int, ...], ...]


def _conv_2d(_operator: Operator, inputs: _Shapes, outputs: _Shapes) -> int:
    # Weights (O, H, W, I); I is already a group's share.
    return math.prod(outputs[0]) * math.prod(inputs[1][1:])


def _depthwise_conv_2d(_operator: Operator, inputs: _Shapes, outputs: _Shapes) -> int:
    # Weights (1, H, W, O).
    return math.prod(outputs[0]) * math.prod(inputs[1][1:3])


def _conv_3d(_operator: Operator, inputs: _Shapes, outputs: _Shapes) -> int:
    # Weights (D, H, W, I, O).
    return math.prod(outputs[0]) * math.prod(inputs[1][:4])


def _transpose_conv(_operator: Operator, inputs: _Shapes, _outputs: _Shapes) -> int:
    # Inputs: output shape, weights (O, H, W, I), values (N, H, W, I): each value meets every weight of its channel.
    return math.prod(inputs[2][:-1]) * math.prod(inputs[1])


def _fully_connected(_operator: Operator, inputs: _Shapes, _outputs: _Shapes) -> int:
    # Weights (O, I).
    return math.prod(inputs[0]) * inputs[1][0]


def _batch_matmul(operator: Operator, inputs: _Shapes, outputs: _Shapes) -> int:
    return math.prod(outputs[0]) * inputs[0][-2 if operator.transposes[0] else -1]


_FORMULAS: dict[str, Callable[[Operator, _Shapes, _Shapes], int]] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "CONV_3D": _conv_3d,
    "TRANSPOSE_CONV": _transpose_conv,
    "CONV_3D_TRANSPOSE": _transpose_conv,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
}

# Run their one subgraph exactly once.
_RUN_ONCE = frozenset({"STABLEHLO_COMPOSITE", "CALL"})
# Subgraphs that run subgraphs beyond this depth are a damaged file (or one that runs itself).
_DEEPEST_CALL = 32


def count_macs(operator: Operator, subgraph: Subgraph, graph: ModelGraph) -> int | None:
    """Return the multiply-accumulates of one run of an operator, None where they cannot be known.

    Parameters
    ----------
    operator
        Of ``subgraph``, which is of ``graph``.
    """
    return _Counter(graph).count(operator, subgraph, depth=0)


def total_macs(subgraph: Subgraph, graph: ModelGraph) -> tuple[int, int]:
    """Return the multiply-accumulates known of a subgraph, and the number of operators of which they are not."""
    counter = _Counter(graph)
    counts = [counter.count(operator, subgraph, depth=0) for operator in subgraph.operators]
    return sum(count or 0 for count in counts), counts.count(None)


class _Counter:
    """Counts the operators of one graph; a subgraph that several of them run is counted once."""

    def __init__(self, graph: ModelGraph) -> None:
        self._graph = graph
        self._known: dict[int, int | None] = {}

    def count(self, operator: Operator, subgraph: Subgraph, *, depth: int) -> int | None:
        if operator.code in _WITHOUT_MACS:
            return 0
        if operator.code in _RUN_ONCE:
            called = [self._called(index, depth=depth + 1) for index in operator.calls]
            return sum(count for count in called if count is not None) if called and None not in called else None
        formula = _FORMULAS.get(operator.code)
        if formula is None:
            return None
        inputs, outputs = _shapes(operator.inputs, subgraph.tensors), _shapes(operator.outputs, subgraph.tensors)
        if inputs is None or outputs is None:
            return None
        try:
            count = formula(operator, inputs, outputs)
        except IndexError:  # fewer inputs or dimensions than the operator is defined for
            return None
        return count if count <= _LARGEST_COUNT else None

    def _called(self, index: int, *, depth: int) -> int | None:
        if depth > _DEEPEST_CALL:
            return None
        if index not in self._known:
            self._known[index] = None  # what it is while it is being counted, in case that it runs itself
            body = self._graph.subgraphs[index]
            counts = [self.count(operator, body, depth=depth) for operator in body.operators]
            if None not in counts:
                self._known[index] = sum(count for count in counts if count is not None)
        return self._known[index]


def _shapes(indices: tuple[int, ...], tensors: tuple[Tensor, ...]) -> _Shapes | None:
    """Return the tensors' shapes, () for an input that is left out; None where a dimension may vary."""
    shapes = tuple(tensors[index].shape if index >= 0 else () for index in indices)
    return None if any(-1 in shape for shape in shapes) else shapes
