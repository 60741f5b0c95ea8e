"""What benchmark_model prints of its runs is read as it stands, or refused; it is never guessed."""

from __future__ import annotations

import random

import pytest
from tool_texts import FAILED, LEGACY, LITERT, LITERT_RUNS, RUNNING, TIMED, WARMUP, refusal

from embedl_nb.device.adb.tool.counts import parse_counts
from embedl_nb.device.adb.tool.lines import MAX_NUM_LINES, MAX_OUTPUT_CHARS
from embedl_nb.device.adb.tool.output import Program, Stage, ToolOutput, parse_output
from embedl_nb.errors import UnparsableOutputError

FIGURES = ("num_runs", "num_warmup_runs", "median_ms", "mean_ms", "init_ms", "first_ms", "signature_key")


def test_the_litert_tool_is_read_in_full() -> None:
    output = parse_output(LITERT)
    assert (output.program, output.layout, output.stage) == (Program.LITERT, "litert 2.2.0 or later", Stage.TIMED)
    assert output.is_measured
    assert (output.num_warmup_runs, output.num_runs) == (3, 40)
    assert (output.median_ms, output.mean_ms, output.init_ms, output.first_ms) == (8.111, 8.12346, 31.274, 9.2)
    assert output.signature_key == "serving_default"
    assert output.model_path == "/data/local/tmp/nb/m.tflite"
    assert output.parameters["Min num runs"] == "40"
    assert output.results is not None
    assert (output.results.std_ms, output.results.throughput_mib_per_s) == (0.09, 74.1)
    memory = {figure.name: figure for figure in output.memory}
    assert {name: figure.num_bytes for name, figure in memory.items()} == {
        "init_footprint": 12.5 * 2**20,
        "overall_footprint": 24.25 * 2**20,
        "peak_memory": 26 * 2**20,
    }
    assert "ru_maxrss" in memory["overall_footprint"].definition
    assert "sampling thread" in memory["peak_memory"].definition


def test_counts_are_kept_as_printed_with_the_fields_there_were() -> None:
    output = parse_output(LITERT)
    assert output.timed is not None
    assert output.timed.printed == ("first", "curr", "min", "max", "avg", "std", "p5", "median", "p95")
    assert (output.timed.p5_us, output.timed.p95_us, output.timed.std_us) == (7950, 8350, 91)


def test_the_older_tool_is_read_without_prefixes_and_percentiles_and_with_exponents() -> None:
    output = parse_output(LEGACY)
    assert (output.program, output.layout) == (Program.LEGACY, "legacy, no level before a line")
    assert output.timed is not None
    assert output.timed.printed == ("first", "curr", "min", "max", "avg", "std")
    assert output.median_ms is None
    assert (output.mean_ms, output.first_ms, output.init_ms) == (8.12346, 1590.06, 31.274)
    assert [figure.name for figure in output.memory] == ["init_footprint", "overall_footprint", "peak_memory"]


@pytest.mark.parametrize(
    ("text", "mean_us", "printed"),
    [
        ("count=1 curr=670083", 670083, ("curr",)),
        ("count=1 curr=670083 p5=670083 median=670083 p95=670083", 670083, ("curr", "p5", "median", "p95")),
        ("count=7 curr=12(all same)", 12, ("curr",)),
        ("count=7 curr=12 (all same) p5=12 median=12 p95=12", 12, ("curr", "p5", "median", "p95")),
        ("count=2 first=3 curr=1 min=1 max=3 avg=2 std=1", 2, ("first", "curr", "min", "max", "avg", "std")),
        ("count=0", None, ()),
    ],
)
def test_every_shape_of_a_count_line_is_read(text: str, mean_us: float | None, printed: tuple[str, ...]) -> None:
    counts = parse_counts(text)
    assert counts is not None
    assert (counts.mean_us, counts.printed) == (mean_us, printed)


@pytest.mark.parametrize(
    "text",
    [
        "count=",
        "count=x curr=1",
        "count=7 curr=12",
        "count=1 curr=12(all same)",
        "count=1 curr=12 p5=11 median=12 p95=12",
        "count=2 first=3 curr=1 min=1 max=3 avg=2",
        "count=2 first=3 curr=1 min=1 max=3 avg=9 std=1",
        "count=2 first=9 curr=1 min=1 max=3 avg=2 std=1",
        "count=2 first=3 curr=1 min=1 max=3 avg=2 std=1 p5=1 median=3 p95=2",
        "count=2 first=3 curr=1 min=1 max=3 avg=nan std=1",
        "count=2 first=3 first=3 curr=1 min=1 max=3 avg=2 std=1",
        "count=2 first=3 curr=1 min=1 max=3 avg=2 std=1 W [driver] hello",
        "count=-1 curr=12",
    ],
)
def test_a_count_line_that_is_cut_mixed_or_contradicts_itself_is_refused(text: str) -> None:
    assert parse_counts(text) is None
    with pytest.raises(UnparsableOutputError) as caught:
        parse_output(LITERT.replace(TIMED, text))
    assert caught.value.tool == "benchmark_model"
    assert text in caught.value.excerpt


