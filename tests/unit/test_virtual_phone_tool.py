"""What a virtual phone's benchmark_model prints, held against what the real runtime printed and the format's rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import Subgraph
from embedl_nb.runtime.raw_run import EventKind, ProfiledEvent
from embedl_nb.testing.models import ModelBuilder
from embedl_nb.testing.virtual_phone.benchmark_tool.flags import parse_flags
from embedl_nb.testing.virtual_phone.benchmark_tool.placement import cpu_lines, gpu_lines
from embedl_nb.testing.virtual_phone.benchmark_tool.profile_tables import ProfileRow, profile_text
from embedl_nb.testing.virtual_phone.benchmark_tool.profiling import fitting_runs, profile_rows
from embedl_nb.testing.virtual_phone.benchmark_tool.statistics_lines import Results, count_line, result_lines
from embedl_nb.testing.virtual_phone.hardware import Hardware, catalog_phone

RECORDED = Path(__file__).parent / "tool_logs"
PROFILES = ("60_own_litert230_cpu_mbv2_f32_profile.txt", "67_own_litert230_profile_buffer_overflow.txt")
ROW = re.compile(
    r" *(?P<type>\S.*?) +(?P<start>[\d.]+) +(?P<first>[\d.]+) +[\d.]+ +(?P<share>[\d.]+)% +[\d.]+% +0.000 "
    r"+(?P<calls>\d+)   \[\w+\]:(?P<index>\d+)"
)
STATISTIC = re.compile(r"(?P<type>\S.*?) +(?P<calls>\d+) +[\d.]+ +(?P<min>\d+) +(?P<max>\d+) +(?P<total>\d+)")
NUMBER = re.compile(r"\d+\.?\d*")


def recorded_rows(text: str) -> list[ProfileRow]:
    """Read the kernels off recorded tables, as exactly as their digits allow."""
    order = text.split("Top by Computation Time")[0].splitlines()
    total_us = int(re.search(r"curr=(\d+)", text)[1])  # type: ignore[index]
    lines = text.split("Delegate Statistics")[1].splitlines()
    statistics = {match["type"]: match for match in map(STATISTIC.fullmatch, lines) if match}
    rows = []
    for match in filter(None, map(ROW.fullmatch, order)):
        known = statistics.get(match["type"])
        is_all_of_its_type = known is not None and known["calls"] == match["calls"]
        rows.append(
            ProfileRow(
                type=match["type"],
                index=int(match["index"]),
                start_us=float(match["start"]) * 1e3,
                first_us=float(match["first"]) * 1e3,
                total_us=float(known["total"]) if is_all_of_its_type else float(match["share"]) / 100 * total_us,
                min_us=float(known["min"]) if known else 0.0,
                max_us=float(known["max"]) if known else 0.0,
                times_called=int(match["calls"]),
            )
        )
    return rows


@pytest.mark.parametrize("name", PROFILES)
def test_profile_tables_are_laid_out_as_the_runtime_lays_them_out(name: str) -> None:
    text = (RECORDED / name).read_text()
    recorded = text[text.index("=" * 50) :]
    printed = profile_text(recorded_rows(recorded))
    assert re.sub(r"\d", "0", printed) == re.sub(r"\d", "0", recorded)
    for ours, theirs in zip(printed.splitlines(), recorded.splitlines(), strict=True):
        numbers = [(float(a), float(b)) for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True)]
        # Shares were recorded with three digits, so sums of them are off by a few units of the last one.
        assert all(a == pytest.approx(b, rel=1e-3, abs=0.021) for a, b in numbers), (ours, theirs)


def test_a_count_line_has_the_tools_statistics() -> None:
    times = [87112, 51629, 52000, 60000]
    assert count_line(times) == (
        "count=4 first=87112 curr=60000 min=51629 max=87112 avg=62685.2 std=14493 p5=51629 median=60000 p95=87112"
    )
    assert count_line([670083]) == "count=1 curr=670083 p5=670083 median=670083 p95=670083"
    assert count_line([5, 5]) == "count=2 curr=5(all same) p5=5 median=5 p95=5"
    assert count_line([]) == "count=0"
    assert " avg=1.59906e+06 " in count_line([1599060, 1599061])


def results(**changes: object) -> Results:
    fields = {
        "signature_key": "main",
        "init_us": 4480,
        "warmup_us": (1030, 470),
        "runs_us": (460, 440, 980),
        "input_bytes": 2**20,
        "init_bytes": 9 * 2**20,
        "overall_bytes": 12 * 2**20,
        "peak_bytes": None,
    }
    return Results(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_results_are_printed_in_ms_with_two_digits() -> None:
    text = "\n".join(line for _number, line in result_lines(results()))
    assert "Model initialization: 4.48 ms\n" in text
    assert "Warmup (avg):         0.75 ms (2 runs)\n" in text
    assert "Inference (std):      0.25\n" in text
    assert "Throughput:           1595.74 MB/s\n" in text
    assert "Peak memory usage not available. (peak_mem_mb <= 0)\n" in text
    assert "Peak memory:          50.00 MB" in "\n".join(
        line for _, line in result_lines(results(peak_bytes=50 * 2**20))
    )
    without_runs = [line for _number, line in result_lines(results(runs_us=()))]
    assert "No inference runs were performed." in without_runs
    assert "No throughput data available (throughput <= 0)." in without_runs


def test_the_results_block_is_that_of_a_phone_with_2_2(project_root: Path) -> None:
    path = project_root.parent / "shared" / "logs" / "31_litert22_gpu_results_mlcommons.txt"
    if not path.is_file():
        pytest.skip("the recorded output of other people's phones is not here")
    recorded = path.read_text().splitlines()[3:]
    lines = [f"INFO: [benchmark_litert_model.h:{number}] {line}" for number, line in result_lines(results())]
    printed = "\n".join(lines).splitlines()[2:]
    value = re.compile(r"(?<=[ (])[\d.]+|prefill_1024|main")
    assert [value.sub("0", line) for line in printed[: len(recorded)]] == [value.sub("0", line) for line in recorded]


def test_flags_are_read_as_the_tool_reads_them() -> None:
    arguments = [
        "--num_runs=5",
        "--num_runs=6",
        "--use_gpu",
        "--use_npu",
        "1",
        "--min_secs=0",
        "--qualcomm_log_level=1",
        "--x=1",
    ]
    parsed = parse_flags(arguments)
    assert parsed.number("num_runs") == 5
    assert not parsed.is_on("use_gpu")
    assert parsed.unconsumed == ["--num_runs=6", "--use_gpu", "--use_npu", "1", "--x=1"]
    assert parsed.is_accepted
    assert parsed.logged() == ["Min num runs: [5]", "Min runs duration (seconds): [0]"]


@pytest.mark.parametrize("argument", ["--num_runs=many", "--use_gpu=yes", "--min_secs=", "--num_threads=1.5"])
def test_a_value_that_cannot_be_read_ends_the_tool(argument: str) -> None:
    parsed = parse_flags([argument, "--graph=m"])
    assert parsed.refused == [(argument[2:].partition("=")[0], argument)]
    assert not parsed.is_accepted


def event(name: str, index: int, *, ms: float, operator: bool = False, start_ms: float = 0.0) -> ProfiledEvent:
    return ProfiledEvent(
        index=index,
        name=name,
        kind=EventKind.OPERATOR if operator else EventKind.DELEGATE,
        node_index=index,
        subgraph_index=0,
        start_ms=start_ms,
        durations_ms=(ms, ms),
    )


def test_kernels_of_one_name_and_number_in_several_partitions_are_one_row() -> None:
    events = [
        event("Add (ND)", 0, ms=0.1),
        event("CUMSUM", 1, ms=0.2, operator=True, start_ms=0.1),
        event("Add (ND)", 0, ms=0.3),
        event("ATAN2", 3, ms=0.4, operator=True, start_ms=0.6),
    ]
    rows = profile_rows(events, num_runs=10, slowdown=2.0)
    assert [(row.name, row.times_called, row.total_us) for row in rows] == [
        ("[Delegate]:0", 20, 8000),
        ("[Builtin]:1", 10, 4000),
        ("[Builtin]:3", 10, 8000),
    ]
    assert [row.start_us for row in rows] == [0.0, 0.0, pytest.approx(500)]


def test_the_profilers_buffer_holds_as_many_runs_as_it_did_when_that_was_recorded() -> None:
    events = [event("Add (ND)", index, ms=0.1) for index in range(8)]
    assert fitting_runs(events, 60000) == 43691
    assert fitting_runs(events, 100) == 100


def alternating(num_operators: int) -> Subgraph:
    """Build TANH, ABS, TANH, ABS ..."""
    builder = ModelBuilder()
    value = builder.input("x", (1, 4))
    for index in range(num_operators):
        value = builder.operator(("TANH", "ABS")[index % 2], [value], builder.tensor(f"t{index}", (1, 4)))
    return read_model(builder.build({"y": value})).main


def test_placement_lines_count_what_each_delegate_took() -> None:
    subgraph = alternating(6)
    events = [event("Tanh (NC, F32)", 0, ms=1), event("ABS", 3, ms=1, operator=True), event("Tanh (NC, F32)", 0, ms=1)]
    assert cpu_lines(subgraph, events) == [
        "Replacing 5 out of 6 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 3 partitions for subgraph 0 "
        "(main)."
    ]
    # The GPU's three kernels are nodes that XNNPACK finds beside the three ABS, of which it takes two.
    assert gpu_lines(subgraph, events, frozenset({"ABS"})) == [
        "Replacing 3 out of 6 node(s) with delegate (LITERT_CL) node, yielding 6 partitions for subgraph 0 (main).",
        "Replacing 2 out of 6 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 4 partitions for subgraph 0 "
        "(main).",
    ]
    assert gpu_lines(subgraph, events, frozenset())[0].startswith(
        "Replacing 6 out of 6 node(s) with delegate (LITERT_CL)"
    )
    assert len(gpu_lines(subgraph, events, frozenset())) == 1


def test_a_newer_or_dearer_phone_is_the_faster_one() -> None:
    named = ("Samsung Galaxy S24", "Google Pixel 7", "Samsung Galaxy S21", "moto g75 5G")
    paces = [Hardware.of(catalog_phone(name, None)).pace for name in named]
    assert paces == sorted(set(paces))
    assert paces[0] == Hardware.of(catalog_phone("Samsung Galaxy S24", "S5E9945")).pace == 1.0
