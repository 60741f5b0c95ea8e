"""What to write instead: the nearest rewrite for each operator that is known to stop a compile.

Every row holds a failure that was recorded, with the versions it was seen with, and the operators it is about; what
rewrites/ replaces before it is lowered needs none. Plain data: it is asked in the child that lowers and in the kernel,
and imports nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["ADVICE", "CUSTOM", "DEFAULT", "RANDOM", "Advice", "advice_for"]

DEFAULT = "write this part of the module with other operations"
_CONVERTER = "litert-torch 0.10.0, litert-converter 0.5.0, torch 2.13.0"
_RUNTIME = "ai-edge-litert 2.3.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One row.

    Attributes
    ----------
    operators
        Pattern that the whole name of an operator has to match, without ``.default``.
    suggestion
        What to do, as a hint reads.
    sample
        What the tool said, as it was seen.
    seen
        The operator that ``sample`` is about.
    source
        The versions that said it.
    """

    operators: str
    suggestion: str
    sample: str
    seen: str
    source: str = _CONVERTER


_FIXED_SIZE = (
    "keep the size fixed, as LiteRT's tensors have the same shape for every input: multiply by the mask, or use "
    "torch.where"
)
_POSITIONS = (
    "the number of positions depends on the values, and LiteRT's tensors do not: use the mask itself (torch.where, "
    "multiplication), or find the positions outside the model"
)
_MATRIX = (
    "LiteRT has no matrix decompositions: compute it once in __init__ and keep the result as a buffer, or outside the "
    "model; a small fixed size can be written out with sums and products"
)
RANDOM = "draw the random numbers outside and pass them in as an input: a LiteRT model computes the same every time"
_COMPLEX = (
    "LiteRT has next to no complex numbers: compute real and imaginary parts apart, as two float tensors "
    "(for rotary embeddings: cos and sin)"
)
_SPECIAL = "write the function as a polynomial or rational approximation (or a table and torch.lerp) of plain operators"
_INVERSE_FFT = (
    "multiply by constant cosine and sine matrices instead: an inverse transform of n points is two torch.matmul by "
    "(n // 2 + 1, n) buffers"
)
_FFT = (
    "multiply by constant cosine and sine matrices instead: a transform of n points is two torch.matmul by buffers, "
    "and a short-time transform a conv1d with them as its weights"
)