def test_two_lines_that_say_different_things_of_one_figure_are_refused() -> None:
    for said, other in (
        ("Inference (avg):      8.12 ms (40 runs)", "Inference (avg):      8.12 ms (41 runs)"),
        ("Inference (avg):      8.12 ms", "Inference (avg):      9.12 ms"),
        ("Warmup (avg):         8.53 ms", "Warmup (avg):         7.53 ms"),
    ):
        with pytest.raises(UnparsableOutputError, match="contradict"):
            parse_output(LITERT.replace(said, other))
    with pytest.raises(UnparsableOutputError, match="contradict"):
        parse_output(LEGACY.replace("Inference (avg): 8123.46", "Inference (avg): 9123.46"))


def test_a_results_line_that_cannot_be_read_is_refused_and_named() -> None:
    with pytest.raises(UnparsableOutputError, match=r"Inference \(min\)") as caught:
        parse_output(LITERT.replace("(min):      7.90 ms", "(min):      7.9INFO"))
    assert "7.9INFO" in caught.value.excerpt


def test_runs_of_two_processes_are_never_mixed() -> None:
    with pytest.raises(UnparsableOutputError, match="more than once"):
        parse_output(LITERT + LITERT)
    with pytest.raises(UnparsableOutputError, match="both programs"):
        parse_output(LITERT_RUNS + LITERT.partition("BENCHMARK RESULTS")[2] + "Loaded model /m.tflite\n")


