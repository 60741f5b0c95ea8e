"""A run of the tool that failed becomes one error of the right kind: by exit code, by how far it came, by its words."""

from __future__ import annotations

from pathlib import Path

import pytest
from tool_texts import FAILED, LEGACY, LITERT, LITERT_HEAD, LITERT_RUNS, TIMED

from embedl_nb.device.adb.tool.failures import classify_failure, signal_of
from embedl_nb.device.adb.tool.lines import MAX_OUTPUT_CHARS
from embedl_nb.device.adb.tool.sayings import SAYINGS, FailureKind, Saying
from embedl_nb.errors import (
    BenchmarkError,
    EmbedlError,
    OutOfMemoryError,
    RemoteCommandError,
    RuntimeCrashedError,
    UnitUnavailableError,
    UnparsableOutputError,
    UnsupportedOperatorError,
)
from embedl_nb.units import ComputeUnit

CLASSES: dict[FailureKind, type[EmbedlError]] = {
    FailureKind.OUT_OF_MEMORY: OutOfMemoryError,
    FailureKind.NOT_STARTED: RemoteCommandError,
    FailureKind.CRASHED: RuntimeCrashedError,
    FailureKind.NO_UNIT: UnitUnavailableError,
    FailureKind.NO_OPERATOR: UnsupportedOperatorError,
    FailureKind.FAILED: BenchmarkError,
}
OWN_LOGS = Path(__file__).parent / "tool_logs"


def test_a_run_whose_numbers_are_whole_has_not_failed() -> None:
    for text in (LITERT, LEGACY, LITERT_HEAD + LITERT_RUNS):
        assert classify_failure(0, text) is None
        assert classify_failure(None, text) is None


def test_warnings_of_a_run_that_succeeded_are_no_failure() -> None:
    text = LITERT.replace(
        "INFO: Created", "WARNING: [g.cc:1] GPU accelerator could not be loaded and registered.\nINFO: Created"
    )
    assert classify_failure(0, text, asked=ComputeUnit.GPU) is None


@pytest.mark.parametrize(
    ("returncode", "signal"),
    [(139, "SIGSEGV"), (-11, "SIGSEGV"), (134, "SIGABRT"), (132, "SIGILL"), (137, "SIGKILL"), (143, "SIGTERM"),
     (129, "SIGHUP"), (135, "SIGBUS"), (159, "SIGSYS"), (162, "signal 34")],
)  # fmt: skip
def test_a_signal_is_a_crash_whatever_was_printed(returncode: int, signal: str) -> None:
    for text in (LITERT, FAILED, "", "\x00garbage", "x" * (MAX_OUTPUT_CHARS + 1)):
        error = classify_failure(returncode, text, address="adb://A", log_path="/logs/1")
        assert isinstance(error, RuntimeCrashedError)
        assert (error.signal, error.log_path) == (signal, "/logs/1")
        assert "adb://A" in error.message
        assert error.hint


@pytest.mark.parametrize("returncode", [None, 0, 1, 127, 128, 193, 255, -65])
def test_other_exit_codes_are_no_signals(returncode: int | None) -> None:
    assert signal_of(returncode) == ""


def test_an_abort_for_want_of_memory_is_out_of_memory() -> None:
    text = LITERT_HEAD + "terminating due to uncaught exception of type std::bad_alloc: std::bad_alloc\n"
    assert isinstance(classify_failure(134, text), OutOfMemoryError)


def test_a_killed_process_is_told_of_androids_memory() -> None:
    error = classify_failure(137, LITERT_HEAD)
    assert isinstance(error, RuntimeCrashedError)
    assert "memory" in error.hint


@pytest.mark.parametrize(
    ("returncode", "text", "said"),
    [
        (127, "/system/bin/sh: ./benchmark_model: inaccessible or not found\n", "is not there"),
        (126, "/system/bin/sh: ./benchmark_model: can't execute: Permission denied\n", "chmod 755"),
        (126, "/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file\n", "ABI"),
        (126, "", "cannot be executed"),
    ],
)
def test_a_tool_that_did_not_start_says_why(returncode: int, text: str, said: str) -> None:
    error = classify_failure(returncode, text, command="./benchmark_model")
    assert isinstance(error, RemoteCommandError)
    assert said in str(error)
    assert (error.returncode, error.command) == (returncode, "./benchmark_model")


@pytest.mark.parametrize("returncode", [0, 1, None])
def test_unknown_flags_fail_a_run_and_are_named(returncode: int | None) -> None:
    text = LITERT.replace("INFO: Log", "WARN: Unconsumed cmdline flags: --use_gpuu=true --b=1\nINFO: Log", 1)
    error = classify_failure(returncode, text)
    assert isinstance(error, BenchmarkError)
    assert "--use_gpuu=true --b=1" in error.message
    assert "not what was asked" in error.message


