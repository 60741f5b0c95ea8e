"""Events of the profiler are mapped back to the operators they cover, whatever the runtime fused, dropped or moved."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from embedl_nb.measure.layers import LayerProfile, build_layers
from embedl_nb.model.graph import ModelGraph, Operator, Subgraph, Tensor
from embedl_nb.model.spec import Signature
from embedl_nb.runtime.raw_run import EventKind, ProfiledEvent, RawRun

Node = tuple[str, tuple[int, ...], int]

CONV = "Convolution (NHWC, F32) IGEMM"
DWCONV = "Convolution (NHWC, F32) DWConv"
GEMM = "Fully Connected (NC, F32) GEMM"


def graph_of(*nodes: Node, num_inputs: int = 1) -> ModelGraph:
    """Build a graph; each node is a type, the tensors it reads and the one it writes; tensor 0 is the input."""
    count = 1 + max([num_inputs - 1, *(index for _, inputs, output in nodes for index in (*inputs, output))])
    tensors = tuple(
        Tensor(index=i, name=f"m.Net/torch.nn.Conv_m{i};", shape=(1, 4), dtype="float32", buffer=0, constant_bytes=0)
        for i in range(count)
    )
    operators = tuple(
        Operator(index=i, code=code, inputs=inputs, outputs=(output,)) for i, (code, inputs, output) in enumerate(nodes)
    )
    inputs = tuple(range(num_inputs))
    main = Subgraph(index=0, name="main", tensors=tensors, operators=operators, inputs=inputs, outputs=(nodes[-1][2],))
    return ModelGraph(subgraphs=(main,), signatures=(Signature(key="", inputs=(), outputs=()),))


def chain_of(*codes: str) -> ModelGraph:
    """Build a graph in which each operator reads what the one before wrote."""
    return graph_of(*((code, (i,), i + 1) for i, code in enumerate(codes)))


def run_of(*events: str | tuple[str, int], duration_ms: float = 1.0, factor: float = 1.05) -> RawRun:
    """Make a run up; an event is a delegate's kernel, or an operator of the runtime with its number."""
    made = []
    step = 0
    for index, event in enumerate(events):
        is_kernel = isinstance(event, str)
        made.append(
            ProfiledEvent(
                index=index,
                name=event if isinstance(event, str) else event[0],
                kind=EventKind.DELEGATE if is_kernel else EventKind.OPERATOR,
                node_index=step if isinstance(event, str) else event[1],
                subgraph_index=0,
                start_ms=index * duration_ms,
                durations_ms=(duration_ms, duration_ms * 1.1),
            )
        )
        step = step + 1 if is_kernel else 0
    total_ms = len(events) * duration_ms
    return RawRun(
        runtime_version="",
        num_threads=1,
        load_ms=1,
        compile_ms=1,
        first_ms=1,
        warmup_ms=(),
        samples_ms=(total_ms,),
        settled=None,
        peak_memory_bytes={},
        memory_source="",
        profiled_ms=(total_ms * factor, total_ms * 1.1 * factor),
        profile_note="",
        events=tuple(made),
        outputs_path=None,
        inputs="random",
        pid=1,
        wall_start=0.0,
    )


def layers_of(graph: ModelGraph, *events: str | tuple[str, int]) -> LayerProfile:
    return build_layers([run_of(*events)], graph, subgraph_index=0)


def covered(profile: LayerProfile) -> list[tuple[int, ...]]:
    return [layer.operator_indices for layer in profile.layers]


def test_a_pad_and_an_activation_belong_to_the_convolution_that_swallowed_them() -> None:
    profile = layers_of(chain_of("TRANSPOSE", "PAD", "CONV_2D", "RELU", "ADD"), "Transpose (ND, X32)", CONV, "Add (ND)")
    assert covered(profile) == [(0,), (1, 2, 3), (4,)]
    assert [layer.operator for layer in profile.layers] == ["TRANSPOSE", "CONV_2D", "ADD"]
    assert profile.layers[1].source == "m3"
    assert profile.layers[1].num_operators == 3
    assert profile.unattributed_operators == ()


