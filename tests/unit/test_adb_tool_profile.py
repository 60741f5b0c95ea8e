"""Tables of operators in all four layouts give the same thing: time for each inference."""

from __future__ import annotations

from pathlib import Path

import pytest
from tool_texts import LEGACY, LITERT, legacy_table, litert_2_1_table, litert_2_2_table, refusal

from embedl_nb.device.adb.tool.profile import ProfileLayout, RowKind, parse_profile
from embedl_nb.errors import UnparsableOutputError

INIT = "Profiling Info for Benchmark Initialization:\n"
RUNS = "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
ROWS = [
    ("Delegate/Convolution (NHWC, F32) IGEMM", 0.250, 43, "[Delegate]:0"),
    ("CUMSUM", 0.500, 43, "[Builtin]:2"),
    ("Delegate/Add (ND)", 0.010, 86, "[Delegate]:1"),
    ("DispatchDelegate", 1.000, 43, "[Builtin]:3"),
]
OWN_LOGS = Path(__file__).parent / "tool_logs"


def own_log(number: str) -> str:
    return next(OWN_LOGS.glob(f"{number}_own_*.txt")).read_text()


def test_litert_2_2_counts_calls_over_all_runs() -> None:
    profile = parse_profile(LITERT + litert_2_2_table(ROWS), num_runs=43)
    assert profile is not None
    assert (profile.layout, profile.num_runs, profile.is_whole, profile.notes) == (
        ProfileLayout.LITERT_2_2,
        43,
        True,
        (),
    )
    assert [row.per_inference_ms for row in profile.rows] == pytest.approx([0.25, 0.5, 0.02, 1.0])
    assert [row.per_call_ms for row in profile.rows] == [0.25, 0.5, 0.01, 1.0]
    assert [row.node_type for row in profile.rows] == [
        "Convolution (NHWC, F32) IGEMM",
        "CUMSUM",
        "Add (ND)",
        "DispatchDelegate",
    ]
    assert [row.kind for row in profile.rows] == [
        RowKind.DELEGATE_KERNEL,
        RowKind.OPERATOR,
        RowKind.DELEGATE_KERNEL,
        RowKind.DELEGATE,
    ]
    assert [row.node_index for row in profile.rows] == [0, 2, 1, 3]
    assert profile.per_inference_ms == pytest.approx(1.77)


def test_without_the_number_of_runs_calls_over_all_runs_say_nothing() -> None:
    profile = parse_profile(litert_2_2_table(ROWS))
    assert profile is not None
    assert profile.num_runs is None
    assert {row.per_inference_ms for row in profile.rows} == {None}
    assert profile.per_inference_ms is None


def test_a_profiler_that_began_after_the_first_run_covers_one_run_less() -> None:
    profile = parse_profile(litert_2_2_table(ROWS), num_runs=44)
    assert profile is not None
    assert (profile.num_runs, profile.rows[0].per_inference_ms) == (43, 0.25)


def test_rows_that_are_all_called_several_times_in_a_run_are_read() -> None:
    profile = parse_profile(litert_2_2_table([("Delegate/Add (ND)", 0.010, 86, "[Delegate]:1")]), num_runs=43)
    assert profile is not None
    assert (profile.num_runs, profile.rows[0].per_inference_ms) == (43, 0.02)


@pytest.mark.parametrize(("calls", "num_runs"), [(43, 100), (3, 2), (0, 1), (0, 5), (1, 3), (1, 0)])
def test_calls_that_do_not_go_with_the_runs_are_refused(calls: int, num_runs: int) -> None:
    with pytest.raises(UnparsableOutputError, match=f"do not go with {num_runs} runs"):
        parse_profile(litert_2_2_table([("A", 0.5, calls, "[Builtin]:0")]), num_runs=num_runs)


def test_a_full_buffer_covers_the_first_runs_only() -> None:
    rows = [("A", 0.5, 21, "[Builtin]:0"), ("B", 0.5, 20, "[Builtin]:1"), ("Delegate/C", 0.1, 41, "[Delegate]:0")]
    text = "INFO: Warning: Dropping ProfileBuffer event.\n" + litert_2_2_table(rows)
    profile = parse_profile(text, num_runs=1000)
    assert profile is not None
    assert profile.num_runs == 21
    assert "later runs than 21" in profile.notes[0]
    assert profile.rows[0].per_inference_ms == 0.5
    with pytest.raises(UnparsableOutputError, match="do not go with 7 runs"):
        parse_profile(text.replace("     21   ", "     20   "), num_runs=7)


def test_a_full_buffer_with_no_calls_at_all_says_nothing() -> None:
    text = "INFO: Warning: Dropping ProfileBuffer event.\n"
    with pytest.raises(UnparsableOutputError, match="do not go with 5 runs"):
        parse_profile(text + litert_2_2_table([("A", 0.5, 0, "[Builtin]:0")]), num_runs=5)
    profile = parse_profile(text + litert_2_2_table([("A", 0.5, 0, "[Builtin]:0"), ("B", 0.5, 4, "[Builtin]:1")]))
    assert profile is not None
    assert [row.per_inference_ms for row in profile.rows] == [0, 0.5]


