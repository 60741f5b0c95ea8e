"""What the CPU delegate's kernels are called, and which of a model's operators each of them can be running.

The names are those that XNNPACK gives its operators in profiles, without what follows in brackets: "Convolution (NHWC,
F32) IGEMM" is ``Convolution``.

References
----------
https://github.com/google/XNNPACK/blob/master/src/operators/ and its enum of operator types (include/xnnpack/
operator-type-defs.inc); the pairs were seen in profiles of ai-edge-litert 2.3.
"""

from __future__ import annotations

import functools

__all__ = ["ABSORBED_BY_CONSUMER", "ABSORBED_BY_PRODUCER", "HELPER_KERNELS", "can_run", "kernel_base"]

_UNARY = (
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC NEG RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 ROUND "
    "RSQRT SIGN SIN SQRT SQUARE TANH"
)
_BINARY = "ADD DIV FLOOR_MOD MAXIMUM MINIMUM MUL POW PRELU SQUARED_DIFFERENCE SUB"
_MOVES = "CONCATENATION EXPAND_DIMS PACK RESHAPE SLICE SPLIT SPLIT_V SQUEEZE STRIDED_SLICE UNPACK BROADCAST_TO"

_OPERATORS_BY_KERNEL: dict[str, str] = {
    "Abs": "ABS",
    "Add": "ADD",
    "ApproxGELU": "GELU",
    "ArgMax Pooling": "ARG_MAX",
    "Average Pooling": "AVERAGE_POOL_2D MEAN",
    "Bankders Rounding": "ROUND",
    "Bankers Rounding": "ROUND",
    "Batch Matrix Multiply": "BATCH_MATMUL FULLY_CONNECTED",
    "Binary Elementwise": _BINARY,
    "Ceiling": "CEIL",
    "Clamp": "RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 MAXIMUM MINIMUM",
    "Constant Pad": "PAD PADV2",
    "Convert": "CAST DEQUANTIZE QUANTIZE",
    "Convolution": "CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED",
    "Copy": _MOVES,
    "Cosine": "COS",
    "Cube Root": "POW",
    "Deconvolution": "TRANSPOSE_CONV",
    "Depth To Space": "DEPTH_TO_SPACE",
    "Divide": "DIV",
    "Dynamic Fully Connected": "BATCH_MATMUL FULLY_CONNECTED",
    "ELU": "ELU",
    "Exp": "EXP",
    "Floor": "FLOOR",
    "Fully Connected": "CONV_2D FULLY_CONNECTED BATCH_MATMUL",
    "Fuse Dims": "RESHAPE",
    "GELU": "GELU",
    "HardSwish": "HARD_SWISH",
    "LeakyReLU": "LEAKY_RELU",
    "Log": "LOG",
    "Max Pooling": "MAX_POOL_2D",
    "Maximum": "MAXIMUM RELU",
    "Mean": "MEAN AVERAGE_POOL_2D",
    "Mean Squared": "MEAN",
    "Minimum": "MINIMUM",
    "Modulus": "FLOOR_MOD",
    "Multiply": "MUL SQUARE",
    "Negate": "NEG",
    "Normalize": "L2_NORMALIZATION",
    "PReLU": "PRELU",
    "Power": "POW",
    "Reciprocal Square Root": "RSQRT",
    "Reduce Max": "REDUCE_MAX",
    "Reduce Min": "REDUCE_MIN",
    "Resize Bilinear": "RESIZE_BILINEAR",
    "Sigmoid": "LOGISTIC",
    "Sign": "SIGN",
    "Sine": "SIN",
    "Slice": "SLICE SPLIT SPLIT_V STRIDED_SLICE UNPACK",
    "Softmax": "SOFTMAX",
    "Space To Depth": "SPACE_TO_DEPTH",
    "Split Dims": "RESHAPE",
    "Square": "SQUARE MUL",
    "Square Root": "SQRT",
    "Squared Difference": "SQUARED_DIFFERENCE",
    "Static Expand Dims": "EXPAND_DIMS RESHAPE",
    "Static Reshape": "RESHAPE SQUEEZE EXPAND_DIMS",
    "Subtract": "SUB",
    "Sum": "SUM",
    "TanH": "TANH",
    "Transpose": "TRANSPOSE",
    "Unary Elementwise": _UNARY,
    "Unpooling": "CUSTOM",
}

HELPER_KERNELS = frozenset(
    {"Clamp", "Constant Pad", "Convert", "Copy", "Static Reshape", "Static Expand Dims", "Transpose"}
)
"""Kernels that may stand beside an operator's own: its fused activation, its input quantized on the fly or reshaped."""

_ACTIVATIONS = ("LOGISTIC", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "TANH")

ABSORBED_BY_PRODUCER = frozenset({*_ACTIVATIONS, "CAST", "EXPAND_DIMS", "QUANTIZE", "RESHAPE", "SQUEEZE"})
"""Operators that disappear into the one before: activations, and those that move no data."""

ABSORBED_BY_CONSUMER = frozenset({"BROADCAST_TO", "DEQUANTIZE", "PAD", "PADV2", "TRANSPOSE"})
"""Operators that disappear into the one after: padding, and weights that are unpacked once."""


def kernel_base(event_name: str) -> str:
    """Return a kernel's name without its layout, types and variant.

    Examples
    --------
    >>> kernel_base("Convolution (NHWC, F32) IGEMM"), kernel_base("CONV_2D")
    ('Convolution', 'CONV_2D')
    """
    return event_name.partition(" (")[0].strip()


@functools.lru_cache(maxsize=4096)
def can_run(kernel: str, operator: str) -> bool:
    """Say whether ``kernel`` (its base name) can be running ``operator``.

    A kernel that is in no list is taken for the operator of the same name ("Cumulative Sum" for ``CUMULATIVE_SUM``).
    """
    if kernel == operator:
        return True
    operators = _OPERATORS_BY_KERNEL.get(kernel)
    if operators is None:
        return kernel.upper().replace(" ", "_") == operator
    return operator in operators.split()
