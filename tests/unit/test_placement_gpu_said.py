"""What the GPU delegate's log says, and which operators its lines speak of."""

from __future__ import annotations

import pytest

from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import Subgraph
from embedl_nb.placement.answers import Reason
from embedl_nb.placement.gpu.matching import match_refusals, runs_of
from embedl_nb.placement.gpu.said import (
    REASON_PATTERNS,
    Block,
    ReasonPattern,
    Refusal,
    failure_line,
    invalid_kernel_line,
    read_adapter,
    read_blocks,
    reason_of,
    says_no_gpu,
)
from embedl_nb.testing import models

# Recorded from ai-edge-litert 2.3.0 on SwiftShader: a grid sampling, shortened.
LOG = """\
INFO: [delegate_webgpu.cc:342] Create WebGPU environment (use_low_power=0, enable_host_mapped_pointer=1)
WARNING: Logging before InitGoogle() is written to STDERR
I0000 00:00:1795817426.987693   31114 environment.cc:532] Selected adapter: SwiftShader Device (Subzero), \
arch=swiftshader, vendor=google, backend=Vulkan, adapterType=CPU / Software
ERROR: Following operations are not supported by GPU delegate:
CONCATENATION: Tensor dimensions must be less than 5. M;3
GATHER_ND: Operation is not supported.
SLICE: Slicing is unsupported for input with rank > 4
74 operations will run on the GPU, and the remaining 34 operations will run on the CPU.
INFO: something else
ERROR: Following operations are not supported by GPU delegate:
TRANSPOSE: Permutation for transpose is invalid.
No operations will run on the GPU, and all 5 operations will run on the CPU.
"""
NO_ADAPTER = (
    "ERROR: [delegate_webgpu.cc:359] Failed to initialize WebGPU environment: INTERNAL: No adapters found\n"
    "WARNING: Logging before InitGoogle() is written to STDERR\n"
)
FAILED = """\
E0000 00:00:1795817885.384237    4524 delegate_webgpu.cc:478] Failed to create litert::ml_drift::DelegateKernelLiteRt: \
INVALID_ARGUMENT: Shape mismatch: {bhwc, {8, 1, 1, 8}} vs {bhwc, {1, 1, 8, 8}}
=== Source Location Trace: ===
third_party/ml_drift/common/gpu_model_util.cc:247
ERROR: Failed to initialize kernel.
"""


def test_each_subgraph_that_is_not_whole_is_a_block() -> None:
    first, second = read_blocks(LOG)
    assert [refusal.line for refusal in first.refusals] == [
        "CONCATENATION: Tensor dimensions must be less than 5. M;3",
        "GATHER_ND: Operation is not supported.",
        "SLICE: Slicing is unsupported for input with rank > 4",
    ]
    assert (first.num_on_gpu, first.num_on_cpu) == (74, 34)
    assert first.count_line.startswith("74 operations will run")
    assert (second.num_on_gpu, second.num_on_cpu) == (0, 5)


def test_the_gpu_is_named_and_said_to_be_software() -> None:
    adapter = read_adapter(LOG)
    assert adapter is not None
    assert str(adapter) == "SwiftShader Device (Subzero), a software GPU"
    real = read_adapter(LOG.replace("CPU / Software", "Discrete GPU"))
    assert real is not None
    assert str(real) == "SwiftShader Device (Subzero)"
    assert read_adapter(NO_ADAPTER) is None
    assert says_no_gpu(NO_ADAPTER)
    assert not says_no_gpu(LOG)


def test_a_failure_is_the_line_that_says_why() -> None:
    assert failure_line(FAILED).startswith("Failed to create litert::ml_drift::DelegateKernelLiteRt: INVALID_ARGUMENT")
    assert failure_line("ERROR: Registration failed.\n") == "Registration failed."
    assert failure_line("INFO: all is well\n") == ""