def test_a_pointwise_convolution_is_found_though_it_runs_as_a_fully_connected_kernel() -> None:
    profile = layers_of(chain_of("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "MEAN"), CONV, DWCONV, GEMM, "Mean (ND)")
    assert covered(profile) == [(0,), (1,), (2,), (3,)]


def test_a_step_that_the_delegate_adds_joins_the_operator_it_prepares() -> None:
    profile = layers_of(
        chain_of("GELU", "FULLY_CONNECTED", "ADD"),
        "GELU (NC)",
        "Static Reshape (NC)",
        "Convert (NC, F32, QD8)",
        "Fully Connected (NC, QD8, F32, QC8W) GEMM",
        "Add (ND)",
    )
    assert covered(profile) == [(0,), (1,), (2,)]
    assert "Convert" in profile.layers[1].kernel
    assert profile.layers[1].mean_ms == pytest.approx(3 * 1.05)
    assert profile.layers[1].start_ms == 1.0


def test_an_activation_that_the_delegate_splits_off_joins_the_operator_it_finishes() -> None:
    profile = layers_of(
        chain_of("CONV_2D", "RELU", "MUL", "MUL", "SUB"),
        CONV,
        "Clamp (NC)",
        "Multiply (ND)",
        "Clamp (NC)",
        "Multiply (ND)",
        "Subtract (ND)",
    )
    assert covered(profile) == [(0,), (1,), (2,), (3,), (4,)]
    assert profile.layers[2].kernel == "Multiply (ND) + Clamp (NC)"


def test_operators_that_run_out_of_the_files_order_are_found() -> None:
    # NEG is ready and the delegate's, so it joins the first group, before the CUMSUM that the runtime runs.
    graph = graph_of(("ABS", (0,), 1), ("CUMSUM", (1,), 2), ("NEG", (1,), 3), ("ADD", (2, 3), 4))
    profile = layers_of(graph, "Abs (NC)", "Negate (NC)", ("CUMSUM", 1), "Add (ND)")
    assert covered(profile) == [(0,), (2,), (1,), (3,)]
    assert [layer.operator for layer in profile.layers] == ["ABS", "NEG", "CUMSUM", "ADD"]


def test_alike_operators_of_two_groups_are_not_mixed_up() -> None:
    graph = graph_of(
        ("EXP", (0,), 1), ("GREATER", (1,), 2), ("CAST", (2,), 3), ("EXP", (1,), 4), ("SUM", (3,), 5), ("EXP", (3,), 6)
    )
    profile = layers_of(graph, "Exp (NC)", "Exp (NC)", ("GREATER", 1), ("CAST", 2), "Sum (ND) Reduce2", "Exp (NC)")
    assert covered(profile) == [(0,), (3,), (1,), (2,), (4,), (5,)]


def test_a_model_without_a_delegate_is_mapped_one_to_one() -> None:
    codes = ("CONV_2D", "PAD", "CONV_2D", "RESHAPE", "FULLY_CONNECTED")
    profile = layers_of(chain_of(*codes), *((code, index) for index, code in enumerate(codes)))
    assert covered(profile) == [(0,), (1,), (2,), (3,), (4,)]
    assert [layer.kernel for layer in profile.layers] == list(codes)


def test_an_event_that_matches_nothing_is_a_layer_without_a_source() -> None:
    profile = layers_of(chain_of("CONV_2D", "ADD"), CONV, "Quantum Fold (NC)", "Add (ND)")
    assert covered(profile) == [(0,), (), (1,)]
    assert profile.layers[1].source == ""
    assert profile.layers[1].operator == "Quantum Fold"
    assert profile.layers[1].num_operators == 0


def test_an_operator_that_nothing_explains_is_listed() -> None:
    profile = layers_of(chain_of("CONV_2D", "CUMSUM", "ADD"), CONV, "Add (ND)")
    assert covered(profile) == [(0,), (2,)]
    assert profile.unattributed_operators == (1,)


def test_a_chain_of_reshapes_goes_to_its_producer_and_unpacked_weights_to_their_consumer() -> None:
    graph = graph_of(
        ("DEQUANTIZE", (1,), 2),
        ("FULLY_CONNECTED", (0, 2), 3),
        ("RESHAPE", (3,), 4),
        ("RESHAPE", (4,), 5),
        num_inputs=2,
    )
    profile = layers_of(graph, GEMM)
    assert covered(profile) == [(0, 1, 2, 3)]


def test_a_composites_parts_are_one_layer() -> None:
    outer = chain_of("CONV_2D", "STABLEHLO_COMPOSITE", "ADD")
    inner = chain_of("MUL", "MEAN", "RSQRT").main
    composite = Operator(index=1, code="STABLEHLO_COMPOSITE", inputs=(1,), outputs=(2,), calls=(1,))
    main = outer.main
    operators = (main.operators[0], composite, main.operators[2])
    graph = ModelGraph(
        subgraphs=(
            Subgraph(
                index=0,
                name="main",
                tensors=main.tensors,
                operators=operators,
                inputs=main.inputs,
                outputs=main.outputs,
            ),
            Subgraph(
                index=1,
                name="norm",
                tensors=inner.tensors,
                operators=inner.operators,
                inputs=inner.inputs,
                outputs=inner.outputs,
            ),
        ),
        signatures=outer.signatures,
    )
    profile = layers_of(graph, CONV, "Multiply (ND)", "Mean (ND)", "Reciprocal Square Root (NC)", "Add (ND)")
    assert covered(profile) == [(0,), (1,), (2,)]
    assert profile.layers[1].operator == "STABLEHLO_COMPOSITE"


def test_the_remainder_is_kept() -> None:
    profile = layers_of(chain_of("CONV_2D", "ADD"), CONV, "Add (ND)")
    assert profile.mean_ms is not None
    assert profile.unattributed_ms is not None
    assert sum(layer.mean_ms for layer in profile.layers) + profile.unattributed_ms == pytest.approx(profile.mean_ms)
    assert sum(layer.share for layer in profile.layers) == pytest.approx(1 / 1.05)


def test_all_processes_count() -> None:
    graph = chain_of("CONV_2D", "ADD")
    slow = run_of(CONV, "Add (ND)", duration_ms=3.0)
    profile = build_layers([run_of(CONV, "Add (ND)"), slow], graph, subgraph_index=0)
    assert profile.layers[0].mean_ms == pytest.approx((1.0 + 1.1 + 3.0 + 3.3) / 4)


def test_a_process_whose_sequence_differs_is_left_out() -> None:
    graph = chain_of("CONV_2D", "ADD")
    odd = run_of(CONV, "Copy (NC, X32)", "Add (ND)", duration_ms=9.0)
    profile = build_layers([run_of(CONV, "Add (ND)"), odd], graph, subgraph_index=0)
    assert profile.layers[0].mean_ms == pytest.approx(1.05)


def test_without_a_profile_there_are_no_layers() -> None:
    assert build_layers([run_of()], chain_of("ADD"), subgraph_index=0) == LayerProfile()


KERNELS = {
    "CONV_2D": (CONV, GEMM),
    "DEPTHWISE_CONV_2D": (DWCONV,),
    "FULLY_CONNECTED": (GEMM,),
    "ADD": ("Add (ND)",),
    "MUL": ("Multiply (ND)",),
    "MEAN": ("Mean (ND) Reduce2",),
    "LOGISTIC": ("Sigmoid (NC)",),
    "SOFTMAX": ("Softmax (NC, F32)",),
    "TRANSPOSE": ("Transpose (ND, X32) Transpose",),
}


def fused_chain(seed: int) -> tuple[list[str], list[str | tuple[str, int]], list[tuple[int, ...]]]:
    """Make a chain up, the events of it, and the layers that those must become."""
    chooser = random.Random(seed)
    codes: list[str] = []
    events: list[str | tuple[str, int]] = []
    layers: list[tuple[int, ...]] = []
    for _ in range(40):
        code = chooser.choice(list(KERNELS))
        group = []
        if code == "CONV_2D" and chooser.random() < 0.4:
            group.append(len(codes))
            codes.append("PAD")
        group.append(len(codes))
        codes.append(code)
        if "CONV" in code and chooser.random() < 0.4:
            group.append(len(codes))
            codes.append("RELU6")
        events.append(chooser.choice(KERNELS[code]))
        layers.append(tuple(group))
    return codes, events, layers


@pytest.mark.parametrize("seed", range(25))
def test_any_fused_chain_is_unravelled(seed: int) -> None:
    codes, events, layers = fused_chain(seed)
    profile = layers_of(chain_of(*codes), *events)
    assert covered(profile) == layers
    assert profile.unattributed_operators == ()


@pytest.mark.parametrize("seed", range(25))
def test_no_operator_is_in_two_layers_or_forgotten_whatever_the_events(seed: int) -> None:
    codes, events, _ = fused_chain(seed)
    chooser = random.Random(1000 + seed)
    damaged: Sequence[str | tuple[str, int]] = [
        chooser.choice(["Copy (NC, X32)", "Unheard Of (NC)", event]) if chooser.random() < 0.3 else event
        for event in events
        if chooser.random() > 0.1
    ]
    profile = layers_of(chain_of(*codes), *damaged)
    everywhere = sorted([i for indices in covered(profile) for i in indices] + list(profile.unattributed_operators))
    assert everywhere == list(range(len(codes)))
    assert sum(layer.mean_ms for layer in profile.layers) == pytest.approx(1.05 * len(damaged))


def test_a_layer_is_on_the_unit_of_its_kernel_and_on_none_where_that_was_not_said() -> None:
    run = run_of(CONV, DWCONV)
    events = (replace(run.events[0], compute_unit="gpu"), replace(run.events[1], compute_unit="unknown"))
    graph = chain_of("CONV_2D", "DEPTHWISE_CONV_2D")
    layers = build_layers([replace(run, events=events)], graph, subgraph_index=0).layers
    assert [layer.compute_unit for layer in layers] == ["gpu", "unknown"]
