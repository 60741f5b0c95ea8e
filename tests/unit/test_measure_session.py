"""A measurement from end to end, on a device that is made up: what is asked of it, and what becomes of the answers."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb import charts, progress
from embedl_nb.device.conditions import Conditions
from embedl_nb.device.registry import using_provider
from embedl_nb.errors import (
    BenchmarkError,
    EmbedlWarning,
    FallbackWarning,
    InputError,
    RuntimeCrashedError,
    SignatureMismatchError,
    ThrottledWarning,
    UnitUnavailableError,
    UnstableMeasurementWarning,
    WrongOutputError,
)
from embedl_nb.measure import Benchmark, measure
from embedl_nb.measure.benchmark import FlagKind, InputSource, OutputState
from embedl_nb.model import LiteRTModel
from embedl_nb.reports import write_report
from embedl_nb.runtime.arrays import load_arrays, save_arrays
from embedl_nb.runtime.raw_run import MeasureRequest
from embedl_nb.testing import models
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider
from embedl_nb.units import ComputeUnit

RIGHT = np.array([[1.0, 2.0, 3.0, 4.0]], dtype=np.float32)
X = np.arange(8, dtype=np.float32).reshape(1, 8)


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    return models.write(tmp_path, models.fully_connected(), name="net")


@pytest.fixture
def outputs_of(tmp_path: Path) -> Callable[[Any], Callable[[MeasureRequest], str]]:
    """Return a maker of output files that hold the given ``y``."""

    def make(y: Any) -> Callable[[MeasureRequest], str]:
        def write(request: MeasureRequest) -> str:
            path = tmp_path / "outputs.npz"
            save_arrays(path, {"0/y": np.asarray(y, dtype=np.float32)})
            return str(path)

        return write

    return make


@pytest.fixture(autouse=True)
def no_unexpected_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", EmbedlWarning)
        yield


def measured(device: VirtualDevice, model: Any, **options: Any) -> Benchmark:
    with using_provider(VirtualProvider(device)):
        return measure(model, device.info.address, **options)


def with_example(path: Path, folder: Path, *, golden: Any) -> LiteRTModel:
    """Return a model that carries one example and what its source made of it."""
    save_arrays(folder / "samples.npz", {"0/x": X, "1/x": X + 1})
    save_arrays(folder / "golden.npz", {"0/y": np.asarray(golden, dtype=np.float32), "1/y": RIGHT})
    return dataclasses.replace(
        LiteRTModel.open(path), samples_path=folder / "samples.npz", golden_path=folder / "golden.npz"
    )


def test_golden_is_never_ignored_by_a_device_that_gives_no_outputs(model_path: Path) -> None:
    device = VirtualDevice()
    with pytest.raises(BenchmarkError, match="was not compared with golden: the device returned no outputs"):
        measured(device, model_path, inputs=X, golden=RIGHT, iterations=20)
    assert [request.outputs_for for request in device.requests] == ["required check"]


def test_a_device_whose_tool_summarizes_has_a_latency_layers_and_no_times_that_it_did_not_give(
    model_path: Path, tmp_path: Path
) -> None:
    device = VirtualDevice(is_summarizing=True, compute_units=(ComputeUnit.CPU, ComputeUnit.GPU))
    result = measured(device, model_path, iterations=40, compute_unit="gpu")
    assert device.requests[0].compute_unit == "gpu"
    assert (result.placement.got, result.placement.sentence) == ("gpu", "asked gpu, got gpu: made up")
    assert "3 processes, n = 120" in repr(result).splitlines()[0]
    assert "each the median of the processes'" in repr(result)
    assert (result.latency.samples_ms, result.latency.p99_ms) == ((), None)
    assert {layer.p95_ms for layer in result.layer_table} == {None}
    assert Benchmark.from_record(json.loads(json.dumps(result.to_record()))) == result
    assert "p95" not in result.waterfall().to_dict()["data"][0]["hovertemplate"]
    with pytest.raises(InputError, match="no single times"):
        charts.draw("latency", result)
    assert write_report(result, tmp_path / "report.html").is_file()
    assert result.environment.versions["benchmark_model"] == "virtual"


def test_outputs_are_asked_for_where_they_are_compared_and_not_in_a_sustained_loop(
    model_path: Path, outputs_of: Callable[[Any], Callable[[MeasureRequest], str]]
) -> None:
    device = VirtualDevice(outputs_path=outputs_of(RIGHT))
    measured(device, model_path, inputs=X, golden={"y": RIGHT}, processes=1, iterations=5, sustain="1s")
    assert [request.outputs_for for request in device.requests[:2]] == ["required check", "nothing"]


def test_three_processes_are_run_and_every_sample_is_kept(model_path: Path) -> None:
    device = VirtualDevice()
    result = measured(device, model_path, iterations=40)
    assert len(device.requests) == 3
    assert [len(process) for process in result.latency.samples_ms] == [40, 40, 40]
    assert result.latency.n == 120
    assert not device.is_leased
    assert result.provenance == "virtual"
    assert result.model_name == "net"


def test_the_options_reach_the_worker(model_path: Path) -> None:
    device = VirtualDevice()
    result = measured(
        device,
        str(model_path),
        num_threads=2,
        processes=2,
        iterations=7,
        warmup=1,
        profile=False,
        runtime_options={"kernel_mode": "builtin"},
    )
    request = device.requests[0]
    assert (request.num_threads, request.iterations, request.warmup, request.profile) == (2, 7, 1, False)
    assert request.runtime_options == {"kernel_mode": "builtin"}
    assert result.layer_table == ()
    assert result.options.processes == 2


def test_without_a_count_the_worker_decides_within_a_budget(model_path: Path) -> None:
    device = VirtualDevice()
    measured(device, model_path)
    request = device.requests[0]
    assert request.iterations is None
    assert 0 < request.budget_s <= 5
    assert request.min_iterations <= request.max_iterations


def test_the_layers_carry_operator_and_share(model_path: Path) -> None:
    result = measured(VirtualDevice(), model_path)
    (layer,) = result.layer_table
    assert layer.operator == "FULLY_CONNECTED"
    assert layer.operator_indices == (0,)
    assert layer.share == pytest.approx(1 / 1.02)
    assert "1 by the runtime's own kernels" in result.placement.sentence


def test_random_inputs_are_said_to_be_random_and_are_not_checked(model_path: Path) -> None:
    device = VirtualDevice()
    result = measured(device, model_path)
    assert device.requests[0].inputs_path is None
    assert result.input_source is InputSource.RANDOM
    assert result.outputs.state is OutputState.NOT_CHECKED
    assert "outputs not checked" in repr(result).splitlines()[0]


@pytest.mark.parametrize("inputs", [X, (X,), {"x": X}, [X.tolist()[0]]])
def test_inputs_are_taken_as_array_tuple_dict_or_list(model_path: Path, inputs: Any) -> None:
    seen: list[dict[str, np.ndarray[Any, Any]]] = []

    def look(request: MeasureRequest) -> str:
        assert request.inputs_path is not None
        seen.append(load_arrays(request.inputs_path))
        return request.inputs_path

    result = measured(VirtualDevice(outputs_path=look), model_path, inputs=inputs, processes=1)
    assert list(seen[0]) == ["0/x"]
    np.testing.assert_array_equal(seen[0]["0/x"], X)
    assert result.input_source is InputSource.GIVEN


def test_inputs_that_do_not_fit_are_refused_before_the_device_is_touched(model_path: Path) -> None:
    device = VirtualDevice()
    with pytest.raises(SignatureMismatchError, match="x"):
        measured(device, model_path, inputs=np.zeros((1, 9), np.float32))
    assert device.requests == []


def test_golden_outputs_that_match_are_said_to_match(model_path: Path, outputs_of: Any) -> None:
    device = VirtualDevice(outputs_path=outputs_of(RIGHT))
    result = measured(device, model_path, inputs=X, golden={"y": RIGHT})
    assert result.outputs.state is OutputState.MATCH
    assert result.outputs.parity is not None
    assert "outputs match" in repr(result).splitlines()[0]


def test_golden_outputs_that_differ_are_an_error_after_the_first_process(model_path: Path, outputs_of: Any) -> None:
    device = VirtualDevice(outputs_path=outputs_of(RIGHT + 1))
    with pytest.raises(WrongOutputError) as caught:
        measured(device, model_path, inputs=X, golden=RIGHT)
    assert caught.value.outputs == ("y",)
    assert "dB" in caught.value.message
    assert len(device.requests) == 1
    assert not device.is_leased


def test_golden_without_inputs_belongs_to_nothing(model_path: Path) -> None:
    with pytest.raises(InputError, match="golden"):
        measured(VirtualDevice(), model_path, golden={"y": RIGHT})


@pytest.mark.parametrize("golden", [{"z": RIGHT}, {}, (RIGHT, RIGHT), {"y": "text"}])
def test_golden_that_fits_no_output_names_the_outputs(model_path: Path, golden: Any) -> None:
    with pytest.raises(InputError, match="golden"):
        measured(VirtualDevice(), model_path, inputs=X, golden=golden)


def test_the_models_own_example_is_measured_and_checked(model_path: Path, tmp_path: Path, outputs_of: Any) -> None:
    device = VirtualDevice(outputs_path=outputs_of(RIGHT))
    result = measured(device, with_example(model_path, tmp_path, golden=RIGHT))
    assert result.input_source is InputSource.EXAMPLE
    assert result.outputs.state is OutputState.MATCH
    assert "its source" in result.outputs.sentence


def test_an_example_that_comes_out_differently_is_warned_of_and_shown(
    model_path: Path, tmp_path: Path, outputs_of: Any
) -> None:
    device = VirtualDevice(outputs_path=outputs_of(RIGHT * 2))
    with pytest.warns(EmbedlWarning, match="outputs differ"):
        result = measured(device, with_example(model_path, tmp_path, golden=RIGHT))
    assert result.outputs.state is OutputState.DIFFER
    assert "outputs differ" in repr(result).splitlines()[0]
    assert FlagKind.OUTPUTS_DIFFER in [flag.kind for flag in result.flags]


def test_one_wrong_process_of_three_is_enough(model_path: Path, tmp_path: Path) -> None:
    def sometimes(request: MeasureRequest) -> str:
        save_arrays(tmp_path / "o.npz", {"0/y": RIGHT if len(device.requests) != 2 else -RIGHT})
        return str(tmp_path / "o.npz")

    device = VirtualDevice(outputs_path=sometimes)
    with pytest.warns(EmbedlWarning, match="outputs differ"):
        result = measured(device, with_example(model_path, tmp_path, golden=RIGHT))
    assert result.outputs.state is OutputState.DIFFER


def test_the_files_that_were_passed_are_removed(
    model_path: Path, outputs_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    device = VirtualDevice(outputs_path=outputs_of(RIGHT))
    measured(device, model_path, inputs=X)
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "outputs.npz").exists()


def test_a_missing_unit_falls_back_aloud(model_path: Path) -> None:
    with pytest.warns(FallbackWarning) as caught:
        result = measured(VirtualDevice(), model_path, compute_unit="gpu")
    assert (caught[0].message.asked, caught[0].message.got) == ("gpu", "cpu")  # type: ignore[union-attr]
    assert (result.placement.asked, result.placement.got) == ("gpu", "cpu")
    assert "cpu (asked gpu)" in repr(result).splitlines()[0]
    assert FlagKind.FALLBACK in [flag.kind for flag in result.flags]


def test_a_missing_unit_is_an_error_where_no_fallback_is_allowed(model_path: Path) -> None:
    device = VirtualDevice()
    with pytest.raises(UnitUnavailableError) as caught:
        measured(device, model_path, compute_unit="npu", allow_fallback=False)
    assert (caught.value.asked, caught.value.available) == ("npu", ("cpu",))
    assert device.requests == []


def test_one_process_says_it_cannot_be_compared(model_path: Path) -> None:
    result = measured(VirtualDevice(), model_path, processes=1)
    assert [flag.kind for flag in result.flags] == [FlagKind.SINGLE_PROCESS]


def test_two_speeds_are_warned_of(model_path: Path) -> None:
    device = VirtualDevice(samples_ms=lambda number, count: [5.0 + number % 2 + i % 7 / 100 for i in range(count)])
    with pytest.warns(UnstableMeasurementWarning, match="two modes"):
        measured(device, model_path)


def test_throttling_is_warned_of(model_path: Path) -> None:
    readings = [Conditions(clock_s=float(i), num_throttle_events=i) for i in range(6)]
    with pytest.warns(ThrottledWarning, match="3 times"):
        measured(VirtualDevice(conditions=readings), model_path)


@pytest.mark.parametrize("error", [RuntimeCrashedError("killed", signal="SIGKILL"), KeyboardInterrupt()])
def test_a_process_that_dies_ends_the_measurement_and_the_lease(model_path: Path, error: BaseException) -> None:
    def die(number: int) -> None:
        if number == 1:
            raise error

    device = VirtualDevice(before_run=die)
    with pytest.raises(type(error)):
        measured(device, model_path)
    assert len(device.requests) == 2
    assert not device.is_leased


def test_progress_counts_the_processes(model_path: Path) -> None:
    heard: list[progress.Event] = []
    with progress.listening(heard.append):
        measured(VirtualDevice(), model_path)
    assert [event.done for event in heard if event.stage == "process"] == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(("option", "value"), [("iterations", 0), ("processes", -1), ("num_threads", 0)])
def test_a_bad_option_touches_neither_file_nor_device(option: str, value: int) -> None:
    with pytest.raises(InputError, match=option):
        measure("/nowhere/model.tflite", **{option: value})  # type: ignore[arg-type]


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere\.tflite"):
        measure("nowhere.tflite")


def test_the_environment_is_recorded(model_path: Path) -> None:
    environment = measured(VirtualDevice(), model_path).environment
    assert environment.cpu
    assert environment.num_cores >= 1
    assert {"python", "numpy", "ai-edge-litert", "embedl_nb", "runtime"} <= set(environment.versions)
    assert environment.started_at.startswith("2026-11-22T")


def test_a_model_whose_file_has_changed_is_not_measured_under_the_old_hash(model_path: Path) -> None:
    device, model = VirtualDevice(), LiteRTModel.open(model_path)
    model_path.write_bytes(models.fully_connected(seed=1))
    with pytest.raises(InputError, match="has changed since it was opened"):
        measured(device, model)
    assert device.requests == []
