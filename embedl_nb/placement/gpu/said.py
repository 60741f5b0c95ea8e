"""What LiteRT's GPU delegate says on its log, as data.

All text patterns on its log live here, each with a line that was recorded. It names an operator's type, a cause and
often a tensor, each line once however many operators it holds for: matching.py finds which they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from embedl_nb.placement.answers import Reason

__all__ = [
    "REASON_PATTERNS",
    "Adapter",
    "Block",
    "ReasonPattern",
    "Refusal",
    "failure_line",
    "invalid_kernel_line",
    "read_adapter",
    "read_blocks",
    "reason_of",
    "says_no_gpu",
]

_SOURCE = "ai-edge-litert 2.3.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonPattern:
    """One kind of cause.

    Attributes
    ----------
    pattern
        Searched in the whole line.
    sample
        A line as it was seen.
    """

    pattern: re.Pattern[str]
    reason: Reason
    sample: str
    source: str = _SOURCE


def _kind(pattern: str, reason: Reason, sample: str) -> ReasonPattern:
    return ReasonPattern(pattern=re.compile(pattern), reason=reason, sample=sample)


REASON_PATTERNS = (
    _kind(r": Operation is not supported\.$", Reason.UNSUPPORTED_OPERATOR, "GATHER_ND: Operation is not supported."),
    _kind(
        r": Tensor dimensions must be less than 5\.",
        Reason.RANK,
        "RESHAPE: Tensor dimensions must be less than 5. M;109",
    ),
    _kind(r"has bad input dims size: \d+", Reason.RANK, 'RESHAPE: Tensor "M;12" has bad input dims size: 6.'),
    _kind(r"rank > 4", Reason.RANK, "SLICE: Slicing is unsupported for input with rank > 4"),
    # Both were seen of tensors with five axes, which have no layout there.
    _kind(r": Unknown layout\.", Reason.RANK, "SUM: Unknown layout."),
    _kind(r": Permutation for transpose is invalid", Reason.RANK, "TRANSPOSE: Permutation for transpose is invalid."),
    _kind(r": Tensor type\(\w+\) is not supported", Reason.DTYPE, "ONE_HOT: Tensor type(BOOL) is not supported. M;4"),
    _kind(
        r"tensors must be either be same the shape as output",
        Reason.FORM,
        "SELECT_V2: Cond must be float or bool type, if, else tensors must be either be same the shape as output or "
        "constant, scalar.",
    ),
    _kind(
        r": No support of few identical inputs",
        Reason.FORM,
        "NOT_EQUAL: No support of few identical inputs in the same operation.",
    ),
    # The rest of the line is the composite's name.
    _kind(r"^STABLEHLO_COMPOSITE: \S+$", Reason.UNSUPPORTED_OPERATOR, "STABLEHLO_COMPOSITE: dense"),
    # What follows is said of a model that is not compiled at all.
    _kind(
        r"only supports static-sized tensors",
        Reason.DYNAMIC_SHAPE,
        "Attempting to use a delegate that only supports static-sized tensors with a graph that has dynamic-sized "
        "tensors (tensor#2 is a dynamic-sized tensor).",
    ),
    _kind(
        r"^Didn't find op for builtin opcode",
        Reason.UNSUPPORTED_OPERATOR,
        "Didn't find op for builtin opcode 'STABLEHLO_SORT' version '1'",
    ),
    _kind(
        r"^Encountered unresolved custom op:",
        Reason.UNSUPPORTED_OPERATOR,
        "Encountered unresolved custom op: MyOperator.",
    ),
    _kind(
        r"^Failed to create ",
        Reason.COMPILER_FAILURE,
        "Failed to create litert::ml_drift::DelegateKernelLiteRt: INVALID_ARGUMENT: Shape mismatch: {bhwc, {8, 1, 1, "
        "8}} vs {bhwc, {1, 1, 8, 8}}",
    ),
)

_HEAD = "Following operations are not supported by GPU delegate:"
_REFUSAL = re.compile(r"^(?P<operator>[A-Za-z][\w.]*): (?P<cause>.*)$")
_COUNT = re.compile(
    r"^(?P<gpu>\d+) operations will run on the GPU, and the remaining (?P<cpu>\d+) operations will run on the CPU\.|"
    r"^No operations will run on the GPU, and all (?P<all>\d+) operations will run on the CPU\."
)
# ERROR: [delegate_webgpu.cc:359] Failed to initialize WebGPU environment: INTERNAL: No adapters found
_NO_GPU = "Failed to initialize WebGPU environment"
# I0000 00:00:1795817426.987693   31114 environment.cc:532] Selected adapter: SwiftShader Device (Subzero), arch=...
_ADAPTER = re.compile(r"Selected adapter: (?P<name>.*?), arch=.*?adapterType=(?P<type>[^\n]*)")
# E0000 00:00:1795817885.384237    4524 delegate_webgpu.cc:478] Failed to create litert::ml_drift::DelegateKernelLiteRt:
# INVALID_ARGUMENT: Shape mismatch: {bhwc, {8, 1, 1, 8}} vs {bhwc, {1, 1, 8, 8}}
# E0000 00:00:1795819646.240921     740 environment.cc:105] Validation error: Error while parsing WGSL: :20:38 error:
# unresolved value 'inf'
_INVALID_KERNEL = re.compile(r"\] (?P<line>Validation error: [^\n]*)")
_FAILURES = (
    re.compile(r"\] (?P<line>Failed to create [^\n]*)"),
    re.compile(r"ERROR: (?P<line>Didn't find op for builtin opcode [^\n.]*)"),
    re.compile(r"ERROR: (?P<line>Encountered unresolved custom op: [^\n]*)"),
    re.compile(r"(?P<line>Attempting to use a delegate that only supports static-sized tensors[^\n]*)"),
    re.compile(r"ERROR: (?P<line>[^\n]*)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A line that says that operators of a type stay off the GPU."""

    operator: str
    cause: str

    @property
    def line(self) -> str:
        """As it was said."""
        return f"{self.operator}: {self.cause}"

    @property
    def reason(self) -> Reason:
        """The class of its cause."""
        return reason_of(self.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What was said of one subgraph.

    Attributes
    ----------
    num_on_gpu, num_on_cpu
        Operators; what is not refused may stay on the CPU too.
    count_line
        The line that says so.
    """

    refusals: tuple[Refusal, ...]
    num_on_gpu: int
    num_on_cpu: int
    count_line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """The GPU that was asked, as its driver names it."""

    name: str
    is_software: bool

    def __str__(self) -> str:
        return f"{self.name}, a software GPU" if self.is_software else self.name


def reason_of(line: str) -> Reason:
    """Return the class of a line's cause."""
    return next((kind.reason for kind in REASON_PATTERNS if kind.pattern.search(line)), Reason.UNKNOWN)


def read_adapter(log: str) -> Adapter | None:
    """Return the GPU that was chosen, None where there was none."""
    match = _ADAPTER.search(log)
    if match is None:
        return None
    return Adapter(name=match["name"], is_software="cpu" in match["type"].lower())


def says_no_gpu(log: str) -> bool:
    """Say whether the driver led to no GPU."""
    return _NO_GPU in log


def read_blocks(log: str) -> list[Block]:
    """Return what is said of each subgraph that is not taken as a whole, in order."""
    blocks: list[Block] = []
    refusals: list[Refusal] | None = None
    for line in log.splitlines():
        if line.endswith(_HEAD):
            refusals = []
        elif refusals is not None and (count := _COUNT.match(line)):
            on_gpu, on_cpu = (0, count["all"]) if count["all"] else (count["gpu"], count["cpu"])
            block = Block(
                refusals=tuple(refusals), num_on_gpu=int(on_gpu), num_on_cpu=int(on_cpu), count_line=line.strip()
            )
            blocks.append(block)
            refusals = None
        elif refusals is not None and (refusal := _REFUSAL.match(line)):
            refusals.append(Refusal(operator=refusal["operator"], cause=refusal["cause"].strip()))
    return blocks


def invalid_kernel_line(log: str) -> str:
    """Return the line that says that a kernel is not valid, "" where all are.

    The delegate takes no notice of it: the model is compiled, and runs leave the outputs as they were.
    """
    match = _INVALID_KERNEL.search(log)
    return match["line"].strip() if match else ""


def failure_line(log: str) -> str:
    """Return the line that best says why a model was not compiled; "" where none does."""
    matches = (pattern.search(log) for pattern in _FAILURES)
    return next((match["line"].strip() for match in matches if match), "")
