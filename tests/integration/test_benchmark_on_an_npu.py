"""A phone's NPU end to end: an artifact of Qualcomm's own compiler, the libraries of an SDK folder, a virtual phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import embedl_nb as enb
from embedl_nb import runstore
from embedl_nb.device.adb.npu_runtime import RUNTIMES, VARIABLE
from embedl_nb.device.catalog.facts import chips
from embedl_nb.errors import UnitUnavailableError
from embedl_nb.model import LiteRTModel
from embedl_nb.pipeline.ahead_of_time import with_artifact
from embedl_nb.placement.npu.stamp import Stamp, read_stamp
from embedl_nb.testing import models
from embedl_nb.testing.virtual_phone import ARM64_PROGRAM, Faults, VirtualPhone, adb_server

pytest.importorskip("adbutils", reason="adbutils brings the adb server of these tests")
pytest.importorskip("onnxruntime_qnn", reason='needs Qualcomm\'s compiler: pip install "embedl-nb[qualcomm]"')
pytestmark = pytest.mark.litert

SHORT = {"iterations": 5, "warmup": 1, "processes": 1, "profile": False}
X86_PROGRAM = ARM64_PROGRAM[:18] + (0x3E).to_bytes(2, "little") + ARM64_PROGRAM[20:]
LIBRARIES = {
    "lib/aarch64-android/libQnnHtp.so": ARM64_PROGRAM + b"0",
    "lib/aarch64-android/libQnnSystem.so": ARM64_PROGRAM + b"1",
    "lib/aarch64-android/libQnnHtpV75Stub.so": ARM64_PROGRAM + b"2",
    "lib/hexagon-v75/unsigned/libQnnHtpV75Skel.so": b"\x7fELF for the NPU",
    "libLiteRtDispatch_Qualcomm.so": ARM64_PROGRAM + b"3",
}
"""As they lie in Qualcomm's SDK, with LiteRT's own beside its folders."""


@pytest.fixture(scope="module")
def rack() -> Iterator[tuple[VirtualPhone, str]]:
    with adb_server() as server, VirtualPhone("Samsung Galaxy S24", soc="SM8650") as phone:
        server.connect(phone)
        yield phone, f"adb://{phone.address}?server={server.host}:{server.port}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LiteRTModel:
    """Return a model with its artifact for the phone's chip."""
    folder = tmp_path_factory.mktemp("npu")
    return with_artifact(LiteRTModel.open(models.write(folder, models.chain(2), name="net")), chips()["SM8650"])


@pytest.fixture
def phone(rack: tuple[VirtualPhone, str]) -> Iterator[VirtualPhone]:
    rack[0].faults = Faults(npu_works=True)
    yield rack[0]
    rack[0].faults = Faults()


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an SDK's folder, which the environment names."""
    folder = tmp_path / "sdk"
    for name, content in LIBRARIES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    monkeypatch.setenv(VARIABLE, os.pathsep.join((str(tmp_path / "nowhere"), str(folder))))
    return folder


