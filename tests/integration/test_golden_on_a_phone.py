"""A phone's outputs against the golden ones: a fast run with wrong outputs is never a good one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import embedl_nb as enb
from embedl_nb.device import open_device
from embedl_nb.device.adb.checking import PhoneCheck, PhoneOutputs, prepare_check
from embedl_nb.device.adb.phone import FOLDER, AdbPhone
from embedl_nb.device.adb.running import _run
from embedl_nb.device.adb.tool.binary import CHECKER_VARIABLE
from embedl_nb.device.adb.tool.command import BenchmarkCommand, RunLimits
from embedl_nb.errors import EmbedlWarning, InputError, MissingDependencyError, WrongOutputError
from embedl_nb.model.evidence import Floor, compare_outputs
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.runtime.arrays import join_samples, save_arrays, take_arrays
from embedl_nb.runtime.raw_run import ExecutionPath, MeasureRequest, OutputsFor
from embedl_nb.runtime.running import run_samples
from embedl_nb.testing import models
from embedl_nb.testing.virtual_phone import ARM64_PROGRAM, Faults, Miscomputed, VirtualPhone, adb_server
from embedl_nb.testing.virtual_phone.benchmark_tool import LEGACY_MARK

pytest.importorskip("adbutils", reason="adbutils brings the adb server of these tests")
pytestmark = pytest.mark.litert

QUICK = {"iterations": 3, "warmup": 1, "processes": 1, "profile": False, "num_threads": 1}


@pytest.fixture(scope="module")
def rack() -> Iterator[tuple[VirtualPhone, str]]:
    with adb_server() as server, VirtualPhone() as phone:
        server.connect(phone)
        yield phone, f"adb://{phone.address}?server={server.host}:{server.port}"


@pytest.fixture
def phone(rack: tuple[VirtualPhone, str]) -> Iterator[VirtualPhone]:
    yield rack[0]
    rack[0].faults = Faults()


@pytest.fixture
def address(rack: tuple[VirtualPhone, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for variable, content in (("EMBEDL_NB_BENCHMARK_MODEL", b""), (CHECKER_VARIABLE, LEGACY_MARK)):
        (tmp_path / variable).write_bytes(ARM64_PROGRAM + content)
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return rack[1]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write(tmp_path_factory.mktemp("net"), models.conv_relu(), name="net")


@pytest.fixture(scope="module")
def sample(net: Path) -> np.ndarray:
    spec = LiteRTModel.open(net).signatures[0].inputs[0]
    return np.random.default_rng(0).normal(size=spec.shape).astype(spec.dtype)


@pytest.fixture(scope="module")
def expected(net: Path, sample: np.ndarray) -> np.ndarray:
    name = LiteRTModel.open(net).signatures[0].inputs[0].name
    return next(iter(run_samples(net, {f"0/{name}": sample}).values()))


@pytest.fixture
def example(net: Path, sample: np.ndarray, expected: np.ndarray, tmp_path: Path) -> LiteRTModel:
    """The model with an example and what its source made of it, as a compiled one has them."""
    model = LiteRTModel.open(net)
    signature = model.signatures[0]
    save_arrays(tmp_path / "samples.npz", join_samples([{signature.inputs[0].name: sample}]))
    save_arrays(tmp_path / "golden.npz", join_samples([{signature.outputs[0].name: expected}]))
    return replace(model, samples_path=tmp_path / "samples.npz", golden_path=tmp_path / "golden.npz")


def checked(
    address: str, path: Path, arrays: dict[str, np.ndarray], folder: Path, *, timed_on: str = "cpu"
) -> tuple[PhoneOutputs, str]:
    """Return what the phone gives for these inputs, and the command; nothing is timed."""
    save_arrays(folder / "inputs.npz", join_samples([arrays]))
    request = MeasureRequest(model_path=str(path), inputs_path=str(folder / "inputs.npz"))
    device = open_device(address)
    assert isinstance(device, AdbPhone)
    check = prepare_check(request, device.facts.abis)
    assert isinstance(check, PhoneCheck), check
    remote = device.put(path, name="model.tflite")
    like = BenchmarkCommand(
        version="2.2.0",
        directory=remote.rpartition("/")[0],
        graph_path="model.tflite",
        num_threads=1,
        runs=RunLimits.exactly(1),
        warmup=RunLimits(num_runs=0),
    )
    commands = []

    def run(command: BenchmarkCommand) -> object:
        commands.append(command.to_shell())
        return _run(device, command, request)

    outputs = check.outputs(device, like=like, timed=ExecutionPath(compute_unit=timed_on, sentence="made up"), run=run)
    device.remove(remote)
    return outputs, commands[0]


def test_right_outputs_are_said_to_be_right_and_by_which_program(
    address: str, phone: VirtualPhone, net: Path, sample: np.ndarray, expected: np.ndarray
) -> None:
    phone.faults = Faults(gpu_works=True)
    before = len(phone.commands)
    options = {**QUICK, "processes": 2}
    result = enb.benchmark(net, address, inputs=sample, golden=expected, compute_unit="gpu", **options)
    assert result.latency.num_processes == 2
    assert len([command for command in phone.commands[before:] if "--output_filepath" in command]) == 1
    assert repr(result).splitlines()[0].endswith("| outputs match")
    assert result.outputs.parity is not None
    assert "the older benchmark_model (no version, SHA-256 " in result.outputs.sentence
    assert "with all 1 operators on the GPU" in result.outputs.sentence
    assert result.outputs.parity.floor is Floor.HALF  # its checker said so
    assert "the times are of LiteRT 2.2.0 on random inputs" in result.outputs.sentence
    assert "SHA-256" in result.environment.versions["output checker"]
    assert result.input_source == "random"
    assert enb.load(result.run_id) == result
    names = {path.name for path in (phone.root / FOLDER.lstrip("/")).rglob("*") if path.is_file()}
    assert names == {"benchmark_model"}  # inputs, outputs and the model are gone


def test_a_phone_that_miscomputes_is_an_error_where_golden_was_given(
    address: str, phone: VirtualPhone, net: Path, sample: np.ndarray, expected: np.ndarray
) -> None:
    phone.faults = Faults(outputs=Miscomputed.NAN)
    with pytest.raises(WrongOutputError, match="computes something else than golden") as caught:
        enb.benchmark(net, address, inputs=sample, golden=expected, **QUICK)
    assert caught.value.outputs


def test_a_phone_that_miscomputes_the_models_own_example_is_flagged(
    address: str, phone: VirtualPhone, example: LiteRTModel
) -> None:
    phone.faults = Faults(outputs=Miscomputed.SWAPPED)
    with pytest.warns(EmbedlWarning, match="outputs differ: not equal to its source"):
        result = enb.benchmark(example, address, **QUICK)
    assert "outputs differ" in [flag.kind for flag in result.flags]
    assert repr(result).splitlines()[0].endswith("| outputs differ")


def test_without_the_program_golden_is_refused_before_anything_is_measured_and_an_example_is_not_checked(
    address: str,
    phone: VirtualPhone,
    example: LiteRTModel,
    sample: np.ndarray,
    expected: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(CHECKER_VARIABLE)
    before = len(phone.commands)
    with pytest.raises(MissingDependencyError) as caught:
        enb.benchmark(example, address, inputs=sample, golden=expected, **QUICK)
    assert caught.value.install == "embedl-nb fetch-tool legacy"
    assert not any("/benchmark_model" in command for command in phone.commands[before:])
    result = enb.benchmark(example, address, **QUICK)
    assert repr(result).splitlines()[0].endswith("| outputs not checked on this device")
    assert "is not on this machine (embedl-nb fetch-tool legacy)" in result.outputs.sentence


@pytest.mark.parametrize("miscomputed", [None, *Miscomputed])
def test_what_comes_back_is_what_the_phone_computed(
    address: str, phone: VirtualPhone, tmp_path: Path, miscomputed: str | None
) -> None:
    phone.faults = Faults(outputs=miscomputed)
    for name, data in (("two", models.two_outputs()), ("ints", models.quantized_fully_connected())):
        path = models.write(tmp_path, data, name=name)
        rng = np.random.default_rng(1)
        inputs = LiteRTModel.open(path).signatures[0].inputs
        arrays = {spec.name: (rng.normal(size=spec.shape) * 20).astype(spec.dtype) for spec in inputs}
        outputs, _command = checked(address, path, arrays, tmp_path)
        assert outputs.path is not None, outputs.note
        came, wanted = take_arrays(outputs.path), run_samples(path, join_samples([arrays]))
        assert {name: array.dtype for name, array in came.items()} == {n: a.dtype for n, a in wanted.items()}
        matches = [output.matches for output in compare_outputs([wanted], [came]).outputs]
        assert matches == [miscomputed is None] * len(wanted)


def test_outputs_are_of_the_unit_that_was_timed_or_there_are_none(
    address: str, phone: VirtualPhone, net: Path, sample: np.ndarray, tmp_path: Path
) -> None:
    arrays = {LiteRTModel.open(net).signatures[0].inputs[0].name: sample}
    outputs, command = checked(address, net, arrays, tmp_path, timed_on="gpu")
    assert "--use_gpu=true" in command
    assert outputs.path is None
    assert outputs.note.startswith("the model cannot run on the gpu on adb://")
    phone.faults = Faults(gpu_works=True, gpu_refuses=frozenset({"CONV_2D"}))
    outputs, _command = checked(address, net, arrays, tmp_path, timed_on="gpu")
    assert outputs.path is None
    assert "ran it on: cpu, and what was timed ran on: gpu" in outputs.note


def test_for_an_npu_there_is_no_check(net: Path, sample: np.ndarray, tmp_path: Path) -> None:
    save_arrays(tmp_path / "inputs.npz", {"0/x": sample})
    request = MeasureRequest(model_path=str(net), inputs_path=str(tmp_path / "inputs.npz"), compute_unit="npu")
    asked = prepare_check(request, ["arm64-v8a"])
    assert isinstance(asked, PhoneOutputs)
    assert "no way to an NPU" in asked.note
    with pytest.raises(InputError, match="no way to an NPU"):
        prepare_check(replace(request, outputs_for=OutputsFor.REQUIRED_CHECK), ["arm64-v8a"])
