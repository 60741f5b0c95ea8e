"""Commands for benchmark_model run on a virtual phone, and what it prints is read back: nothing is lost in between."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from embedl_nb.device.adb.tool.command import BenchmarkCommand, RunLimits
from embedl_nb.device.adb.tool.failures import classify_failure
from embedl_nb.device.adb.tool.output import Program, ToolOutput, parse_output
from embedl_nb.device.adb.tool.placement import Coverage, parse_delegation
from embedl_nb.device.adb.tool.profile import ProfileLayout, RowKind, parse_profile
from embedl_nb.errors import (
    BenchmarkError,
    EmbedlError,
    RemoteCommandError,
    RuntimeCrashedError,
    UnitUnavailableError,
)
from embedl_nb.testing.models import ModelBuilder
from embedl_nb.testing.virtual_phone import AdbServer, Crash, Faults, VirtualPhone, adb_server
from embedl_nb.units import ComputeUnit

FOLDER = "/data/local/tmp/nb dir"
GRAPH = "it's $(a) model.tflite"
PATIENCE_S = 60.0
RUNS = 12


class Phone:
    """A virtual phone with the tool and a model, spoken to by the real adb."""

    def __init__(self, server: AdbServer, phone: VirtualPhone) -> None:
        self._server, self._phone = server, phone
        folder = phone.root / FOLDER.removeprefix("/")
        folder.mkdir(parents=True)
        (folder / GRAPH).write_bytes(alternating(6))
        (folder / "benchmark_model").write_bytes(b"any bytes")
        (folder / "benchmark_model").chmod(0o755)

    def run(self, *, faults: Faults | None = None, **wishes: Any) -> tuple[int, str]:
        self._phone.faults = faults or Faults()
        return self.shell(command(**wishes).to_shell())

    def shell(self, line: str) -> tuple[int, str]:
        server = self._server
        words = [str(server.adb_path), "-H", server.host, "-P", str(server.port), "-s", self._phone.address, "shell"]
        run = subprocess.run([*words, line], capture_output=True, timeout=PATIENCE_S, check=False)
        return run.returncode, run.stdout.decode(errors="replace")


def command(**wishes: Any) -> BenchmarkCommand:
    plain = {"version": "2.2.0", "directory": FOLDER, "graph_path": GRAPH, "runs": RunLimits.exactly(RUNS)}
    return BenchmarkCommand(**{**plain, "warmup": RunLimits(num_runs=2)} | wishes)


def alternating(num_operators: int) -> bytes:
    """Return a model of TANH, ABS, TANH, ABS ..., of which a GPU may refuse one kind."""
    builder = ModelBuilder()
    value = builder.input("x", (1, 4))
    for index in range(num_operators):
        value = builder.operator(("TANH", "ABS")[index % 2], [value], builder.tensor(f"t{index}", (1, 4)))
    return builder.build({"y": value})


@pytest.fixture(scope="module")
def phone() -> Iterator[Phone]:
    with adb_server() as server, VirtualPhone("Google Pixel 7") as virtual:
        server.connect(virtual)
        yield Phone(server, virtual)


def measured(returncode: int, text: str, **asked: Any) -> ToolOutput:
    assert classify_failure(returncode, text, exact_runs=RUNS, **asked) is None
    return parse_output(text)


@pytest.mark.litert
def test_a_run_on_the_cpu_is_read_back_in_full(phone: Phone) -> None:
    returncode, text = phone.run(
        num_threads=2, cpu_mask=0x3, runtime_options={"report_peak_memory_footprint": True, "verbose": False}
    )
    output = measured(returncode, text)
    assert (output.program, output.layout) == (Program.LITERT, "litert 2.2.0 or later")
    assert (output.num_warmup_runs, output.num_runs) == (2, RUNS)
    assert output.model_path == GRAPH
    assert output.median_ms is not None
    assert output.first_ms is not None
    assert [figure.name for figure in output.memory] == ["init_footprint", "overall_footprint", "peak_memory"]
    assert output.unconsumed_flags == ()
    delegation = parse_delegation(text)
    assert (delegation.num_nodes, delegation.num_on(ComputeUnit.CPU)) == (6, 6)
    assert parse_profile(text) is None


@pytest.mark.litert
def test_operators_of_a_run_add_up_to_its_calls(phone: Phone) -> None:
    returncode, text = phone.run(profile=True)
    output = measured(returncode, text)
    profile = parse_profile(text, num_runs=(output.num_runs or 0) + (output.num_warmup_runs or 0))
    assert profile is not None
    assert (profile.layout, profile.num_runs, profile.is_whole) == (ProfileLayout.LITERT_2_2, RUNS + 2, True)
    assert {row.kind for row in profile.rows} <= {RowKind.DELEGATE_KERNEL, RowKind.OPERATOR}
    assert sum(row.num_calls for row in profile.rows) % (RUNS + 2) == 0
    assert profile.per_inference_ms is not None


@pytest.mark.litert
def test_a_gpu_that_refuses_operators_takes_the_others(phone: Phone) -> None:
    faults = Faults(gpu_works=True, gpu_refuses=frozenset({"ABS"}))
    returncode, text = phone.run(compute_unit=ComputeUnit.GPU, faults=faults)
    measured(returncode, text, asked=ComputeUnit.GPU)
    delegation = parse_delegation(text)
    assert (delegation.num_on(ComputeUnit.GPU), delegation.num_on(ComputeUnit.CPU)) == (3, 3)
    assert delegation.coverage(ComputeUnit.GPU) is Coverage.PARTIAL
    assert delegation.replacements[0].num_partitions == 3
    assert delegation.backend == "opencl"


@pytest.mark.litert
def test_a_gpu_without_its_library_is_seen_on_the_cpu_with_the_cause(phone: Phone) -> None:
    returncode, text = phone.run(compute_unit=ComputeUnit.GPU)
    measured(returncode, text, asked=ComputeUnit.GPU)
    delegation = parse_delegation(text)
    assert delegation.coverage(ComputeUnit.GPU) is Coverage.NONE
    assert "GPU accelerator could not be loaded" in delegation.causes_for(ComputeUnit.GPU)[0].said


@pytest.mark.litert
def test_a_gpu_that_has_to_take_all_and_is_not_there_fails_the_run(phone: Phone) -> None:
    returncode, text = phone.run(compute_unit=ComputeUnit.GPU, require_full_delegation=True)
    error = classify_failure(returncode, text, asked=ComputeUnit.GPU, exact_runs=RUNS)
    assert isinstance(error, UnitUnavailableError)
    assert error.asked == "gpu"


@pytest.mark.litert
def test_a_flag_that_this_tool_does_not_know_fails_the_run(phone: Phone) -> None:
    line = command(runs=RunLimits.exactly(1)).to_shell().replace(" 2>&1", " --enable_op_profiling=true 2>&1")
    error = classify_failure(*phone.shell(line))
    assert isinstance(error, BenchmarkError)
    assert "--enable_op_profiling=true" in error.message


@pytest.mark.parametrize(
    ("faults", "kind", "said"),
    [
        (Faults(no_exec=True), RemoteCommandError, "chmod 755"),
        (Faults(missing_library="libx.so"), RemoteCommandError, "libx.so"),
        (Faults(crash=Crash.SEGMENTATION_FAULT), RuntimeCrashedError, "SIGSEGV"),
        (Faults(crash=Crash.ABORT), RuntimeCrashedError, "SIGABRT"),
        (Faults(crash=Crash.ILLEGAL_INSTRUCTION), RuntimeCrashedError, "SIGILL"),
        (Faults(crash=Crash.KILLED), RuntimeCrashedError, "SIGKILL"),
    ],
    ids=lambda value: "" if isinstance(value, Faults | type) else str(value),
)
def test_a_tool_that_dies_is_one_clear_error(phone: Phone, faults: Faults, kind: type[EmbedlError], said: str) -> None:
    returncode, text = phone.run(faults=faults)
    error = classify_failure(returncode, text, address="adb://A")
    assert type(error) is kind
    assert said in str(error)
    assert "adb://A" in error.message


def test_a_tool_or_folder_that_is_not_there_is_said(phone: Phone) -> None:
    error = classify_failure(*phone.run(tool_path="./no_such_tool"))
    assert isinstance(error, RemoteCommandError)
    assert "is not there" in error.message
    assert isinstance(classify_failure(*phone.run(directory="/data/local/tmp/none")), RemoteCommandError)


@pytest.mark.litert
def test_a_model_that_is_not_there_is_said(phone: Phone) -> None:
    error = classify_failure(*phone.run(graph_path="none.tflite"))
    assert type(error) is BenchmarkError
    assert "Failed to load model" in error.message


@pytest.mark.parametrize("name", ["-x' && echo hacked", "$(reboot)", "`id`;id", "a b|cat", "~/*"])
def test_a_hostile_name_is_one_name_for_the_phone(phone: Phone, name: str) -> None:
    returncode, text = phone.run(graph_path=name)
    assert returncode == 1
    assert parse_output(text).model_path == name
