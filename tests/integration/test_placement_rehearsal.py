"""NPU artifacts run in Qualcomm's simulator: tiny models, whole and in parts, and what goes wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.device.catalog.facts import chips
from embedl_nb.errors import BenchmarkError, InputError, RuntimeCrashedError, RuntimeTimeoutError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.schema import schema
from embedl_nb.placement.rehearsal import Rehearsal, rehearse, rehearsing
from embedl_nb.placement.rehearsal.simulator import Simulator
from embedl_nb.runtime.arrays import save_arrays
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder
from embedl_nb.units import Provenance

pytest.importorskip("onnxruntime_qnn", reason='needs Qualcomm\'s simulator: pip install "embedl-nb[qualcomm]"')
pytestmark = pytest.mark.litert

S24 = chips()["SM8650"]


def int8_in_parts() -> bytes:
    """Build RELU, ATAN2 (which no NPU takes), TANH; int8 at both ends, float for ATAN2 alone."""
    builder = ModelBuilder()
    x = builder.input("x", (1, 4, 4, 2), "int8", scale=4 / 127, zero_point=3)
    halved = builder.operator("RELU", [x], builder.tensor("a;1", (1, 4, 4, 2), "int8", scale=4 / 127, zero_point=3))
    real = builder.operator("DEQUANTIZE", [halved], builder.tensor("b;2", (1, 4, 4, 2)))
    angle = builder.operator("ATAN2", [real, real], builder.tensor("c;3", (1, 4, 4, 2)))
    small = builder.tensor("d;4", (1, 4, 4, 2), "int8", scale=1 / 64)
    builder.operator("QUANTIZE", [angle], small)
    y = builder.operator("TANH", [small], builder.tensor("y", (1, 4, 4, 2), "int8", scale=1 / 128))
    return builder.build({"y": y})


def many_ends() -> bytes:
    """Build an NPU's partition that takes and gives several tensors of one shape, in an order that no name gives."""
    builder = ModelBuilder()
    c, a, b = (builder.input(name, (1, 8)) for name in ("c", "a", "b"))
    difference = builder.tensor("z;9", (1, 8))
    builder.operator("SUB", [c, b], difference, options=schema().SubOptionsT())
    product = builder.tensor("m;1", (1, 8))
    builder.operator("MUL", [difference, a], product, options=schema().MulOptionsT())
    rest = builder.tensor("k;5", (1, 8))
    builder.operator("SUB", [product, c], rest, options=schema().SubOptionsT())
    return builder.build({"rest": rest, "difference": difference, "product": product})


def opened(tmp_path: Path, data: bytes) -> LiteRTModel:
    return LiteRTModel.open(models.write(tmp_path, data))


def test_an_int8_model_computes_in_the_simulator_what_it_computes_on_the_cpu(tmp_path: Path) -> None:
    model = opened(tmp_path, models.quantized_fully_connected())
    result = rehearse(model, S24)
    assert result.provenance is Provenance.SIMULATED
    assert (result.num_partitions, result.num_npu_operators, result.num_cpu_operators) == (1, 1, 0)
    assert result.matches
    assert result.against_cpu.outputs[0].max_abs_error <= 1.01 * 16 / 127  # one step of the output
    assert result.qairt.startswith("2.")
    assert "Hexagon v75 simulated" in result.sentence
    assert result.samples == "4 samples of random values, seed 0"
    assert result.against_source is None
    assert "no phone has run it" in repr(result)
    assert Rehearsal.from_record(json.loads(json.dumps(result.to_record()))) == result


def test_partitions_and_the_cpu_s_operators_between_them_give_the_model_s_outputs(tmp_path: Path) -> None:
    model = opened(tmp_path, int8_in_parts())
    result = rehearse(model, S24, samples=np.linspace(-2, 2, 96, dtype=np.float32).reshape(3, 4, 4, 2))
    assert result.num_partitions == 2
    assert result.num_cpu_operators >= 1
    assert result.matches, result
    assert result.samples == "3 samples given"


def test_inputs_and_outputs_of_one_shape_are_not_mixed_up(tmp_path: Path) -> None:
    model = opened(tmp_path, many_ends())
    values = {
        name: np.arange(8, dtype=np.float32)[None] * factor + 1 for name, factor in (("a", 1), ("b", 3), ("c", 7))
    }
    result = rehearse(model, S24, samples=values)
    assert [output.name for output in result.against_cpu.outputs if not output.matches] == []
    assert result.against_cpu.sqnr_db > 50


def test_a_float_model_is_compared_with_what_its_source_made_of_its_own_samples(tmp_path: Path) -> None:
    model = opened(tmp_path, models.two_outputs())
    sample = {
        spec.name: np.linspace(-1, 1, spec.num_elements or 0, dtype=np.float32).reshape(spec.shape)
        for spec in model.signatures[0].inputs
    }
    save_arrays(tmp_path / "samples.npz", {f"0/{name}": array for name, array in sample.items()})
    save_arrays(tmp_path / "golden.npz", {f"0/{name}": array for name, array in model(**sample).items()})
    known = dataclasses.replace(model, samples_path=tmp_path / "samples.npz", golden_path=tmp_path / "golden.npz")
    result = rehearse(known, S24)
    assert result.samples == "1 sample of its own"
    assert result.cpu_against_source is not None
    assert result.cpu_against_source.sentence == "equal"
    assert result.against_source is not None
    assert 40 < result.against_source.sqnr_db < 120  # float16 has 11 bits: 66 dB of a single value