@pytest.mark.parametrize("has_start", [True, False])
def test_the_older_layouts_count_calls_in_one_run(has_start: bool) -> None:
    rows = [
        ("TfLiteNnapiDelegate", 3.0, 1, "[a, b:1, c]:64"),
        ("Convolution (NHWC, QC8) DWConv", 0.050, 13, "Delegate/Convolution (NHWC, QC8) DWConv:1"),
        ("convolution_2d 4", 0.2, 1, "Delegate/convolution_2d 4:2"),
        ("RESIZE_BILINEAR", 0.4, 1, "[]:38"),
        ("AllocateTensors", 9.0, 0, "AllocateTensors/0"),
    ]
    profile = parse_profile(
        f"{LEGACY}{INIT}"
        + legacy_table(
            [("ModifyGraphWithDelegate", 6.3, 1, "ModifyGraphWithDelegate/0")], has_start=has_start, memory_kb=7148
        )
        + RUNS
        + legacy_table(rows, has_start=has_start)
    )
    assert profile is not None
    assert profile.layout is (ProfileLayout.LEGACY_START if has_start else ProfileLayout.LEGACY)
    assert [row.per_inference_ms for row in profile.rows] == pytest.approx([3.0, 0.65, 0.2, 0.4, 0.0])
    assert [row.kind for row in profile.rows] == [
        RowKind.DELEGATE,
        RowKind.DELEGATE_KERNEL,
        RowKind.DELEGATE_KERNEL,
        RowKind.OPERATOR,
        RowKind.OVERHEAD,
    ]
    assert profile.rows[0].name == "[a, b:1, c]:64"
    assert (profile.rows[0].start_ms is None) is not has_start
    assert [(row.node_type, row.memory_bytes) for row in profile.init_rows] == [
        ("ModifyGraphWithDelegate", 7148 * 1024)
    ]


def test_builds_of_2019_print_no_calls_at_all() -> None:
    profile = parse_profile(legacy_table([("CONV_2D", 4.0, 0, "[a]"), ("SOFTMAX", 1.0, 0, "[b]")], has_start=True))
    assert profile is not None
    assert [row.per_inference_ms for row in profile.rows] == [4.0, 1.0]
    assert [row.node_index for row in profile.rows] == [None, None]


def test_litert_2_1_has_kernels_in_its_statistics_and_no_first_time() -> None:
    rows = [("CUMSUM", 0.5, 20, "[Unknown]:2")]
    statistics = [("Delegate/Convolution (NHWC, F32) IGEMM", 40, 4000), ("Delegate/convolution_2d 4", 20, 200)]
    profile = parse_profile(litert_2_1_table(rows, statistics), num_runs=20)
    assert profile is not None
    assert profile.layout is ProfileLayout.LITERT_2_1
    assert (profile.rows[0].first_ms, profile.rows[0].per_inference_ms) == (None, 0.5)
    assert [(one.name, one.num_calls, one.per_inference_ms) for one in profile.delegate_statistics] == [
        ("Delegate/Convolution (NHWC, F32) IGEMM", 40, 0.2),
        ("Delegate/convolution_2d 4", 20, 0.01),
    ]
    assert "only as totals" in profile.notes[0]


def test_litert_2_1_of_a_model_that_is_wholly_delegated_has_statistics_alone() -> None:
    profile = parse_profile(litert_2_1_table([], [("Delegate/Add (ND)", 20, 200)]), num_runs=20)
    assert profile is not None
    assert (profile.rows, profile.num_runs, profile.is_whole) == ((), 20, True)
    assert profile.delegate_statistics[0].per_inference_ms == 0.01


def test_several_graphs_keep_their_rows_apart() -> None:
    rows = [("CONV_2D", 1.0, 1, "[a]:0")]
    text = RUNS + "Primary graph (name: main) profile:\n" + legacy_table(rows, has_start=False)
    text += "Subgraph (index: 1, name: body) profile:\n" + legacy_table(rows, has_start=False)
    profile = parse_profile(text)
    assert profile is not None
    assert [row.graph for row in profile.rows] == ["Primary graph (name: main)", "Subgraph (index: 1, name: body)"]


def test_no_table_is_no_profile() -> None:
    assert parse_profile(LITERT) is None
    assert parse_profile("") is None


def test_a_line_of_others_between_title_and_columns_is_no_row() -> None:
    text = legacy_table([("CONV_2D", 1.0, 1, "[a]:0")], has_start=False)
    title = text.split("\n")[0]
    assert parse_profile(text.replace(title, f"{title}\n\tbattery 50%", 1)) == parse_profile(text)