ADVICE = (
    Advice(
        operators=r"aten\.special_(?!erf|expit).*|aten\.(lgamma|digamma|polygamma|igammac?|i0)",
        suggestion=_SPECIAL,
        sample="Lowering not found: aten.lgamma.default",
        seen="aten.lgamma",
    ),
    Advice(
        operators=r"aten\.(copysign\..*|signbit)",
        suggestion="choose by comparing with zero: torch.where(y < 0, -x.abs(), x.abs())",
        sample="Lowering not found: aten.copysign.Tensor",
        seen="aten.copysign.Tensor",
    ),
    Advice(
        operators=r"Bitwise\w+",
        suggestion="use torch.logical_and, logical_or and logical_not on booleans, and floor_divide and remainder by "
        "powers of two on integers",
        sample="Some ops are not supported by the native TFLite runtime, you can enable TF kernels fallback using TF "
        "Select. See instructions: https://www.tensorflow.org/lite/guide/ops_select \nTF Select ops: BitwiseAnd",
        seen="BitwiseAnd",
    ),
    Advice(
        operators=r"tfl\.batch_matmul",
        suggestion="multiply matrices in float32: (x.float() @ y.float()).to(x.dtype) is exact below 2^24",
        sample="error: failed to legalize operation 'tfl.batch_matmul' that was explicitly marked illegal",
        seen="tfl.batch_matmul",
    ),
    Advice(
        operators=r"aten\.logcumsumexp",
        suggestion="write it as torch.log(torch.cumsum(torch.exp(x - m), dim)) + m with m = x.amax(dim, keepdim=True)",
        sample="Lowering not found: aten.logcumsumexp.default",
        seen="aten.logcumsumexp",
    ),
    Advice(
        operators=r"aten\._fft_c2r",
        suggestion=_INVERSE_FFT,
        sample="Lowering not found: aten._fft_c2r.default",
        seen="aten._fft_c2r",
    ),
    Advice(
        operators=r"aten\._fft_(r2c|c2c)",
        suggestion=_FFT,
        sample="Lowering not found: aten._fft_c2c.default",
        seen="aten._fft_c2c",
    ),
    Advice(
        operators=r"aten\.(complex|polar|view_as_complex|view_as_real|real|imag|angle|_conj|conj_physical|resolve_conj)",
        suggestion=_COMPLEX,
        sample="Lowering not found: aten.polar.default",
        seen="aten.polar",
    ),
    Advice(
        operators=r"aten\.(_?linalg_.*|cholesky.*|triangular_solve|inverse|lu_.*|pinverse|svd|qr)",
        suggestion=_MATRIX,
        sample="Lowering not found: aten._linalg_svd.default",
        seen="aten._linalg_svd",
    ),
    Advice(
        operators=r"aten\.nonzero(_static)?",
        suggestion=_POSITIONS,
        sample="Lowering not found: aten.nonzero_static.default",
        seen="aten.nonzero_static",
    ),
    Advice(
        operators=r"aten\.(masked_select|index\.Tensor|index_put)",
        suggestion=_FIXED_SIZE,
        sample="Lowering not found: aten.masked_select.default",
        seen="aten.masked_select",
    ),
    Advice(
        operators=r"aten\.(_unique.*|unique.*|bincount|histc)",
        suggestion="count outside the model, or compare with every possible value: (x[..., None] == values).sum(0)",
        sample="Lowering not found: aten._unique2.default",
        seen="aten._unique2",
    ),
    Advice(
        operators=r"aten\.repeat_interleave\.Tensor",
        suggestion="repeat by a plain number, or take rows by a constant list of indices (torch.index_select)",
        sample="Lowering not found: aten.repeat_interleave.Tensor",
        seen="aten.repeat_interleave.Tensor",
    ),
    Advice(
        operators=r"aten\._embedding_bag.*",
        suggestion="write torch.nn.functional.embedding(x, weight).sum(1) (or .mean(1))",
        sample="Lowering not found: aten._embedding_bag_forward_only.default",
        seen="aten._embedding_bag_forward_only",
    ),
    Advice(
        operators=r"aten\.fake_quantize_.*",
        suggestion="compile the module without its fake quantization, and quantize the result with enb.quantize",
        sample="Lowering not found: aten.fake_quantize_per_tensor_affine_cachemask.default",
        seen="aten.fake_quantize_per_tensor_affine_cachemask",
    ),
    Advice(
        operators=r"aten\.(median|nanmedian|kthvalue|mode).*",
        suggestion="take torch.topk or torch.sort and one of its elements, or an average instead of an order statistic",
        sample="Lowering not found: aten.median.dim",
        seen="aten.median.dim",
    ),
    Advice(
        operators=r"aten\.(rand|randn|randint|randperm|bernoulli|multinomial|exponential|native_dropout|rrelu_with_noise)"
        r"(_like|_functional)?(\..*)?",
        suggestion=RANDOM,
        sample="Lowering not found: aten.rand_like.default",
        seen="aten.rand_like",
    ),
    Advice(
        operators=r"aten\.adaptive_max_pool3d",
        suggestion="use max_pool with the kernel size and stride that give this output size for your input size",
        sample="Lowering not found: aten.adaptive_max_pool3d.default",
        seen="aten.adaptive_max_pool3d",
    ),
    Advice(
        operators=r"aten\._upsample_\w+_aa",
        suggestion="interpolate with antialias=False",
        sample="Lowering not found: aten._upsample_bilinear2d_aa.default",
        seen="aten._upsample_bilinear2d_aa",
    ),
    Advice(
        operators=r"STABLEHLO_SCATTER|aten\.(put|scatter\.value_reduce)",
        suggestion="use torch.scatter_reduce, scatter_add or index_add, which compile, or write values that replace",
        sample="Only update, Add, Multiply, Maximum and Minimum operations are currently supported for "
        "stablehlo.scatter.Node number 7 (STABLEHLO_SCATTER) failed to prepare.",
        seen="STABLEHLO_SCATTER",
        source=_RUNTIME,
    ),
    Advice(
        operators=r"STABLEHLO_SORT|stablehlo\.sort|aten\.(sort|argsort|topk)(\..*)?",
        suggestion="take torch.topk(x, k).values for a small k along the last axis, or sort outside the model",
        sample="Didn't find op for builtin opcode 'STABLEHLO_SORT' version '1'. An older version of this builtin might "
        "be supported. Are you using an old TFLite binary with a newer model?",
        seen="STABLEHLO_SORT",
        source=_RUNTIME,
    ),
    Advice(
        operators=r"cond|while_loop|map_impl|scan",
        suggestion="compute both ways and choose with torch.where; write a loop out for a fixed number of turns",
        sample="While executing %cond : [num_users=1] = call_function[target=torch.ops.higher_order.cond](args = (%gt, "
        "%true_graph_0, %false_graph_0, (%x,)), kwargs = {})",
        seen="cond",
    ),
)

CUSTOM = "no converter knows custom operators: give the module a forward of plain torch operators"


def advice_for(operators: Iterable[str]) -> str:
    """Return what is known to help with ``operators``: at most two different suggestions, else what always helps.

    Examples
    --------
    >>> advice_for(["aten._upsample_bilinear2d_aa"])
    'interpolate with antialias=False'
    """
    found = [row.suggestion for name in operators for row in ADVICE if re.fullmatch(row.operators, name)]
    return "; ".join(list(dict.fromkeys(found))[:2]) or DEFAULT
