"""Recorded output of real phones, boards and desktops: each is read as the table says, or refused as it says.

The logs are other people's and are not part of the project: they are looked for beside the checkout. Those with several
runs in one file are refused as a whole and read run by run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from embedl_nb.device.adb.tool.failures import classify_failure
from embedl_nb.device.adb.tool.lines import read_lines
from embedl_nb.device.adb.tool.output import ToolOutput, parse_output
from embedl_nb.device.adb.tool.placement import Delegation, parse_delegation
from embedl_nb.device.adb.tool.profile import Profile, parse_profile
from embedl_nb.device.adb.tool.sayings import SAYINGS, Saying
from embedl_nb.errors import UnparsableOutputError

LOGS = Path(__file__).resolve().parents[3] / "shared" / "logs"
FILES = sorted(LOGS.glob("*.txt"))
TOOL_FILES = [path for path in FILES if path.name[:2].isdigit()]
OTHER_FILES = [path for path in FILES if not path.name[:2].isdigit()]
WITHOUT_LOGS = "the recorded logs (../shared/logs beside the checkout) are not here"
# Runs of the profiled process where the log does not say: the first lines of these two do.
NUM_RUNS = {"60": 20, "67": 60_000}
# Files with two runs, and what the second begins with.
TWO_RUNS = {"33": "STARTING!", "34": "========== BENCHMARK RESULTS", "55": "STARTING!"}

pytestmark = pytest.mark.skipif(not FILES, reason=WITHOUT_LOGS)

# By log: output; where it ran; why not elsewhere; operators; how it failed.
TABLE: dict[str, tuple[str, str, str, str, str]] = {
    "01": (
        "litert 2.1.0-2.1.2 1055+2112 runs median 0.462 mean 0.464545 init 4.478 first 1.033 init 8.94 MiB "
        "overall 11.51 MiB",
        "TfLiteXNNPackDelegate=cpu 1/1 in 1, built-in 0",
        "",
        "legacy: 5 rows 0.411 ms",
        "",
    ),
    "02": (
        "litert 2.0.2-2.0.3 526+1054 runs median 0.942 mean 0.947132 init 5.757 first 2.125 init 4.06 MiB "
        "overall 7.07 MiB",
        "",
        "LIBRARY",
        "",
        "",
    ),
    "03": (
        "legacy 1+50 runs median 576.856 mean 699.438 init 102.32 first 670.083 init 98.1 MiB overall 99.2 MiB",
        "TfLiteXNNPackDelegate=cpu 49/49 in 1, built-in 0",
        "",
        "",
        "",
    ),
    "04": (
        "legacy 2+50 runs median 307.968 mean 309.35 init 5664.363 first 328.14 init 375.5 MiB overall 375.5 MiB",
        "TfLiteGpuDelegateV2=gpu 49/49 in 1, built-in 0; GPU said complete; NNAPI said none; opencl",
        "NOT_TAKEN",
        "",
        "",
    ),
    "05": (
        "refused: printed no line that tells what ran",
        "",
        "",
        "legacy with start: 11 rows 158.72 ms and 2 of the start",
        "UnparsableOutputError",
    ),
    "06": ("legacy, no level before a line loaded", "", "APPLYING", "", "UnitUnavailableError"),
    "07": ("legacy, no level before a line loaded", "", "APPLYING", "", "UnitUnavailableError"),
    "08": (
        "legacy, no level before a line 0+50 runs mean 249.684 init 16.242 first 360.262 init 4.93 MiB "
        "overall 138.8 MiB",
        "",
        "",
        "",
        "",
    ),
    "09": ("refused: printed no line that tells what ran", "", "", "", "UnparsableOutputError"),
    "10": (
        "legacy 5+50 runs median 105.718 mean 105.784 init 87.639 first 106.436 init 14.44 MiB overall 14.82 MiB",
        "",
        "",
        "",
        "",
    ),
    "11": (
        "legacy 5+50 runs median 115.35 mean 115.246 init 1361.236 first 125.113 init 132.8 MiB overall 132.8 MiB",
        "GPU said complete; opencl",
        "",
        "",
        "",
    ),
    "12": (
        "legacy 9+1000 runs median 51.891 mean 63.7432 init 119.515 first 87.112 init 55.5 MiB overall 55.5 MiB",
        "TfLiteXNNPackDelegate=cpu 2168/2168 in 1, built-in 0",
        "",
        "",
        "",
    ),
    "13": ("legacy loaded", "TfLiteXNNPackDelegate=cpu 2136/2168 in 33, built-in 32", "", "", "BenchmarkError"),
    "14": (
        "legacy 11+24 runs median 42.419 mean 42.3948 init 207.799 first 90.71 init 23.59 MiB overall 26.68 MiB",
        "TfLiteXNNPackDelegate=cpu 2136/2168 in 33, built-in 32",
        "",
        "",
        "",
    ),
    "15": (
        "legacy 1+520 runs mean 1.88574 init 66.002 first 637.079 init 7.402 MiB overall 7.832 MiB",
        "TfLiteNnapiDelegate=synap-npu 31/31 in 1, built-in 0; NNAPI said complete",
        "",
        "",
        "",
    ),
    "16": (
        "legacy 277+876 runs mean 1.09648 init 25.573 first 201.009 init 15.47 MiB overall 43.29 MiB",
        "Vx Delegate=? 31/31 in 1, built-in 0; EXTERNAL said complete",
        "",
        "",
        "",
    ),
    "17": (
        "refused: printed no line that tells what ran",
        "",
        "",
        "legacy: 3 rows 6.465 ms cut",
        "UnparsableOutputError",
    ),
    "18": (
        "legacy, no level before a line mean 1.38086 init 34.075 first 1599.062",
        "TfLiteNnapiDelegate=? 31/31 in 1, built-in 0",
        "",
        "",
        "",
    ),
    "19": (
        "legacy 50+108 runs median 8.705 mean 8.70866 init 355.447 first 45.401",
        "TfLiteGpuDelegateV2=gpu 4/4 in 1, built-in 0; opencl",
        "",
        "legacy: 4 rows 1.723 ms and 1 of the start cut",
        "",
    ),
    "20": (
        "legacy, no level before a line 4+50 runs mean 162.98 init 2.409 first 169.816 init 4.102 MiB "
        "overall 10.33 MiB",
        "",
        "",
        "legacy with start: 31 rows 162.91 ms and 1 of the start",
        "",
    ),
    "21": (
        "legacy, no level before a line 1+379 runs mean 2.52559 init 12.434 first 4625.131 init 7.27 MiB "
        "overall 34.32 MiB",
        "EXTERNAL said complete",
        "",
        "legacy with start: 1 rows 2.504 ms and 2 of the start",
        "",
    ),
    "22": (
        "legacy, no level before a line 1+50 runs mean 154.534 init 18.085 first 8416.26 init 8.875 MiB "
        "overall 51.22 MiB",
        "EXTERNAL said partial in 1",
        "",
        "legacy with start: 2 rows 154.49 ms and 2 of the start",
        "",
    ),
    "23": (
        "legacy, no level before a line 1+77 runs mean 12.8284 init 13.718 first 8468.241 init 8.336 MiB "
        "overall 50.36 MiB unconsumed --external_delegate_path=/usr/lib/libvx_delegate.so",
        "EXTERNAL said partial in 1",
        "",
        "legacy with start: 2 rows 12.779 ms and 2 of the start",
        "BenchmarkError",
    ),
    "24": (
        "legacy, no level before a line 1+50 runs mean 163.347 init 12.017 first 1583.707 init 7.16 MiB "
        "overall 35.48 MiB",
        "EXTERNAL said complete",
        "",
        "legacy with start: 1 rows 163.31 ms and 2 of the start",
        "",
    ),
    "25": (
        "legacy, no level before a line 1+50 runs mean 2950.34 init 17.187 first 3512.391 init 4.211 MiB "
        "overall 46.09 MiB",
        "",
        "",
        "legacy with start: 31 rows 2949.9 ms and 1 of the start",
        "",
    ),
    "26": (
        "refused: printed no line that tells what ran",
        "",
        "",
        "legacy with start: 8 rows 52.063 ms cut",
        "UnparsableOutputError",
    ),
    "27": (
        "legacy 9+1061 runs mean 56.2658 init 3.337 first 81.913 peak 93.24 MiB",
        "TfLiteXNNPackDelegate=cpu 58/58 in 1, built-in 0",
        "",
        "",
        "",
    ),
    "28": (
        "legacy 13+1694 runs mean 35.1349 init 842.225 first 115.098 peak 74.66 MiB",
        "TfLiteGpuDelegateV2=gpu 58/58 in 1, built-in 0; GPU said complete; opencl",
        "",
        "",
        "",
    ),
    "29": (
        "legacy, no level before a line mean 79.7609 init 38.467",
        "",
        "",
        "legacy with start: 31 rows 79.449 ms",
        "",
    ),
    "30": (
        "legacy 32+64 runs mean 15.5176 init 32.163 first 19.834 init 22.03 MiB overall 34.83 MiB",
        "",
        "",
        "legacy: 9 rows 2.085 ms and 2 of the start cut",
        "",
    ),
    "31": (
        "litert 2.2.0 or later 1+10 runs mean 7430.2 init 23744.73 first 7441.04 init 6392 MiB overall "
        "6392 MiB signature prefill_1024",
        "",
        "",
        "",
        "",
    ),
    "32": ("litert loaded", "", "", "", "UnparsableOutputError"),
    "33a": ("litert 2.2.0 or later initialized init 97.45", "", "", "", "UnparsableOutputError"),
    "33b": ("litert 2.2.0 or later initialized init 3.65 peak 166.4 MiB", "", "", "", "UnparsableOutputError"),
    "34a": ("litert before 2.0.2a1 957+2166 runs mean 0.46 init 586.76 first 4.44", "", "", "", ""),
    "34b": ("litert before 2.0.2a1 51+100 runs mean 10.08 init 11.03 first 11.5", "", "", "", ""),
    "35": (
        "refused: printed no line that tells what ran",
        "TfLiteNnapiDelegate=? 5/64 in 3, TfLiteXNNPackDelegate=cpu 59/62 in ?, built-in 0",
        "",
        "",
        "UnparsableOutputError",
    ),
    "36": ("legacy loaded", "", "OPERATOR UNPACK", "", "UnparsableOutputError"),
    "37": ("legacy loaded", "NNAPI said none", "NOT_TAKEN", "", "UnparsableOutputError"),
    "38": ("legacy 40+75 runs mean 12.1676 init 126.059 first 32.942", "NNAPI said partial in 44", "", "", ""),
    "39": (
        "legacy, no level before a line 4+50 runs mean 119.375 init 870.557 first 130.565",
        "GPU said complete; opencl",
        "",
        "",
        "",
    ),
    "40": ("legacy loaded", "TfLiteQnnDelegate said none in 0", "", "", "UnparsableOutputError"),
    "41": ("refused: printed no line that tells what ran", "", "LIBRARY", "", "UnitUnavailableError"),
    "42": ("refused: printed no line that tells what ran", "", "BACKEND, APPLYING", "", "UnitUnavailableError"),
    "43": ("refused: printed no line that tells what ran", "", "", "", "RemoteCommandError"),
    "44": ("refused: printed no line that tells what ran", "", "", "", "RemoteCommandError"),
    "45": ("refused: printed no line that tells what ran", "", "APPLYING", "", "RuntimeCrashedError"),
    "46": ("refused: printed no line that tells what ran", "", "LIBRARY", "", "RuntimeCrashedError"),
    "47": ("refused: printed no line that tells what ran", "", "", "", "OutOfMemoryError"),
    "48": (
        "refused: printed no line that tells what ran",
        "",
        "OPERATOR EXP, OPERATOR SPLIT_V, COUNT, APPLYING",
        "",
        "UnitUnavailableError",
    ),
    "49": ("refused: printed no line that tells what ran", "", "", "", "UnparsableOutputError"),
    "50": (
        "refused: printed no line that tells what ran",
        "DispatchDelegate=? 1/1 in 1, built-in 0",
        "DISPATCH",
        "",
        "UnitUnavailableError",
    ),
    "51": (
        "refused: printed no line that tells what ran",
        "LITERT_CL=gpu 796/796 in 1, built-in 0; LITERT_CL=gpu 782/782 in 1, built-in 0; LITERT_CL=gpu "
        "2068/2068 in 1, built-in 0; LITERT_CL=gpu 246/246 in 1, built-in 0; opencl",
        "",
        "",
        "UnparsableOutputError",
    ),
    "52": (
        "refused: printed no line that tells what ran",
        "LITERT_CL=gpu 48/90 in 1, TfLiteXNNPackDelegate=cpu 32/43 in 2, built-in 10; opencl",
        "",
        "",
        "UnparsableOutputError",
    ),
    "53": (
        "legacy mean 6.92899 init 188.735 first 26.307",
        "TfLiteGpuDelegateV2=gpu 4/4 in 1, built-in 0; opengl",
        "BACKEND floor_mod, BACKEND",
        "",
        "",
    ),
    "54": (
        "refused: printed no line that tells what ran",
        "LITERT_OPENGL=gpu 66/66 in 1, built-in 0; opengl",
        "",
        "",
        "UnparsableOutputError",
    ),
    "55a": ("legacy, no level before a line 7+15 runs mean 66.7676 init 9.933 first 127.425", "", "", "", ""),
    "55b": ("legacy, no level before a line warmed_up init 4.183 first 39.195", "", "", "", "UnparsableOutputError"),
    "56": ("litert loaded", "", "LIBRARY", "", "UnparsableOutputError"),
    "57": ("refused: printed no line that tells what ran", "", "", "", "RuntimeCrashedError"),
    "60": (
        "refused: printed no line that tells what ran",
        "",
        "LIBRARY",
        "litert 2.2.0 or later: 66 rows of 20 runs 7.498 ms",
        "UnparsableOutputError",
    ),
    "63": ("refused: printed no line that tells what ran", "", "LIBRARY, DISPATCH", "", "UnitUnavailableError"),
    "65": ("refused: printed no line that tells what ran", "", "LIBRARY", "", "UnparsableOutputError"),
    "67": (
        "refused: printed no line that tells what ran",
        "",
        "LIBRARY",
        "litert 2.2.0 or later: 8 rows of 43691 runs 0.129 ms",
        "UnparsableOutputError",
    ),
}


def said_in(path: Path) -> str:
    """Return the log without the remarks of whoever collected it."""
    return "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("# "))


def runs_of(path: Path) -> Iterator[tuple[str, str]]:
    number, text = path.name[:2], said_in(path)
    if number not in TWO_RUNS:
        yield number, text
        return
    second = text.index(TWO_RUNS[number], text.index(TWO_RUNS[number]) + 1 if number != "55" else 0)
    second = text.rindex("\n", 0, second) + 1
    yield f"{number}a", text[:second]
    yield f"{number}b", text[second:]


def row(number: str, text: str) -> tuple[str, str, str, str, str]:
    ran, why = placement_cells(text)
    return output_cell(text), ran, why, profile_cell(number, text), failure_cell(text)


def output_cell(text: str) -> str:
    try:
        output = parse_output(text)
    except UnparsableOutputError as error:
        return refused(error)
    return " ".join([output.layout or str(output.program), *figures(output)])


def refused(error: UnparsableOutputError) -> str:
    assert (error.tool, bool(error.excerpt)) == ("benchmark_model", True)
    return f"refused: {error.message.removeprefix('benchmark_model ')}"


def figures(output: ToolOutput) -> Iterator[str]:
    if not output.is_measured:
        yield output.stage.name.lower()
    if output.num_runs is not None:
        yield f"{output.num_warmup_runs or 0}+{output.num_runs} runs"
    for name in ("median_ms", "mean_ms", "init_ms", "first_ms"):
        if (value := getattr(output, name)) is not None:
            yield f"{name.removesuffix('_ms')} {value:.7g}"
    for figure in output.memory:
        yield f"{figure.name.removesuffix('_footprint').removesuffix('_memory')} {figure.num_bytes / 2**20:.4g} MiB"
    if output.unconsumed_flags:
        yield f"unconsumed {' '.join(output.unconsumed_flags)}"
    if output.signature_key:
        yield f"signature {output.signature_key}"


def placement_cells(text: str) -> tuple[str, str]:
    try:
        delegation = parse_delegation(text)
    except UnparsableOutputError as error:
        return refused(error), ""
    causes = (f"{cause.kind.name}{f' {cause.operator}' if cause.operator else ''}" for cause in delegation.causes)
    return "; ".join(placed(delegation)), ", ".join(dict.fromkeys(causes))


def placed(delegation: Delegation) -> Iterator[str]:
    for subgraph in delegation.subgraphs:
        parts = [
            f"{one.delegate}={one.unit or one.accelerator or '?'} {one.num_replaced}/{one.num_nodes or '?'} "
            f"in {one.num_partitions or '?'}"
            for one in subgraph.replacements
        ]
        yield ", ".join([*parts, f"built-in {subgraph.num_builtin}"])
    for one in delegation.explicit:
        kernels = f" in {one.num_kernels}" if one.num_kernels is not None else ""
        yield f"{one.name} said {one.coverage}{kernels}"
    if delegation.backend:
        yield delegation.backend


def profile_cell(number: str, text: str) -> str:
    try:
        profile = parse_profile(text, num_runs=NUM_RUNS.get(number))
    except UnparsableOutputError as error:
        return refused(error)
    return "" if profile is None else " ".join(profiled(profile))


def profiled(profile: Profile) -> Iterator[str]:
    yield f"{profile.layout}: {len(profile.rows)} rows"
    if profile.num_runs is not None:
        yield f"of {profile.num_runs} runs"
    if profile.per_inference_ms is not None:
        yield f"{profile.per_inference_ms:.5g} ms"
    if profile.init_rows:
        yield f"and {len(profile.init_rows)} of the start"
    if not profile.is_whole:
        yield "cut"


def failure_cell(text: str) -> str:
    error = classify_failure(None, text)
    return "" if error is None else type(error).__name__


@pytest.mark.parametrize("path", TOOL_FILES, ids=lambda path: path.name[:2])
def test_every_recorded_log_is_read_as_the_table_says(path: Path) -> None:
    for number, text in runs_of(path):
        found = row(number, text)
        # A log that came after this table need only be read or refused, which it now is.
        assert found == TABLE.get(number, found)


@pytest.mark.parametrize("path", [path for path in TOOL_FILES if path.name[:2] in TWO_RUNS], ids=lambda path: path.name)
def test_two_runs_in_one_output_are_refused(path: Path) -> None:
    with pytest.raises(UnparsableOutputError) as caught:
        parse_output(said_in(path))
    assert caught.value.tool == "benchmark_model"
    assert caught.value.excerpt


@pytest.mark.parametrize("path", OTHER_FILES, ids=lambda path: path.name)
def test_what_another_program_printed_is_refused(path: Path) -> None:
    text = path.read_text()
    with pytest.raises(UnparsableOutputError) as caught:
        parse_output(text)
    assert (caught.value.tool, bool(caught.value.excerpt)) == ("benchmark_model", True)
    assert parse_profile(text) is None
    assert parse_delegation(text).subgraphs == ()


@pytest.mark.parametrize("saying", SAYINGS, ids=lambda saying: saying.sample[:40])
def test_every_entry_of_the_table_of_words_is_in_the_logs_that_it_names(saying: Saying) -> None:
    for number in saying.logs:
        found = [path for path in TOOL_FILES if path.name.startswith(number)]
        assert found, number
        assert any(saying.pattern.fullmatch(line.text) for line in read_lines(said_in(found[0]))), number


@pytest.mark.parametrize("path", TOOL_FILES, ids=lambda path: path.name[:2])
def test_a_recorded_log_cut_at_any_line_is_read_or_refused(path: Path) -> None:
    lines = said_in(path).splitlines(keepends=True)
    for end in range(1, len(lines), max(1, len(lines) // 40)):
        row(path.name[:2], "".join(lines[:end]))