@pytest.mark.parametrize("number", ["1e999", "inf", "nan", "0x10", "1,5", "-3", "1e", "٣"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    for said in ("Peak memory:          26.00 MB", "Model initialization: 31.27 ms"):
        start, _, rest = said.partition(":")
        value = rest.split()[0]
        with pytest.raises(UnparsableOutputError, match=start):
            parse_output(LITERT.replace(said, said.replace(value, number)))


def test_three_summaries_are_of_more_than_one_run() -> None:
    with pytest.raises(UnparsableOutputError, match="more than two phases"):
        parse_output(LITERT.replace(f"INFO: {TIMED}\n", f"INFO: {TIMED}\n" * 2))


def test_a_line_of_any_length_is_bounded() -> None:
    name = "x" * 100_000
    assert len(parse_output(LITERT.replace("/data/local/tmp/nb/m.tflite", name)).model_path) < 2**16


def test_one_summary_is_a_warm_up_only_where_the_start_is_there() -> None:
    killed = LITERT.partition(f"INFO: {RUNNING.format(40, 0)}")[0]
    assert (parse_output(killed).stage, parse_output(killed).warmup is None) == (Stage.WARMED_UP, False)
    for text in (f"{RUNNING.format(40, 0)}\n{TIMED}\n", f"{TIMED}\n"):
        with pytest.raises(UnparsableOutputError, match="not clear"):
            parse_output(text)


def test_a_single_summary_that_equals_the_result_is_the_timed_one() -> None:
    output = parse_output(LEGACY[LEGACY.index("count=50") :])
    assert (output.num_runs, output.warmup, output.mean_ms) == (50, None, 8.12346)


def test_flags_that_the_tool_does_not_know_are_listed() -> None:
    for prefix in ("", "WARN: "):
        text = LITERT.replace("INFO: Log", f"{prefix}Unconsumed cmdline flags: --a=x y --b=1\nINFO: Log", 1)
        assert parse_output(text).unconsumed_flags == ("--a=x y", "--b=1")


def test_no_inference_runs_are_no_measurement() -> None:
    text = LITERT.replace(TIMED, "count=0").replace("8.12 ms (40 runs)", "-nan ms (0 runs)")
    text = text.replace("Inference (min):      7.90 ms", "No inference runs were performed.")
    output = parse_output(text)
    assert (output.is_measured, output.num_runs, output.mean_ms) == (False, 0, None)


def test_logcat_heads_and_paths_before_a_line_do_not_matter() -> None:
    lines = (f"09-28 06:21:39.135 19410 19410 I tflite  : {line.removeprefix('INFO: ')}" for line in LITERT.split("\n"))
    assert parse_output("\n".join(lines) + "\n").median_ms == 8.111
    from_source = LITERT.replace("[benchmark_litert_model", "[.\\litert/tools/benchmark_litert_model")
    assert parse_output(from_source).layout == "litert 2.2.0 or later"


@pytest.mark.parametrize(
    "text", ["", "\n\n", "hello\n", "Level: 80\nvoltage: 4100\n", "\x00\x1b[31m\n", "count\n", "====\n"]
)
def test_text_that_is_not_the_tools_is_refused(text: str) -> None:
    with pytest.raises(UnparsableOutputError, match="no line that tells"):
        parse_output(text)


@pytest.mark.parametrize("text", [LITERT, LEGACY, FAILED])
def test_lines_of_others_anywhere_and_carriage_returns_change_nothing(text: str) -> None:
    whole = parse_output(text)
    assert parse_output(text.replace("\n", "\r\n")) == whole
    foreign = [
        "W [HandleLayoutInfer:257]Op 18: default layout inference pass.",
        "",
        "\tand a tab",
        "type 54 str SoftmaxAxis0",
        "dada:/data/local/tmp $ ls",
        "E/Adreno-GSL: <gsl_memory_alloc_pure:2209>: GSL MEM ERROR",
        "I0000 00:00:1776763095.992481   21214 delegate_kernel.cc:285] Total 64 external tensors",
    ]
    chance = random.Random(3)
    for _ in range(30):
        lines = text.split("\n")
        for _ in range(10):
            lines.insert(chance.randrange(len(lines)), chance.choice(foreign))
        assert parse_output("\n".join(lines)) == whole


@pytest.mark.parametrize("text", [LITERT, LEGACY, FAILED])
def test_output_cut_at_any_byte_gives_true_figures_or_none(text: str) -> None:
    whole = parse_output(text)
    num_read = 0
    for end in range(len(text)):
        try:
            cut = parse_output(text[:end])
        except UnparsableOutputError:
            continue
        num_read += 1
        for name in FIGURES:
            assert getattr(cut, name) in (None, "", *_may_be(whole, name)), (end, name)
        assert cut.stage <= whole.stage
    assert num_read > len(text) // 2


def _may_be(whole: ToolOutput, name: str) -> tuple[object, ...]:
    """A figure comes from the line with the most digits, and before that line is there, from another."""
    rounded = {"init_ms": (31.27,), "mean_ms": (8.12,), "first_ms": (9.2,)}
    return (getattr(whole, name), *rounded.get(name, ()))


@pytest.mark.parametrize("text", [LITERT, LEGACY])
def test_output_cut_at_any_line_from_the_start_gives_true_figures_or_none(text: str) -> None:
    whole = parse_output(text)
    lines = text.split("\n")
    for start in range(len(lines)):
        try:
            cut = parse_output("\n".join(lines[start:]))
        except UnparsableOutputError:
            continue
        for name in FIGURES:
            assert getattr(cut, name) in (None, "", *_may_be(whole, name)), (start, name)


def test_output_of_any_size_is_bounded() -> None:
    for text in ("x" * (MAX_OUTPUT_CHARS + 1), "x\n" * (MAX_NUM_LINES + 1)):
        with pytest.raises(UnparsableOutputError, match="too much") as caught:
            parse_output(text)
        assert len(caught.value.excerpt) < 10_000


@pytest.mark.parametrize(
    "line",
    [
        "count=" + "9" * 60_000,
        "count=1 curr=" + "1" * 60_000,
        "Unconsumed cmdline flags:" + " " * 60_000 + "x",
        "Model initialization: " + " " * 60_000 + "x",
        "Graph: " + "[" * 60_000,
        "=" * 60_000 + "x",
        "Loading model from: " + "]: [" * 15_000,
    ],
)
def test_a_hostile_line_costs_no_time_beyond_its_length(line: str) -> None:
    """Each is quadratic for a careless pattern: 60 000 steps squared would not end within the suite's time."""
    text = "INFO: STARTING!\n" + f"{line}\n" * 20
    refused = refusal(parse_output, text)
    assert refused is None or len(refused.excerpt) < 10_000


@pytest.mark.parametrize(
    "name", ["a\u2028count=1 curr=1", "a\x0bSTARTING!", "a]: [b", "'; rm -rf /; '", "\x1b[2J", "<b>"]
)
def test_a_hostile_model_name_is_one_name(name: str) -> None:
    text = LITERT.replace("/data/local/tmp/nb/m.tflite", name)
    assert parse_output(text).model_path == name
    assert parse_output(text).median_ms == 8.111


def test_names_in_tables_of_operators_are_not_lines_of_the_tool() -> None:
    title, end = "=" * 30 + " Run Order " + "=" * 30, "3 nodes observed"
    table = f"{title}\nSTARTING!\ncount=1 curr=1\nUnconsumed cmdline flags: --x\n{end}\n"
    assert parse_output(LITERT + table) == parse_output(LITERT)


def test_the_warm_ups_summary_is_not_the_results() -> None:
    output = parse_output(LITERT)
    assert output.warmup is not None
    assert output.warmup == parse_counts(WARMUP)