@pytest.fixture
def address(rack: tuple[VirtualPhone, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "benchmark_model").write_bytes(ARM64_PROGRAM)
    monkeypatch.setenv("EMBEDL_NB_BENCHMARK_MODEL", str(tmp_path / "tool" / "benchmark_model"))
    for variable in (VARIABLE, *RUNTIMES["qualcomm"].sdk_variables):
        monkeypatch.delenv(variable, raising=False)
    return rack[1]


def left_on(phone: VirtualPhone) -> set[str]:
    return {path.name for path in (phone.root / "data/local/tmp/embedl_nb").rglob("*") if path.is_file()}


def test_an_artifact_runs_on_the_npu_with_the_libraries_of_an_sdk_folder_and_nothing_is_left(
    address: str, phone: VirtualPhone, model: LiteRTModel, sdk: Path
) -> None:
    result = enb.benchmark(model, address, compute_unit="npu", iterations=5, warmup=1, processes=2, profile=False)
    assert model.aot is not None
    assert result.model_sha256 == model.aot.sha256
    assert (result.placement.got, result.placement.is_as_asked) == ("npu", True)
    assert "all 1 operators of the compiled model on the NPU (Qualcomm)" in result.placement.sentence
    assert repr(result).startswith("net | f32 | virtual Galaxy S24 npu (asked npu)")
    assert enb.load(result.run_id) == result
    assert runstore.model_path(result.model_sha256).read_bytes() == model.aot.content()
    assert left_on(phone) == {"benchmark_model"}


def test_an_artifact_by_its_path_is_known_by_what_litert_wrote_into_it(
    address: str, phone: VirtualPhone, model: LiteRTModel, sdk: Path
) -> None:
    assert model.aot is not None
    assert enb.preflight(model, "SM8650", compute_units=["npu"]).answer("npu").num_running == 2
    assert read_stamp(model.aot.content()) == Stamp(manufacturer="Qualcomm", chip_name="SM8650")
    placement = enb.benchmark(model.aot.path, address, compute_unit="npu", **SHORT).placement
    assert placement.is_as_asked
    assert placement.foreseen == "as preflight said: 2 of 2 operators on the npu"


@pytest.mark.parametrize("name", [next(iter(LIBRARIES)), next(name for name in LIBRARIES if "Skel" in name)])
def test_a_library_that_is_missing_or_for_this_computer_is_named_before_anything_is_pushed(
    name: str, address: str, phone: VirtualPhone, model: LiteRTModel, sdk: Path
) -> None:
    if "hexagon" in name:
        (sdk / name).unlink()
    else:
        (sdk / name).write_bytes(X86_PROGRAM)
    before = len(phone.commands)
    with pytest.raises(UnitUnavailableError, match=r"not runnable on the npu of .*, because .* lacks") as caught:
        enb.benchmark(model, address, compute_unit="npu", **SHORT)
    assert Path(name).name in str(caught.value)
    assert not [other for other in LIBRARIES if other != name and Path(other).name in str(caught.value)]
    assert VARIABLE in caught.value.hint
    assert not [command for command in phone.commands[before:] if "mkdir" in command]


def test_the_libraries_that_a_phone_loads_and_cannot_use_are_no_result(
    address: str, phone: VirtualPhone, model: LiteRTModel, sdk: Path
) -> None:
    phone.faults = Faults(npu_works=False)
    with pytest.raises(UnitUnavailableError, match="Failed to initialize Dispatch API"):
        enb.benchmark(model, address, compute_unit="npu", **SHORT)
    assert left_on(phone) == {"benchmark_model"}


def test_what_cannot_run_on_the_npu_says_why_and_which_command_makes_what_can(
    address: str, phone: VirtualPhone, model: LiteRTModel, tmp_path: Path
) -> None:
    portable = LiteRTModel.open(model.path)
    with pytest.raises(UnitUnavailableError, match="because nothing was compiled ahead of time for its chip") as caught:
        enb.benchmark(portable, address, compute_unit="npu", **SHORT)
    assert 'enb.compile(model, device="SM8650", aot=True).aot' in caught.value.hint
    assert model.aot is not None
    (tmp_path / "other.tflite").write_bytes(model.aot.content().replace(b"SM8650\0", b"SM8750\0"))
    other = LiteRTModel.open(tmp_path / "other.tflite")
    for artifact, its_chip in ((replace(other, target="Snapdragon 8 Elite (SM8750)"), "Snap"), (other, "Qualcomm's")):
        with pytest.raises(UnitUnavailableError, match=rf"compiled for {its_chip}.*SM8750.*chip there is .*SM8650"):
            enb.benchmark(artifact, address, compute_unit="npu", **SHORT)
    with pytest.raises(UnitUnavailableError, match=r"not runnable on the cpu of .* compiled for the NPU"):
        enb.benchmark(other, address, **SHORT)


def test_without_its_libraries_the_npu_costs_the_other_units_nothing(
    address: str, phone: VirtualPhone, model: LiteRTModel
) -> None:
    phone.faults = Faults(npu_works=True, gpu_works=True)
    found = enb.benchmark(model, address, compute_unit="all", **SHORT)
    assert {result.placement.got for result in found.results.values()} == {"cpu", "gpu"}
    ((name, error),) = found.errors.items()
    assert name.endswith("| npu")
    assert "not runnable on the npu" in str(error)
