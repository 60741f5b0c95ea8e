"""The libraries of each vendor's NPU: where they are looked for, which are missing, and what the command is given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from embedl_nb.device.adb.npu_runtime import RUNTIMES, VARIABLE, NpuRuntime, find_runtime
from embedl_nb.device.adb.tool.binary import ToolBinary
from embedl_nb.device.adb.tool.command import BenchmarkCommand
from embedl_nb.device.catalog.facts import chips
from embedl_nb.device.info import DeviceInfo
from embedl_nb.errors import UnitUnavailableError
from embedl_nb.placement.npu.vendors import VENDORS
from embedl_nb.testing.virtual_phone import ARM64_PROGRAM
from embedl_nb.units import ComputeUnit

COMMAND = BenchmarkCommand(version="2.2.0", directory="/d", graph_path="m.tflite", compute_unit=ComputeUnit.NPU)


@pytest.fixture(autouse=True)
def no_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (VARIABLE, *(name for runtime in RUNTIMES.values() for name in runtime.sdk_variables)):
        monkeypatch.delenv(variable, raising=False)


def found(tmp_path: Path, part: str) -> NpuRuntime:
    chip = chips().get(part)
    info = DeviceInfo(
        address="adb://A",
        name="Phone",
        cpu="",
        num_cores=8,
        memory_bytes=1,
        os="Android",
        compute_units=tuple(ComputeUnit),
        soc=part,
    )
    (tmp_path / "tool").mkdir(exist_ok=True)
    tool = ToolBinary(
        path=tmp_path / "tool" / "benchmark_model", version="2.2.0", abi="arm64-v8a", sha256="", source="given"
    )
    return find_runtime(cast("Any", SimpleNamespace(chip=chip)), info, tool)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(ARM64_PROGRAM)


def test_every_vendor_that_litert_compiles_for_has_its_libraries_listed() -> None:
    assert set(RUNTIMES) == set(VENDORS)


@pytest.mark.parametrize(
    ("part", "library", "system"),
    [
        ("MT6989", "libLiteRtDispatch_MediaTek.so", ("/system_ext/lib64",)),
        ("Tensor G4", "libLiteRtDispatch_GoogleTensor.so", ()),
        ("S5E9955", "libLiteRtDispatch_Samsung.so", ("/vendor/lib64",)),
    ],
)
def test_a_runtime_that_is_in_the_phone_needs_the_dispatch_library_alone_and_beside_the_tool_will_do(
    part: str, library: str, system: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(UnitUnavailableError, match=f"lacks {library} for arm64-v8a") as caught:
        found(tmp_path, part)
    assert (caught.value.asked, caught.value.available) == ("npu", ("cpu", "gpu"))
    write(tmp_path / "tool", library)
    placed = found(tmp_path, part).placed(COMMAND, [f"/data/x/{library}"])
    assert placed.dispatch_library_path == "/data/x"
    assert placed.library_paths == ("/data/x", *system)
    assert placed.dsp_library_paths == ()


@pytest.mark.parametrize(
    ("variable", "folder"),
    [("QNN_SDK_ROOT", ("lib/aarch64-android", "lib/hexagon-v79/unsigned")), (VARIABLE, ("", ""))],
)
def test_qualcomms_are_those_of_the_chips_own_hexagon_each_in_the_folder_it_was_pushed_to(
    variable: str, folder: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cpu, on_npu = (tmp_path / "sdk" / each for each in folder)
    monkeypatch.setenv(variable, str(tmp_path / "sdk"))
    write(tmp_path / "tool", "libLiteRtDispatch_Qualcomm.so")
    write(on_cpu, "libQnnHtp.so", "libQnnSystem.so", "libQnnHtpV75Stub.so")
    write(on_npu, "libQnnHtpV75Skel.so")
    with pytest.raises(UnitUnavailableError, match=r"lacks libQnnHtpV79Stub\.so, libQnnHtpV79Skel\.so"):
        found(tmp_path, "SM8750")
    write(on_cpu, "libQnnHtpV79Stub.so")
    write(on_npu, "libQnnHtpV79Skel.so")
    runtime = found(tmp_path, "SM8750")
    assert runtime.files[-1] == on_npu / "libQnnHtpV79Skel.so"
    placed = runtime.placed(COMMAND, [f"/data/{number}/{file.name}" for number, file in enumerate(runtime.files)])
    assert placed.dispatch_library_path == "/data/0"
    assert placed.environment() == {
        "LD_LIBRARY_PATH": "/data/0:/data/1:/data/2:/data/3:/data/4",
        "ADSP_LIBRARY_PATH": "/data/4",
    }


@pytest.mark.parametrize(("content", "is_pushed"), [(ARM64_PROGRAM, True), (b"for another machine", False)])
def test_the_library_that_prepares_graphs_is_pushed_where_the_sdk_has_it_and_never_asked_for(
    content: bytes, is_pushed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "sdk"))
    needed = ("libQnnHtp.so", "libQnnSystem.so", "libQnnHtpV79Stub.so", "libQnnHtpV79Skel.so")
    write(tmp_path / "sdk", "libLiteRtDispatch_Qualcomm.so", *needed)
    without = [file.name for file in found(tmp_path, "SM8750").files]
    (tmp_path / "sdk" / "libQnnHtpPrepare.so").write_bytes(content)
    names = [file.name for file in found(tmp_path, "SM8750").files]
    assert set(names) - set(without) == ({"libQnnHtpPrepare.so"} if is_pushed else set())
    assert (names[0], names[-1]) == (without[0], without[-1])


@pytest.mark.parametrize("part", ["nothing known", "SM6125"])
def test_a_chip_without_an_npu_that_litert_knows_is_said_so(part: str, tmp_path: Path) -> None:
    with pytest.raises(UnitUnavailableError, match=f"LiteRT knows no NPU of its chip, {part}"):
        found(tmp_path, part)


def test_a_run_without_the_npu_is_left_as_it_is() -> None:
    assert NpuRuntime().placed(COMMAND, []) is COMMAND