def test_an_output_that_the_compiler_has_lost_is_found_out(tmp_path: Path) -> None:
    builder = ModelBuilder()
    y = builder.operator("TANH", [builder.input("x", (1, 8))], builder.tensor("y", (1, 8)))
    result = rehearse(opened(tmp_path, builder.build({"p": y, "q": y})), S24)
    assert [(each.name, each.note) for each in result.against_cpu.outputs if not each.matches] == [
        ("p", "the model has no such output")
    ]
    assert "does not compute what the CPU computes: p: the model has no such output" in result.sentence


def test_state_is_handed_from_each_sample_to_the_next(tmp_path: Path) -> None:
    builder = ModelBuilder()
    x, before = builder.input("x", (1, 8)), builder.input("h", (1, 8))
    after = builder.tensor("h_out", (1, 8))
    builder.operator("ADD", [x, before], after, options=schema().AddOptionsT())
    model = opened(tmp_path, builder.build({"h_out": after}))
    samples = [{"x": np.ones((1, 8), np.float32), "h": np.zeros((1, 8), np.float32)}] * 3
    result = rehearse(dataclasses.replace(model, state=(("h_out", "h"),)), S24, samples=samples, source=model)
    assert result.matches
    assert result.cpu_against_source is not None
    assert result.cpu_against_source.outputs[0].max_abs_error == 2.0  # 3 after three steps, 1 without its state


def test_a_wrong_artifact_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(tmp_path, models.quantized_fully_connected())
    run = Simulator.run
    monkeypatch.setattr(
        Simulator, "run", lambda *args, **named: [[-array for array in each] for each in run(*args, **named)]
    )
    result = rehearse(model, S24)
    assert not result.matches
    assert "does not compute what the CPU computes" in result.sentence
    assert "give source=float_model" in repr(result)
    # As far from the CPU, and as near to the source as the CPU: two roundings of one value.
    near = dataclasses.replace(result, against_source=result.against_cpu, cpu_against_source=result.against_cpu)
    assert "differs from the CPU, but is as near to its source" in near.sentence
    worse = dataclasses.replace(near, cpu_against_source=dataclasses.replace(result.against_cpu, outputs=()))
    assert "is farther from its source than the CPU is" in worse.sentence


def test_a_chip_without_a_qualcomm_npu_is_refused_by_name(tmp_path: Path) -> None:
    model = opened(tmp_path, models.quantized_fully_connected())
    exynos = next(chip for chip in chips().values() if chip.vendor == "Samsung")
    with pytest.raises(InputError, match=exynos.part):
        rehearse(model, exynos)


def test_a_chip_of_which_no_npu_is_known_is_not_taken_for_another(tmp_path: Path) -> None:
    model = opened(tmp_path, models.quantized_fully_connected())
    with pytest.raises(InputError, match="not known which Hexagon"):
        rehearse(model, dataclasses.replace(S24, npu="", npu_target=""))


def test_an_npu_that_takes_nothing_leaves_nothing_to_rehearse(tmp_path: Path) -> None:
    model = opened(tmp_path, models.unsupported_operator())
    with pytest.raises(InputError, match="takes no operator"):
        rehearse(model, S24)


def test_bytecode_that_the_simulator_cannot_open_is_one_error_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(tmp_path, models.quantized_fully_connected())
    read = rehearsing.read_steps

    def damaged(*args: Any) -> Any:
        steps: Any = read(*args)
        path = steps.steps[0].graph.context_path
        path.write_bytes(path.read_bytes()[:1000])
        return steps

    monkeypatch.setattr(rehearsing, "read_steps", damaged)
    with pytest.raises(BenchmarkError, match="Qualcomm's simulator") as raised:
        rehearse(model, S24)
    assert "log: " in raised.value.details


@pytest.mark.parametrize(
    ("number", "error", "timeout_s"),
    [(signal.SIGSTOP, RuntimeTimeoutError, 0.5), (signal.SIGSEGV, RuntimeCrashedError, 60.0)],
    ids=["hangs", "crashes"],
)
def test_a_simulator_that_fails_as_a_process_is_one_error_with_its_log(
    number: int, error: type[BenchmarkError], timeout_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(tmp_path, models.quantized_fully_connected())
    run = Simulator.run

    def fail(self: Simulator, *args: Any, **named: Any) -> list[list[np.ndarray]]:
        os.kill(self._child.pid, number)
        return run(self, *args, **{**named, "timeout_s": timeout_s})

    monkeypatch.setattr(Simulator, "run", fail)
    with pytest.raises(error, match="Qualcomm's simulator") as raised:
        rehearse(model, S24)
    assert "log: " in raised.value.details


@pytest.mark.parametrize("part", ["SM8350", "SM8850"])
def test_the_oldest_and_the_newest_hexagon_are_simulated(part: str, tmp_path: Path) -> None:
    result = rehearse(opened(tmp_path, models.quantized_fully_connected()), chips()[part])
    assert result.matches
    assert f"Hexagon v{result.htp_arch} simulated" in result.sentence
