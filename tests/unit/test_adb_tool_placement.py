"""Where a model ran is read from what the runtime did, never from what was asked for."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tool_texts import LEGACY, LITERT, litert_2_2_table, refusal

from embedl_nb.device.adb.tool.placement import Coverage, parse_delegation
from embedl_nb.device.adb.tool.profile import parse_profile
from embedl_nb.device.adb.tool.sayings import SAYINGS, CauseKind
from embedl_nb.errors import UnparsableOutputError
from embedl_nb.units import ComputeUnit

CPU, GPU, NPU = ComputeUnit.CPU, ComputeUnit.GPU, ComputeUnit.NPU


def replacing(num: int, of: int, delegate: str, parts: int, where: str = "subgraph 0 (main)") -> str:
    return (
        f"VERBOSE: Replacing {num} out of {of} node(s) with delegate ({delegate}) node, "
        f"yielding {parts} partitions for {where}.\n"
    )


def test_lines_of_one_subgraph_follow_each_other() -> None:
    delegation = parse_delegation(LITERT)
    (subgraph,) = delegation.subgraphs
    assert (subgraph.index, subgraph.name, subgraph.num_nodes, subgraph.num_builtin) == (0, "main", 90, 10)
    assert [(one.delegate, one.unit, one.num_replaced, one.num_partitions) for one in subgraph.replacements] == [
        ("LITERT_CL", GPU, 48, 1),
        ("TfLiteXNNPackDelegate", CPU, 32, 2),
    ]
    assert (delegation.num_on(GPU), delegation.num_on(CPU), delegation.num_on(NPU)) == (48, 42, 0)
    assert delegation.coverage(GPU) is Coverage.PARTIAL
    assert delegation.coverage(NPU) is Coverage.NONE
    assert delegation.backend == "opencl"
    assert delegation.unknown == ()


def test_kernels_are_counted_by_what_the_next_delegate_finds() -> None:
    text = replacing(5, 64, "TfLiteNnapiDelegate", 5, "the whole graph")
    text += replacing(59, 62, "TfLiteXNNPackDelegate", 5, "the whole graph")
    (subgraph,) = parse_delegation(text).subgraphs
    assert [one.num_partitions for one in subgraph.replacements] == [3, None]
    assert (subgraph.index, subgraph.num_builtin) == (None, 0)


@pytest.mark.parametrize(
    ("num", "of", "parts", "expected"),
    [(2136, 2168, 65, 33), (4, 4, 1, 1), (48, 90, 2, 1), (1, 3, 3, 1), (5, 64, 5, None), (6, 64, 6, 3), (2, 3, 3, 2)],
)
def test_the_cpus_parts_are_not_partitions(num: int, of: int, parts: int, expected: int | None) -> None:
    delegation = parse_delegation(replacing(num, of, "LITERT_CL", parts))
    assert delegation.replacements[0].num_partitions == expected
    assert bool(delegation.unknown) is (expected is None)


def test_two_models_or_two_runs_are_never_added_up() -> None:
    with pytest.raises(UnparsableOutputError, match="twice to one subgraph"):
        parse_delegation(LITERT + LITERT)
    with pytest.raises(UnparsableOutputError, match="more than there is"):
        parse_delegation(replacing(9, 8, "LITERT_CL", 1))


def test_a_replacing_line_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(UnparsableOutputError, match="cannot be read"):
        parse_delegation(LITERT.replace("yielding 2 partitions", "yielding 2 INFO: x"))


@pytest.mark.parametrize(
    "line",
    [
        "INFO: Replacing 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions.",
        "VERBOSE: Replacing 31 out of 31 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions for "
        "the whole graph.",
        "Replacing 31 out of 31 node(s) with delegate (LITERT_OPENGL) node",
        "02-19 10:07:32.809 20624 20624 I tflite  : Replacing 31 out of 31 node(s) with delegate (LITERT_CL) node, "
        "yielding 1 partitions for subgraph 0.",
    ],
)
def test_old_and_new_words_say_the_same(line: str) -> None:
    delegation = parse_delegation(f"{line}\n")
    assert (delegation.num_on(GPU), delegation.num_nodes, delegation.coverage(GPU)) == (31, 31, Coverage.COMPLETE)
    assert delegation.replacements[0].num_partitions == 1


def test_the_oldest_words_do_not_say_of_how_many() -> None:
    delegation = parse_delegation(
        "INFO: Replacing 30 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 3 partitions.\n"
    )
    assert (delegation.num_nodes, delegation.num_on(GPU), delegation.coverage(GPU)) == (None, None, None)
    assert delegation.replacements[0].num_replaced == 30


def test_subgraphs_are_kept_apart_and_bodies_of_composites_are_no_fallback() -> None:
    text = replacing(796, 796, "LITERT_CL", 1, "subgraph 0") + replacing(782, 782, "LITERT_CL", 1, "subgraph 1")
    text += "INFO: Skipping calling ModifyGraphWithDelegate on Subgraph 2: odml.rms_norm.impl\n"
    delegation = parse_delegation(text)
    assert [one.index for one in delegation.subgraphs] == [0, 1]
    assert (delegation.num_on(GPU), delegation.causes) == (1578, ())


def test_the_unit_of_nnapi_is_its_accelerators() -> None:
    line = replacing(31, 31, "TfLiteNnapiDelegate", 1)
    named = parse_delegation(f"NNAPI accelerator name: [vendor-dsp]\n{line}")
    assert (named.replacements[0].accelerator, named.replacements[0].unit) == ("vendor-dsp", None)
    assert named.num_on(NPU) is None
    assert "NNAPI chooses the unit" in named.unknown[0]
    reference = parse_delegation(f"INFO: NNAPI accelerator name: [nnapi-reference]\n{line}")
    assert reference.num_on(CPU) == 31


def test_the_unit_of_qnn_is_its_backend() -> None:
    line = replacing(31, 31, "TfLiteQnnDelegate", 1)
    assert parse_delegation(f"INFO: External delegate options: [backend_type:htp;x:y]\n{line}").num_on(NPU) == 31
    assert parse_delegation(f"INFO: External delegate options: [backend_type:gpu;]\n{line}").num_on(GPU) == 31
    assert parse_delegation(line).num_on(NPU) is None


def test_qnns_own_summary_tells_that_it_took_nothing() -> None:
    delegation = parse_delegation(
        "INFO: TfLiteQnnDelegate delegate: 0 nodes delegated out of 31 nodes with 0 partitions.\n"
        + replacing(31, 31, "TfLiteXNNPackDelegate", 1)
    )
    (said,) = delegation.explicit
    assert (said.coverage, said.num_replaced, said.num_nodes) == (Coverage.NONE, 0, 31)
    assert (delegation.num_nodes, delegation.num_on(CPU)) == (31, 31)


@pytest.mark.parametrize("delegate", ["Vx Delegate", "TfLiteHexagonDelegate", "Some New Delegate"])
def test_the_unit_of_other_delegates_is_not_guessed(delegate: str) -> None:
    delegation = parse_delegation(replacing(31, 31, delegate, 1))
    assert {delegation.num_on(unit) for unit in ComputeUnit} == {None}
    assert delegate in delegation.unknown[0]


def test_an_npus_delegate_says_nothing_of_the_original_model() -> None:
    delegation = parse_delegation(
        "INFO: Loading shared library: /data/local/tmp/nb/libLiteRtDispatch_Qualcomm.so\n"
        + replacing(1, 1, "DispatchDelegate", 1)
    )
    assert (delegation.num_on(NPU), delegation.npu_vendor) == (1, "Qualcomm")
    assert "stands for many" in delegation.unknown[0]


def test_an_npus_delegate_that_could_not_run_took_nothing() -> None:
    text = "ERROR: [dispatch_delegate.cc:107] Failed to initialize Dispatch API: 502\n"
    text += replacing(1, 1, "DispatchDelegate", 1)
    text += "ERROR: [x.cc:1] Failed to create a dispatch delegate kernel: No usable Dispatch runtime found\n"
    delegation = parse_delegation(text)
    assert delegation.num_on(NPU) is None
    assert "could not run" in delegation.unknown[0]
    assert {cause.kind for cause in delegation.causes_for(NPU)} == {CauseKind.DISPATCH}


def test_a_delegate_that_was_undone_took_nothing() -> None:
    text = replacing(31, 31, "TfLiteGpuDelegateV2", 1)
    text += "ERROR: Restored original execution plan after delegate application failure.\n"
    text += replacing(20, 31, "TfLiteXNNPackDelegate", 2)
    delegation = parse_delegation(text)
    assert (delegation.num_on(GPU), delegation.num_on(CPU)) == (0, 31)
    assert [cause.kind for cause in delegation.causes] == [CauseKind.APPLYING]


def test_an_accelerator_that_registers_has_not_run() -> None:
    delegation = parse_delegation(
        "INFO: [accelerator_registry.cc:54] RegisterAccelerator: ptr=0x1, name=NpuAccelerator\n"
        "INFO: [gpu_registry.cc:109] Dynamically loaded GPU accelerator(libLiteRtClGlAccelerator.so) registered.\n"
    )
    assert {delegation.coverage(unit) for unit in ComputeUnit} == {None}
    assert "does not say" in delegation.unknown[0]


def test_the_older_tools_summary_is_used_where_nothing_is_counted() -> None:
    for words, coverage, kernels in (
        ("Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.",
         Coverage.COMPLETE, None),
        ("Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate w/ 44 "
         "delegate kernels.", Coverage.PARTIAL, 44),
        ("Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate.",
         Coverage.NONE, None),
    ):  # fmt: skip
        delegation = parse_delegation(f"INFO: {words}\n")
        assert delegation.coverage(GPU) is coverage
        assert delegation.explicit[0].num_kernels == kernels
        assert parse_delegation(words.replace("GPU", "EXTERNAL") + "\n").coverage(GPU) is None


def test_a_slower_backend_with_full_coverage_is_seen() -> None:
    text = replacing(4, 4, "TfLiteGpuDelegateV2", 1)
    text += "ERROR: No selector for floor_mod\nERROR: Falling back to OpenGL\nINFO: Initialized OpenGL-based API.\n"
    delegation = parse_delegation(text)
    assert (delegation.coverage(GPU), delegation.backend) == (Coverage.COMPLETE, "opengl")
    assert [(cause.kind, cause.operator) for cause in delegation.causes] == [
        (CauseKind.BACKEND, "floor_mod"),
        (CauseKind.BACKEND, ""),
    ]


def test_two_backends_are_none() -> None:
    delegation = parse_delegation(LITERT + "INFO: Initialized OpenGL-based API from serialized data.\n")
    assert delegation.backend == ""
    assert "opencl, opengl" in delegation.unknown[-1]


def test_operators_that_a_gpu_refuses_are_listed_with_its_words() -> None:
    text = """\
