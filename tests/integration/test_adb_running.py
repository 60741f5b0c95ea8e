"""Models on virtual phones, in the tool's own words: pushed, run twice, read, cleaned up; and every way it can fail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from embedl_nb.device import open_device
from embedl_nb.device.adb.phone import FOLDER, AdbPhone
from embedl_nb.device.adb.running import PhoneRun, run_on_phone
from embedl_nb.errors import (
    BenchmarkError,
    DeviceLost,
    EmbedlError,
    InputError,
    MissingDependencyError,
    RuntimeCrashedError,
    RuntimeTimeoutError,
)
from embedl_nb.runtime.raw_run import MeasureRequest
from embedl_nb.testing import models
from embedl_nb.testing.virtual_phone import ARM64_PROGRAM, AdbServer, Crash, Faults, VirtualPhone, adb_server

pytest.importorskip("adbutils", reason="adbutils brings the adb server of these tests")
pytestmark = pytest.mark.litert


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    with adb_server() as running:
        yield running


@pytest.fixture(scope="module")
def virtual(server: AdbServer) -> Iterator[VirtualPhone]:
    with VirtualPhone() as phone:
        server.connect(phone)
        yield phone
        server.disconnect(phone)


@pytest.fixture
def phone(server: AdbServer, virtual: VirtualPhone) -> Iterator[AdbPhone]:
    device = open_device(f"adb://{virtual.address}?server={server.host}:{server.port}")
    assert isinstance(device, AdbPhone)
    yield device
    virtual.faults = Faults()


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tool") / "any_name"
    path.write_bytes(ARM64_PROGRAM)
    return path


@pytest.fixture
def measured(phone: AdbPhone, tool: Path, tmp_path: Path) -> Callable[..., PhoneRun]:
    path = models.write(tmp_path, models.conv_relu())

    def measure(**options: object) -> PhoneRun:
        request = MeasureRequest(**{"model_path": str(path), "iterations": 5, "warmup": 1, "num_threads": 1, **options})
        return run_on_phone(phone, request, tool_path=tool)

    return measure


def files_of(virtual: VirtualPhone) -> list[str]:
    folder = virtual.root / FOLDER.lstrip("/")
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_model_is_run_twice_and_only_the_second_time_profiled(
    measured: Callable[..., PhoneRun], phone: AdbPhone, virtual: VirtualPhone
) -> None:
    assert phone.conditions().thermal_status == 0
    run = measured()
    assert run.tool.sha256 == hashlib.sha256(ARM64_PROGRAM).hexdigest()
    assert run.plain.output.num_runs == 5
    assert run.plain.output.median_ms is not None
    assert run.plain.profile is None
    assert "--use_profiler" not in run.plain.command
    assert run.plain.output.memory
    assert phone.conditions().thermal_status == 0
    assert run.profiled is not None
    assert "--use_profiler=true" in run.profiled.command
    assert run.profiled.profile is not None
    assert run.profiled.profile.rows
    assert files_of(virtual) == ["benchmark_model"]


def test_the_tool_is_pushed_only_to_a_phone_that_lacks_it(
    measured: Callable[..., PhoneRun], virtual: VirtualPhone
) -> None:
    measured(profile=False)
    before = len(virtual.commands)
    assert measured(profile=False).profiled is None
    assert not any("mv" in command and "benchmark_model" in command for command in virtual.commands[before:])


def test_cores_and_options_reach_the_tool(phone: AdbPhone, tool: Path, tmp_path: Path) -> None:
    path = models.write(tmp_path, models.conv_relu())
    request = MeasureRequest(
        model_path=str(path),
        iterations=3,
        warmup=1,
        profile=False,
        runtime_options={"xnnpack_weight_cache_file_path": ":memory", "cpu_mask": "0xfc"},
    )
    run = run_on_phone(phone, request, tool_path=tool)
    assert phone.facts.big_cpus_mask == 0xFC
    assert "taskset fc " in run.plain.command
    assert "--xnnpack_weight_cache_file_path=:memory" in run.plain.command


def test_a_model_can_be_kept_for_the_next_time(
    phone: AdbPhone, tool: Path, tmp_path: Path, virtual: VirtualPhone
) -> None:
    path = models.write(tmp_path, models.conv_relu())
    request = MeasureRequest(model_path=str(path), iterations=3, warmup=1, profile=False)
    kept = replace(request, runtime_options={"keep_on_phone": "true"})
    run_on_phone(phone, kept, tool_path=tool)
    assert files_of(virtual) == ["benchmark_model", "kept", "model.tflite"]
    phone.remove_leftovers()
    assert files_of(virtual) == ["benchmark_model", "kept", "model.tflite"]
    run_on_phone(phone, request, tool_path=tool)
    assert files_of(virtual) == ["benchmark_model"]


@pytest.mark.parametrize(
    ("faults", "error", "says"),
    [
        (Faults(crash=Crash.SEGMENTATION_FAULT), RuntimeCrashedError, "segmentation fault"),
        (Faults(crash=Crash.ABORT), RuntimeCrashedError, "abort"),
        (Faults(crash=Crash.ILLEGAL_INSTRUCTION), RuntimeCrashedError, "instruction"),
        (Faults(crash=Crash.KILLED), RuntimeCrashedError, "killed from outside"),
        (Faults(no_exec=True), EmbedlError, "Permission denied"),
        (Faults(missing_library="libfoo.so"), EmbedlError, "libfoo"),
        (Faults(unplug_after_output_bytes=2000), DeviceLost, "while running"),
    ],
)
def test_every_fault_is_one_clear_error_and_the_phone_is_clean(
    measured: Callable[..., PhoneRun],
    server: AdbServer,
    virtual: VirtualPhone,
    faults: Faults,
    error: type[EmbedlError],
    says: str,
) -> None:
    measured(profile=False)
    virtual.faults = faults
    with pytest.raises(error, match=says) as caught:
        measured(profile=False)
    assert virtual.address in f"{caught.value.message} {caught.value.details} {getattr(caught.value, 'address', '')}"
    if faults.unplug_after_output_bytes is not None:
        virtual.faults = Faults()
        virtual.plug_in()
        server.connect_again(virtual)
        measured(profile=False)  # what the cut run has left goes with the next one
    assert files_of(virtual) == ["benchmark_model"]
    assert virtual.num_running == 0


def test_a_tool_that_hangs_is_stopped_on_the_phone(
    measured: Callable[..., PhoneRun], virtual: VirtualPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedl_nb.device.adb.running._time_limit_s", lambda request: 0.5)
    virtual.faults = Faults(hang=True)
    with pytest.raises(RuntimeTimeoutError, match="did not end within"):
        measured(profile=False)
    assert virtual.num_running == 0
    assert files_of(virtual) == ["benchmark_model"]


def test_what_is_missing_is_said_before_the_phone_is_touched(
    phone: AdbPhone, tool: Path, tmp_path: Path, virtual: VirtualPhone, empty_home: Path
) -> None:
    before = len(virtual.commands)
    with pytest.raises(InputError, match=r"no model .*missing\.tflite"):
        run_on_phone(phone, MeasureRequest(model_path=str(tmp_path / "missing.tflite")), tool_path=tool)
    path = models.write(tmp_path, models.conv_relu())
    with pytest.raises(MissingDependencyError) as caught:
        run_on_phone(phone, MeasureRequest(model_path=str(path)))
    assert caught.value.install == "embedl-nb fetch-tool 2.2.0"
    assert len(virtual.commands) == before


def test_an_option_that_the_tool_lacks_is_refused(measured: Callable[..., PhoneRun], virtual: VirtualPhone) -> None:
    before = len(virtual.commands)
    with pytest.raises(InputError, match="no_such_flag"):
        measured(runtime_options={"no_such_flag": "1"})
    assert len(virtual.commands) == before


def test_a_model_that_is_none_is_the_tools_error(
    phone: AdbPhone, tool: Path, tmp_path: Path, virtual: VirtualPhone
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"no model at all")
    with pytest.raises(BenchmarkError):
        run_on_phone(phone, MeasureRequest(model_path=str(path), iterations=3, profile=False), tool_path=tool)
    assert "model.tflite" not in files_of(virtual)