def test_a_kernel_that_is_not_valid_is_noticed() -> None:
    said = "E0000 00:00:1.2     740 environment.cc:105] Validation error: Error while parsing WGSL: :20:38 error: x\n"
    assert invalid_kernel_line(said) == "Validation error: Error while parsing WGSL: :20:38 error: x"
    assert invalid_kernel_line(LOG) == ""


@pytest.mark.parametrize("kind", REASON_PATTERNS, ids=lambda kind: kind.sample[:40])
def test_every_recorded_line_gets_its_class(kind: ReasonPattern) -> None:
    assert reason_of(kind.sample) is kind.reason
    assert [other for other in REASON_PATTERNS if other.pattern.search(kind.sample)] == [kind]


def test_a_cause_that_nobody_has_seen_is_not_classed() -> None:
    assert reason_of("CONV_2D: The moon is full.") is Reason.UNKNOWN


def _subgraph(*operators: tuple[str, str, str]) -> Subgraph:
    """Build a graph of operators with one input and one output, by names of tensors."""
    builder = models.ModelBuilder()
    tensors = {"x": builder.input("x", (1, 4))}
    for code, source, target in operators:
        tensors[target] = builder.operator(code, [tensors[source]], builder.tensor(target, (1, 4)))
    return read_model(builder.build({"y": tensors[operators[-1][2]]})).main


def _block(*lines: str) -> Block:
    refusals = tuple(
        Refusal(operator=operator, cause=cause) for operator, _, cause in (s.partition(": ") for s in lines)
    )
    return Block(refusals=refusals, num_on_gpu=0, num_on_cpu=0, count_line="")


def test_a_line_is_about_the_operators_of_its_type_that_touch_its_tensor() -> None:
    subgraph = _subgraph(("ABS", "x", "M;1"), ("ABS", "M;1", "M;10"), ("NEG", "M;1", "b"), ("ABS", "M;10", "c"))
    match = match_refusals(subgraph, _block("ABS: Tensor dimensions must be less than 5. M;1"), {})
    assert sorted(match.refused) == [0, 1]
    quoted = match_refusals(subgraph, _block('ABS: Tensor "M;10" has bad input dims size: 6.'), {})
    assert sorted(quoted.refused) == [1, 3]
    assert not match.unsure


def test_a_line_may_call_a_tensor_what_the_signature_calls_it() -> None:
    subgraph = _subgraph(("ABS", "x", "a"), ("ABS", "a", "b"))
    block = _block("ABS: Tensor dimensions must be less than 5. pixels")
    assert sorted(match_refusals(subgraph, block, {"pixels": subgraph.inputs[0]}).refused) == [0]


def test_a_line_without_a_tensor_is_about_all_of_a_type_only_where_the_type_is_the_cause() -> None:
    subgraph = _subgraph(("ABS", "x", "a"), ("ABS", "a", "b"), ("NEG", "b", "c"))
    by_type = match_refusals(subgraph, _block("ABS: Operation is not supported."), {})
    assert (sorted(by_type.refused), by_type.unsure) == ([0, 1], frozenset())
    by_form = match_refusals(subgraph, _block("ABS: No support of few identical inputs in the same operation."), {})
    assert by_form.unsure == {0, 1}
    only_one = match_refusals(subgraph, _block("NEG: Unknown layout."), {})
    assert (sorted(only_one.refused), only_one.unsure) == ([2], frozenset())


def test_a_run_gathers_what_is_ready_before_a_refused_operator() -> None:
    # Recorded: a refused operator on a branch of its own leaves the other branch in one piece.
    subgraph = _subgraph(
        ("ABS", "x", "a"), ("NEG", "x", "b"), ("ABS", "a", "c"), ("ABS", "b", "d"), ("ABS", "c", "e"), ("ABS", "d", "f")
    )
    refused = {1: Refusal(operator="NEG", cause="Operation is not supported.")}
    assert runs_of(subgraph, refused) == [[0, 2, 4], [3, 5]]
    assert runs_of(subgraph, {}) == [[0, 1, 2, 3, 4, 5]]