ERROR: Following operations are not supported by GPU delegate:
EXP: Operation is not supported.
W [driver] hello
RESHAPE: OP is supported, but tensor type/shape isn't compatible.
12 operations will run on the GPU, and the remaining 3 operations will run on the CPU.
NOT_LISTED: Operation is not supported.
"""
    causes = parse_delegation(text).causes
    assert [(cause.kind, cause.operator) for cause in causes] == [
        (CauseKind.OPERATOR, "EXP"),
        (CauseKind.OPERATOR, "RESHAPE"),
        (CauseKind.COUNT, ""),
    ]
    assert causes[1].said == "RESHAPE: OP is supported, but tensor type/shape isn't compatible."


def test_the_unit_of_a_row_is_its_delegates_where_only_one_can_have_run_it() -> None:
    rows = [
        ("CUMSUM", 0.5, 1, "[Builtin]:2"),
        ("Delegate/Add (ND)", 0.1, 1, "[Delegate]:0"),
        ("TfLiteNnapiDelegate", 0.1, 1, "[Builtin]:3"),
        ("DISPATCH_OP", 0.1, 1, "[Builtin]:4"),
    ]
    profile = parse_profile(litert_2_2_table(rows), num_runs=1)
    assert profile is not None
    xnnpack = replacing(3, 4, "TfLiteXNNPackDelegate", 2)
    for text, units in (
        ("", [CPU, None, None, NPU]),
        (xnnpack, [CPU, CPU, None, NPU]),
        (replacing(2, 4, "LITERT_CL", 2) + replacing(2, 3, "TfLiteXNNPackDelegate", 2), [CPU, None, None, NPU]),
        (
            f"NNAPI accelerator name: [nnapi-reference]\n{replacing(3, 4, 'TfLiteNnapiDelegate', 2)}",
            [CPU, CPU, CPU, NPU],
        ),
    ):
        delegation = parse_delegation(text)
        assert [delegation.unit_of(row) for row in profile.rows] == units


def test_causes_are_asked_for_by_unit() -> None:
    text = "WARNING: [npu_registry.cc:34] NPU accelerator could not be loaded and registered: kLiteRtStatusError.\n"
    text += "WARNING: [gpu_registry.cc:160] GPU accelerator could not be loaded and registered.\n"
    delegation = parse_delegation(text)
    assert [cause.unit for cause in delegation.causes_for(GPU)] == [GPU]
    assert [cause.unit for cause in delegation.causes_for(NPU)] == [NPU]
    assert delegation.causes_for(CPU) == ()


@pytest.mark.parametrize("saying", [one for one in SAYINGS if one.cause], ids=lambda one: one.sample[:30])
def test_every_cause_of_the_table_is_read_from_its_sample(saying: object) -> None:
    one = next(one for one in SAYINGS if one is saying)
    head = "Following operations are not supported by GPU delegate:\n" if one.is_listed else ""
    (cause,) = parse_delegation(f"{head}ERROR: [some.cc:1] {one.sample}\n").causes
    assert (cause.kind, cause.unit, cause.said) == (one.cause, one.unit, one.sample)


def test_lines_of_others_and_carriage_returns_change_nothing() -> None:
    whole = parse_delegation(LITERT)
    assert parse_delegation(LITERT.replace("\n", "\r\n")) == whole
    chance = random.Random(5)
    for _ in range(30):
        lines = LITERT.split("\n")
        for _ in range(10):
            lines.insert(chance.randrange(len(lines)), "EXP: W [driver] Replacing node")
        assert parse_delegation("\n".join(lines)) == whole


@pytest.mark.parametrize("text", [LITERT, LEGACY])
def test_output_cut_at_any_byte_says_nothing_that_the_whole_does_not(text: str) -> None:
    whole = parse_delegation(text)
    for end in range(len(text)):
        cut = parse_delegation(text[:end])
        assert set(cut.causes) <= set(whole.causes)
        for mine, theirs in zip(cut.subgraphs, whole.subgraphs, strict=False):
            pairs = zip(mine.replacements, theirs.replacements, strict=False)
            assert all(replace(one, num_partitions=other.num_partitions) == other for one, other in pairs)


@pytest.mark.parametrize(
    "name", ["x) node, yielding 1 partitions for subgraph 0. (", "<b>", "'; id", "a" * 30_000, "(" * 30_000]
)
def test_hostile_delegate_names_stay_names(name: str) -> None:
    text = replacing(1, 2, name, 2)
    try:
        delegation = parse_delegation(text)
    except UnparsableOutputError:
        return
    assert delegation.replacements[0].unit is None
    assert delegation.replacements[0].delegate == name


@pytest.mark.parametrize(
    "line",
    [
        "Replacing 1 out of 2 node(s) with delegate (" + ") node, yielding 1 partitions for subgraph 0 (" * 1400,
        "External delegate options: [" + "backend_type:a" * 4000,
        "Failed to parse flag '" + "' against argv " * 4000,
        "No selector for " + "x" * 60_000,
        "Can not open OpenCL library on this device" * 1500,
        "x: not executable: " * 3000,
        "Loading shared library: " + "libLiteRtDispatch_" * 3000,
    ],
)
def test_a_hostile_line_costs_no_time_beyond_its_length(line: str) -> None:
    refused = refusal(parse_delegation, f"{line}\n" * 20)
    assert refused is None or len(refused.excerpt) < 10_000