@pytest.mark.parametrize("saying", [one for one in SAYINGS if one.failure], ids=lambda one: one.sample[:30])
def test_every_failure_of_the_table_is_read_from_its_sample(saying: Saying) -> None:
    assert saying.failure is not None
    assert saying.hint
    text = f"{LITERT_HEAD}ERROR: [some.cc:12] {saying.sample}\nERROR: Benchmarking failed.\n"
    for returncode in (1, None):
        error = classify_failure(returncode, text, asked=saying.unit)
        assert type(error) is CLASSES[saying.failure]
        assert error.hint == saying.hint
        assert saying.sample[:40] in error.message
        assert saying.sample in (error.details or error.tails)  # type: ignore[union-attr,attr-defined]  # either has it
    if saying.only_if_asked:
        assert not isinstance(classify_failure(1, text, asked=ComputeUnit.CPU), UnitUnavailableError)


def test_the_operator_that_is_missing_is_named() -> None:
    error = classify_failure(1, LITERT_HEAD + "ERROR: Encountered unresolved custom op: MyOp.\n")
    assert isinstance(error, UnsupportedOperatorError)
    assert error.operators == ("MyOp",)


def test_a_cause_stands_before_its_consequences() -> None:
    text = (
        LITERT_HEAD
        + """\
ERROR: Encountered unresolved custom op: DISPATCH_OP.
ERROR: Node number 0 (DISPATCH_OP) failed to prepare.
ERROR: Failed to allocate tensors!
ERROR: Benchmarking failed.
"""
    )
    error = classify_failure(1, text)
    assert isinstance(error, UnitUnavailableError)
    assert error.asked == "npu"


def test_an_exit_code_without_a_reason_says_how_far_it_came() -> None:
    error = classify_failure(1, LITERT_HEAD, command="./benchmark_model --graph=m", address="adb://A")
    assert isinstance(error, RemoteCommandError)
    assert "exit code 1 after it was loading the model on adb://A" in error.message
    assert error.tails.endswith("XNNPACK delegate for CPU.\n")
    assert isinstance(classify_failure(1, LITERT), RemoteCommandError)


def test_an_exit_code_counts_also_where_no_word_is_the_tools() -> None:
    error = classify_failure(3, "something that nobody knows\n", command="./benchmark_model")
    assert isinstance(error, RemoteCommandError)
    assert (error.returncode, error.command, error.tails) == (3, "./benchmark_model", "something that nobody knows\n")


def test_an_exact_number_of_runs_is_kept_or_the_run_fails() -> None:
    assert classify_failure(0, LITERT, exact_runs=40) is None
    error = classify_failure(0, LITERT, exact_runs=200)
    assert isinstance(error, BenchmarkError)
    assert "40 timed runs instead of 200" in error.message


def test_success_without_numbers_is_never_green() -> None:
    for text in ("", "hello\n", LITERT_HEAD, LITERT[: LITERT.index(TIMED)], LITERT.replace(TIMED, TIMED[:30])):
        assert isinstance(classify_failure(0, text), UnparsableOutputError)
    assert isinstance(classify_failure(0, LITERT + "Benchmarking failed.\n"), BenchmarkError)


def test_output_cut_at_any_line_is_a_failure_until_the_timed_runs_are_there() -> None:
    lines = LITERT.split("\n")
    timed_at = next(number for number, line in enumerate(lines) if TIMED in line)
    for end in range(len(lines)):
        for returncode in (0, None):
            error = classify_failure(returncode, "\n".join([*lines[:end], ""]))
            assert (error is None) == (end > timed_at), end


def test_output_beyond_all_bounds_is_refused() -> None:
    error = classify_failure(0, "x" * (MAX_OUTPUT_CHARS + 1))
    assert isinstance(error, UnparsableOutputError)
    assert len(error.excerpt) < 10_000
    assert isinstance(classify_failure(1, "\n" * 10**6 + FAILED), BenchmarkError)


def test_our_own_aot_model_on_a_cpu_has_no_npu() -> None:
    text = next(OWN_LOGS.glob("63_own_*.txt")).read_text()
    error = classify_failure(1, text)
    assert isinstance(error, UnitUnavailableError)
    assert (error.asked, "dispatch library" in error.hint) == ("npu", True)


def test_our_own_gpu_run_without_its_library_has_no_gpu_and_no_guess_without_that_wish() -> None:
    text = next(OWN_LOGS.glob("65_own_*.txt")).read_text()
    error = classify_failure(1, text, asked=ComputeUnit.GPU)
    assert isinstance(error, UnitUnavailableError)
    assert "GPU accelerator could not be loaded" in error.message
    assert type(classify_failure(1, text)) is RemoteCommandError