def test_rows_that_are_missing_are_said() -> None:
    lines = legacy_table([("CONV_2D", 1.0, 1, "[a]:0"), ("SOFTMAX", 1.0, 1, "[b]:1")], has_start=False).split("\n")
    profile = parse_profile("\n".join(lines[:2] + lines[3:]))
    assert profile is not None
    assert ([row.node_type for row in profile.rows], profile.is_whole) == (["SOFTMAX"], False)
    assert profile.notes == ("1 rows of the table are missing in the output",)


@pytest.mark.parametrize(
    "row",
    [
        "\t                 CONV_2D\t    0.265\t    0.2",
        "\t                 CONV_2D\t    0.265\t    0.272\t 15.773%\t 15.773",
        "\t                 CONV_2D\t    x\t    0.272\t 15.773%\t 15.773%\t     0.000\t        1\t[a]:0",
        "\t    0.265\t    0.272\t 15.773%\t 15.773%\t     0.000\t        1\t[a]:0",
    ],
)
def test_a_row_that_is_cut_or_mixed_is_never_a_number(row: str) -> None:
    whole = legacy_table([("SOFTMAX", 1.0, 1, "[b]:1")], has_start=False)
    header = whole.split("\n")[1]
    text = whole.replace(header, f"{header}\n{row}", 1)
    refused = refusal(parse_profile, text)
    if refused is not None:
        assert "CONV_2D" in refused.excerpt or "0.265" in refused.excerpt
        return
    profile = parse_profile(text)
    assert profile is not None
    assert [line.node_type for line in profile.rows] == ["SOFTMAX"]


def test_a_table_of_no_known_layout_is_refused() -> None:
    text = litert_2_1_table([("CONV_2D", 1.0, 1, "[a]:0")], [])
    with pytest.raises(UnparsableOutputError, match="layout that is not known"):
        parse_profile(text)
    with pytest.raises(UnparsableOutputError, match="columns"):
        parse_profile(text.replace("[avg ms]", "[mean]"))


def test_a_table_cut_at_any_line_has_a_prefix_of_its_rows() -> None:
    for text in (litert_2_2_table(ROWS), RUNS + legacy_table(ROWS, has_start=True)):
        whole = parse_profile(text, num_runs=43)
        assert whole is not None
        lines = text.split("\n")
        for end in range(2, len(lines)):
            try:
                cut = parse_profile("\n".join(lines[:end]) + "\n", num_runs=43)
            except UnparsableOutputError:
                continue
            if cut is not None:
                assert cut.rows == whole.rows[: len(cut.rows)]
                assert cut.is_whole == (f"{len(ROWS)} nodes observed" in lines[:end])


@pytest.mark.parametrize("name", ["0.1 0.2 3.000% 4.000% 0.000 9 x", "a b\u2028c", "<b>", "%n", "='; id", "x" * 3000])
def test_hostile_names_of_operators_stay_names(name: str) -> None:
    profile = parse_profile(legacy_table([("CONV_2D", 1.0, 1, f"[{name}]:7")], has_start=False))
    assert profile is not None
    row = profile.rows[0]
    assert (row.node_type, row.name, row.node_index, row.per_call_ms) == ("CONV_2D", f"[{name}]:7", 7, 1.0)


@pytest.mark.parametrize(
    "line", [" x" + " " * 60_000 + "%", " " + "1.000 " * 10_000 + "%", "a " + "1" * 60_000, "a" + " 1" * 30_000]
)
def test_a_hostile_row_costs_no_time_beyond_its_length(line: str) -> None:
    text = litert_2_2_table([("A", 1.0, 1, "[Builtin]:0")], statistics="Op Name\n" + f"{line}\n" * 5)
    header = text.split("\n")[1]
    assert parse_profile(text) is not None
    with pytest.raises(UnparsableOutputError):
        parse_profile(text.replace(header, f"{header}\n x % {line}", 1))


def test_our_own_run_of_20_is_read_as_its_first_line_says() -> None:
    profile = parse_profile(own_log("60"), num_runs=20)
    assert profile is not None
    assert (profile.layout, profile.num_runs, len(profile.rows), profile.is_whole) == (
        ProfileLayout.LITERT_2_2,
        20,
        66,
        True,
    )
    assert {row.num_calls for row in profile.rows} == {20}
    # The table's own total, 149 968 us over 20 runs; rows are rounded to 1 us.
    assert profile.per_inference_ms == pytest.approx(149.968 / 20, abs=66 * 0.0005)
    assert sum(one.total_us for one in profile.delegate_statistics) == 149_968


def test_our_own_run_that_overflowed_the_buffer_covers_43691_runs() -> None:
    profile = parse_profile(own_log("67"), num_runs=60_000)
    assert profile is not None
    assert profile.num_runs == 43_691
    assert len(profile.rows) == 8
    assert profile.per_inference_ms == pytest.approx(5658.412 / 43_691, abs=8 * 0.0005)
