"""The host, measured for real: tiny models, a worker that is killed, an interrupt, a holder that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb import progress
from embedl_nb.device import machine
from embedl_nb.device.host import HostDevice
from embedl_nb.device.lease import leased
from embedl_nb.errors import EmbedlError, InputError, RuntimeCrashedError, WrongOutputError
from embedl_nb.measure import Benchmark, measure
from embedl_nb.measure.benchmark import InputSource, OutputState
from embedl_nb.model import as_model
from embedl_nb.runtime.process import Child
from embedl_nb.runtime.raw_run import MeasureRequest
from embedl_nb.testing import models

pytestmark = pytest.mark.litert

FEW: dict[str, Any] = {"processes": 2, "iterations": 20, "warmup": 2}


@pytest.fixture(autouse=True)
def a_busy_machine_is_expected() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def assert_lease_is_free() -> None:
    with leased("host://", wait_s=0):
        pass


def test_a_convolution_is_measured_layer_by_layer(tmp_path: Path) -> None:
    path = models.write(tmp_path, models.conv_relu(size=64, channels=32))
    result = measure(path, num_threads=1, **FEW)
    assert result.latency.n == 40
    assert 0 < result.latency.p50_ms < 1000
    assert result.device.is_this_machine
    assert result.provenance == "measured"
    (layer,) = result.layer_table
    assert (layer.operator, layer.source, layer.operator_indices) == ("CONV_2D", "f.0", (0,))
    assert result.profiled_mean_ms is not None
    assert layer.mean_ms <= result.profiled_mean_ms
    assert result.memory.by_stage.keys() >= {"start", "load", "compile", "first", "run"}
    assert result.environment.num_threads == 1
    assert Benchmark.from_record(result.to_record()) == result
    assert "this machine is not a phone" in repr(result)


def test_every_operator_of_a_chain_has_its_layer_with_the_runtimes_own_kernels_too(tmp_path: Path) -> None:
    path = models.write(tmp_path, models.chain(6, shape=(1, 4096)))
    for options in ({}, {"kernel_mode": "builtin"}):
        result = measure(path, runtime_options=options, **FEW)
        assert [layer.operator_indices for layer in result.layer_table] == [(i,) for i in range(6)]
        assert [layer.source for layer in result.layer_table][:5] == [f"layers.{i}" for i in range(5)]
    assert {layer.kernel for layer in result.layer_table} == {"TANH"}


def test_outputs_are_checked_against_what_the_model_gives_outside(tmp_path: Path) -> None:
    path = models.write(tmp_path, models.quantized_fully_connected())
    x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 8)
    golden = as_model(path)(x)
    result = measure(path, inputs=x, golden=golden, profile=False, **FEW)
    assert result.outputs.state is OutputState.MATCH
    assert result.input_source is InputSource.GIVEN
    with pytest.raises(WrongOutputError):
        measure(path, inputs=x, golden={"y": golden["y"] + 1}, profile=False, **FEW)
    assert_lease_is_free()


def test_a_refused_option_of_the_runtime_leaves_no_lease(tmp_path: Path) -> None:
    path = models.write(tmp_path, models.add())
    with pytest.raises(InputError, match="kernel_mod"):
        measure(path, runtime_options={"kernel_mod": "builtin"}, **FEW)
    assert_lease_is_free()


def test_a_model_the_runtime_refuses_is_a_clear_error(tmp_path: Path) -> None:
    path = models.write(tmp_path, models.unsupported_operator())
    with pytest.raises(EmbedlError, match="STABLEHLO_SORT"):
        measure(path, **FEW)
    assert_lease_is_free()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_worker_killed_in_the_middle_is_said_to_be_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []
    _note_pids(monkeypatch, pids)

    def kill(event: progress.Event) -> None:
        if event.stage == "compile":
            os.kill(pids[-1], signal.SIGKILL)

    path = models.write(tmp_path, models.conv_relu(size=64))
    with progress.listening(kill), pytest.raises(RuntimeCrashedError) as caught:
        measure(path, iterations=1_000_000)
    assert "SIGKILL" in caught.value.signal or "kill" in str(caught.value).lower()
    assert Path(caught.value.log_path).exists()
    assert_lease_is_free()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_an_interrupt_stays_one_and_leaves_no_process_and_no_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []
    _note_pids(monkeypatch, pids)

    def interrupt(event: progress.Event) -> None:
        if event.stage == "compile":
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

    path = models.write(tmp_path, models.conv_relu(size=64))
    with pytest.raises(KeyboardInterrupt), progress.listening(interrupt):
        measure(path, iterations=1_000_000)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[-1], 0)
    assert_lease_is_free()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_holder_that_is_killed_holds_no_more(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from embedl_nb.device.lease import leased\n"
        "with leased('host://', wait_s=0, folder=Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        holder.wait()
        with leased("host://", wait_s=0, folder=tmp_path):
            pass


def test_measured_processor_time_is_not_taken_for_others(tmp_path: Path) -> None:
    device = HostDevice()
    path = models.write(tmp_path, models.conv_relu(size=64, channels=32))
    before = device.conditions()
    run = device.run(MeasureRequest(model_path=str(path), iterations=300, num_threads=1, profile=False))
    after = device.conditions()
    Path(run.outputs_path or "").unlink()
    assert before.measured_s is not None
    assert after.measured_s is not None
    undisturbed_s = len(run.samples_ms) * min(run.samples_ms) / 1e3  # wall time, which others' work adds to
    assert after.measured_s - before.measured_s >= undisturbed_s * 0.5


def _note_pids(monkeypatch: pytest.MonkeyPatch, pids: list[int]) -> None:
    request = Child.request

    def noting(child: Child, command: str, payload: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        if command == "measure":  # the recorder of an earlier test may still be asked things
            pids.append(child.pid)
        return request(child, command, payload, timeout_s=timeout_s)

    monkeypatch.setattr(Child, "request", noting)


def test_a_container_with_one_core_of_cpu_time_is_measured_with_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    monkeypatch.setattr(machine, "_CGROUP_V2", tmp_path)
    model = models.write(tmp_path, models.fully_connected())
    assert measure(model, processes=1, iterations=3, profile=False).environment.num_threads == 1
