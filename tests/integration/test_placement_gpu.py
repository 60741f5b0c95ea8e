"""LiteRT's GPU delegate is asked, on the Vulkan driver that there is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedl_nb import config
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.model.schema import schema
from embedl_nb.placement.answers import Reason, UnitAnswer
from embedl_nb.placement.gpu import ask_gpu, asking, delegate
from embedl_nb.placement.gpu.drivers import INSTALL_COMMAND, LAVAPIPE, Driver, find_drivers
from embedl_nb.runtime import logs
from embedl_nb.runtime.arrays import save_arrays
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

# Lavapipe, which may be too old, is no driver to test on.
HAS_DRIVER = any(driver.name != LAVAPIPE for driver in find_drivers())
needs_driver = pytest.mark.skipif(not HAS_DRIVER, reason=f"no Vulkan driver that works: {INSTALL_COMMAND}")
pytestmark = pytest.mark.litert

Make = Callable[[bytes], LiteRTModel]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda data: LiteRTModel.open(models.write(tmp_path, data))


def _cut_off() -> bytes:
    """Build two operators, one that no GPU takes, and one behind it."""
    builder = ModelBuilder()
    value = builder.input("x", (1, 4))
    for name in ("a", "b"):
        value = builder.operator("TANH", [value], builder.tensor(name, (1, 4)))
    where = builder.constant("where", np.zeros((3, 1), np.int32))
    value = builder.operator("GATHER_ND", [value, where], builder.tensor("rows", (3, 4)))
    return builder.build({"y": builder.operator("TANH", [value], builder.tensor("y", (3, 4)))})


def _compared() -> bytes:
    """Build a comparison of a value with itself, which the GPU refuses, and one with another value, both unnamed."""
    builder = ModelBuilder()
    a, b = builder.input("a", (1, 4)), builder.input("b", (1, 4))
    same = builder.operator(
        "NOT_EQUAL", [a, a], builder.tensor("same", (1, 4), "bool"), options=schema().NotEqualOptionsT()
    )
    other = builder.operator(
        "NOT_EQUAL", [a, b], builder.tensor("other", (1, 4), "bool"), options=schema().NotEqualOptionsT()
    )
    return builder.build({"same": same, "other": other})


def _reasons(answer: UnitAnswer) -> list[Reason | None]:
    return [operator.reason for operator in answer.operators]


@needs_driver
def test_a_model_that_the_gpu_takes_whole_computes_what_the_cpu_computes(make: Make, empty_home: Path) -> None:
    model = make(models.conv_relu())
    answer = ask_gpu(model)
    assert not answer.not_checked, answer
    assert (answer.num_running, answer.partitions, answer.cause) == (1, ((0,),), "")
    assert "ai-edge-litert" in answer.asked
    assert " on " in answer.asked
    assert dict(answer.facts)["outputs against the CPU's"].endswith("on random inputs (measured)")
    assert answer.log_path is not None
    assert "Selected adapter" in answer.log_path.read_text()
    assert not [text for text in (*answer.notes, *dict(answer.facts).values()) if " ms" in text]


@needs_driver
def test_an_answer_is_kept(make: Make, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(_cut_off())
    first = ask_gpu(model)
    monkeypatch.setattr(asking, "Delegate", None)  # nobody is asked again
    again = ask_gpu(model)
    assert again.operators == first.operators
    assert (again.asked, again.notes, again.facts, again.partitions, again.log_path) == (
        first.asked,
        first.notes,
        first.facts,
        first.partitions,
        first.log_path,
    )


@needs_driver
def test_a_refused_operator_and_what_it_cuts_off_stay_on_the_cpu(make: Make) -> None:
    answer = ask_gpu(make(_cut_off()))
    assert _reasons(answer) == [None, None, Reason.UNSUPPORTED_OPERATOR, Reason.PARTITION_TOO_SMALL]
    assert answer.operators[2].evidence == "GATHER_ND: Operation is not supported."
    assert answer.operators[3].evidence.startswith("2 operations will run on the GPU")
    assert answer.partitions == ((0, 1),)
    assert any("1 that it would take" in note for note in answer.notes)


@needs_driver
def test_two_operators_that_a_line_may_mean_are_asked_about_alone(make: Make) -> None:
    answer = ask_gpu(make(_compared()))
    assert _reasons(answer) == [Reason.FORM, None]


@needs_driver
def test_a_quantized_model_is_compared_on_its_own_sample(make: Make, tmp_path: Path) -> None:
    samples_path = tmp_path / "samples.npz"
    save_arrays(samples_path, {"0/x": np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 8)})
    model = dataclasses.replace(make(models.quantized_fully_connected()), samples_path=samples_path)
    answer = ask_gpu(model)
    assert dict(answer.facts)["outputs against the CPU's"].endswith("on the model's own sample (measured)")
    assert answer.num_running == 1


@needs_driver
def test_a_signature_is_asked_about_alone(make: Make) -> None:
    model = make(models.two_signatures())
    assert [ask_gpu(model, signature_key=key).num_running for key in ("first", "second")] == [1, 1]


@needs_driver
def test_an_operator_that_litert_does_not_know_is_named(make: Make) -> None:
    answer = ask_gpu(make(models.unsupported_operator()))
    assert _reasons(answer) == [Reason.UNSUPPORTED_OPERATOR]
    assert "STABLEHLO_SORT" in answer.cause
    assert "STABLEHLO_SORT" in answer.operators[0].evidence


@needs_driver
def test_an_operator_that_is_taken_with_a_kernel_that_is_not_valid_does_not_run(make: Make) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4, 4, 1))
    x = builder.operator("TANH", [x], builder.tensor("t", (1, 4, 4, 1)))
    around = builder.constant("around", np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32))
    lowest = builder.constant("lowest", np.array(-np.inf, np.float32))  # which is written into the kernel as it is
    y = builder.operator(
        "PADV2", [x, around, lowest], builder.tensor("y", (1, 5, 5, 1)), options=schema().PadV2OptionsT()
    )
    answer = ask_gpu(make(builder.build({"y": y})))
    assert _reasons(answer) == [None, Reason.COMPILER_FAILURE]
    assert "unresolved value 'inf'" in answer.operators[1].evidence
    assert answer.partitions == ((0,),)
    assert any("because of PADV2 (operator 1)" in note for note in answer.notes)


@needs_driver
def test_a_tensor_whose_size_depends_on_values_is_said_to_keep_the_model_off_the_gpu(make: Make) -> None:
    builder = ModelBuilder()
    x, rows = builder.input("x", (1, 4)), builder.input("rows", (1,), "int32")
    y = builder.operator("SEGMENT_SUM", [x, rows], builder.tensor("y", (1, 4)))
    answer = ask_gpu(make(builder.build({"y": y})))
    assert _reasons(answer) == [Reason.DYNAMIC_SHAPE]
    assert "dynamic-sized tensors" in answer.operators[0].evidence


@needs_driver
def test_the_operator_that_makes_the_delegate_crash_is_found(make: Make) -> None:
    builder = ModelBuilder()
    # Integers without a scale abort ai-edge-litert 2.3.0.
    x = builder.input("x", (1, 4), "uint8")
    y = builder.operator("ADD", [x, x], builder.tensor("y", (1, 4), "uint8"), options=schema().AddOptionsT())
    z = builder.operator("TANH", [builder.input("f", (1, 4))], builder.tensor("z", (1, 4)))
    answer = ask_gpu(make(builder.build({"y": y, "z": z})))
    assert _reasons(answer) == [Reason.COMPILER_FAILURE, Reason.COMPILER_FAILURE]
    assert "because of ADD (operator 0):" in answer.cause
    assert "SIGABRT" in answer.cause
    assert answer.log_path is not None
    assert "Fatal Python error: Aborted" in answer.log_path.read_text()


@needs_driver
def test_children_that_die_one_by_one_leave_the_log_of_the_whole_model(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_KEPT_LOGS", 2)
    monkeypatch.setattr(config, "log_dir", lambda: tmp_path)
    builder = ModelBuilder()
    outputs = {}
    for number in range(3):  # of three kinds, each of which is asked about
        x = builder.input(f"x{number}", (1, 4 + number), "uint8")
        y = builder.tensor(f"y{number}", (1, 4 + number), "uint8")
        outputs[f"y{number}"] = builder.operator("ADD", [x, x], y, options=schema().AddOptionsT())
    answer = ask_gpu(make(builder.build(outputs)))
    assert answer.not_checked == ""
    assert answer.log_path is not None
    assert "Fatal Python error: Aborted" in answer.log_path.read_text()


@needs_driver
def test_what_takes_too_long_is_stopped_and_said(make: Make) -> None:
    answer = ask_gpu(make(models.chain(3)), timeout_s=0.01)
    assert "within" in answer.not_checked or "in the time" in answer.not_checked
    assert answer.operators == ()


@needs_driver
def test_a_model_that_takes_too_long_is_asked_about_operator_by_operator(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegate, "_SHARE_OF_WHOLE", 0.0)
    answer = ask_gpu(make(models.chain(3)))
    assert (answer.num_running, answer.partitions) == (3, ((0, 1, 2),))
    assert any("each operator was asked about alone" in note for note in answer.notes)


def test_without_a_driver_nothing_is_checked_and_the_command_is_named(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "find_drivers", list)
    answer = ask_gpu(make(models.add()))
    assert "no Vulkan driver" in answer.not_checked
    assert answer.next_step == "apt-get install chromium"


def test_a_driver_that_leads_to_no_gpu_is_named(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Driver(name="lavapipe", manifests=(tmp_path / "missing.json",))
    monkeypatch.setattr(asking, "find_drivers", lambda: [nowhere])
    answer = ask_gpu(make(models.add()))
    assert answer.not_checked == "no GPU was found through lavapipe (Debian 12's is too old for LiteRT)"
