"""What the runtime of this machine runs, and with what: seen from its events, whatever else is in the model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import RuntimeCrashedError, UnknownNameError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack
from embedl_nb.placement import cpu
from embedl_nb.placement.answers import OperatorAnswer, Reason
from embedl_nb.placement.cpu import ask_cpu
from embedl_nb.runtime.arrays import save_arrays
from embedl_nb.runtime.process import Child
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

pytestmark = pytest.mark.litert

XNNPACK, BUILT_IN = "XNNPACK", "built-in kernel"


def model_of(tmp_path: Path, data: bytes) -> LiteRTModel:
    return LiteRTModel.open(models.write(tmp_path, data))


def operators_in_a_row(*codes: str, dtype: str = "float32") -> bytes:
    builder = ModelBuilder()
    value = builder.input("x", (1, 4), dtype)
    for place, code in enumerate(codes):
        options = schema().StablehloSortOptionsT(dimension=1) if code == "STABLEHLO_SORT" else None
        inputs = [value, value] if code in ("ATAN2", "FLOOR_MOD") else [value]
        value = builder.operator(code, inputs, builder.tensor(f"t{place}", (1, 4), dtype), options_2=options)
    return builder.build({"y": value})


def by(answers: tuple[OperatorAnswer, ...]) -> list[str]:
    return [answer.by if answer.runs else str(answer.reason) for answer in answers]


def test_what_the_delegate_takes_is_told_from_built_in_kernels(tmp_path: Path) -> None:
    answer = ask_cpu(model_of(tmp_path, operators_in_a_row("ABS", "ATAN2", "TANH", "ATAN2", "ABS")))
    assert by(answer.operators) == [XNNPACK, BUILT_IN, XNNPACK, BUILT_IN, XNNPACK]
    assert answer.asked.startswith("LiteRT 2.")
    assert answer.num_running == 5


def test_one_operator_that_cannot_run_hides_no_other(tmp_path: Path) -> None:
    answer = ask_cpu(model_of(tmp_path, operators_in_a_row("ABS", "STABLEHLO_SORT", "ATAN2", "STABLEHLO_SORT")))
    assert by(answer.operators) == [XNNPACK, "unsupported operator", BUILT_IN, "unsupported operator"]
    assert answer.operators[1].evidence.startswith("Didn't find op for builtin opcode 'STABLEHLO_SORT'")
    assert any("one by one" in note for note in answer.notes)


def test_a_dtype_that_a_kernel_lacks_is_said_in_its_own_words(tmp_path: Path) -> None:
    prepared, invoked = (
        ask_cpu(model_of(tmp_path, operators_in_a_row(code, dtype="int64"))).operators[0] for code in ("ABS", "TANH")
    )
    assert (prepared.reason, invoked.reason) == (Reason.DTYPE, Reason.DTYPE)
    assert "Type INT64 is unsupported by op Abs." in prepared.evidence
    assert "got INT64" in invoked.evidence


def test_a_custom_operator_is_named(tmp_path: Path) -> None:
    (operator,) = ask_cpu(model_of(tmp_path, models.custom_operator())).operators
    assert operator.reason is Reason.UNSUPPORTED_OPERATOR
    assert "MyOperator" in operator.evidence


def test_integers_that_zeros_would_divide_by_zero_run_on_ones(tmp_path: Path) -> None:
    assert by(ask_cpu(model_of(tmp_path, operators_in_a_row("FLOOR_MOD", dtype="int32"))).operators) == [BUILT_IN]


def test_each_signature_is_asked_about_by_itself(tmp_path: Path) -> None:
    model = unpack(models.two_signatures())
    model.operatorCodes.append(schema().OperatorCodeT(deprecatedBuiltinCode=127, builtinCode=156, version=1))
    second = model.subgraphs[1]
    second.tensors.append(schema().TensorT(name=b"z", shape=[1, 6], type=0))
    y, z = len(second.tensors) - 2, len(second.tensors) - 1
    second.operators.append(schema().OperatorT(opcodeIndex=len(model.operatorCodes) - 1, inputs=[y, y], outputs=[z]))
    second.outputs = [z]
    model.signatureDefs[1].outputs[0].tensorIndex = z
    both = model_of(tmp_path, pack(model))
    assert by(ask_cpu(both).operators) == [XNNPACK]
    assert by(ask_cpu(both, signature_key="second").operators) == [XNNPACK, BUILT_IN]
    with pytest.raises(UnknownNameError):
        ask_cpu(both, signature_key="third")


def test_open_dimensions_and_composites_are_run_as_they_are(tmp_path: Path) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (-1, 4))
    y = builder.operator("ABS", [x], builder.tensor("y", (-1, 4)))
    assert by(ask_cpu(model_of(tmp_path, builder.build({"y": y}))).operators) == [XNNPACK]
    assert by(ask_cpu(model_of(tmp_path, models.composite())).operators) == [XNNPACK]


def broadcast(tmp_path: Path) -> LiteRTModel:
    """Build a model that takes a size other than 1 along its open dimension."""
    builder = ModelBuilder()
    x = builder.input("x", (-1, 4))
    wide = builder.operator("ABS", [x], builder.tensor("a", (-1, 4)))
    shape = builder.constant("shape", np.array([3, 4], np.int32))
    wide = builder.operator("RESHAPE", [wide, shape], builder.tensor("y", (3, 4)))
    return model_of(tmp_path, builder.build({"y": wide}))


def test_open_dimensions_are_as_large_as_in_the_models_samples(tmp_path: Path) -> None:
    model = broadcast(tmp_path)
    samples_path = tmp_path / "samples.npz"
    save_arrays(samples_path, {"0/x": np.zeros((3, 4), np.float32)})
    answer = ask_cpu(dataclasses.replace(model, samples_path=samples_path))
    assert by(answer.operators) == [XNNPACK, XNNPACK]
    assert len(answer.notes) == 1


def test_an_operator_that_takes_no_made_up_size_is_not_said_to_be_refused(tmp_path: Path) -> None:
    assert by(ask_cpu(broadcast(tmp_path)).operators) == [XNNPACK, "not tried: its shape is open"]


def test_an_output_whose_shape_depends_on_values_runs_as_a_built_in_kernel(tmp_path: Path) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4))
    where = builder.operator("WHERE", [x], builder.tensor("where", (-1, 2), "int64"))
    builder.operator("STABLEHLO_SORT", [x], builder.tensor("y", (1, 4)))  # makes it be asked one by one
    answer = ask_cpu(model_of(tmp_path, builder.build({"where": where})))
    assert by(answer.operators) == [BUILT_IN, "unsupported operator"]


def test_an_operator_that_crashes_the_runtime_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Child.request

    def crash(self: Child, command: str, payload: dict[str, object], *, timeout_s: float) -> dict[str, object]:
        if "ABS" not in str(payload["model_path"]):
            raise RuntimeCrashedError("the LiteRT runtime crashed with a segmentation fault (SIGSEGV)")
        return ask(self, command, payload, timeout_s=timeout_s)

    monkeypatch.setattr(Child, "request", crash)
    answer = ask_cpu(model_of(tmp_path, operators_in_a_row("ABS", "TANH")))
    assert by(answer.operators) == [XNNPACK, "not said"]
    assert "SIGSEGV" in answer.operators[1].evidence


def test_operators_that_are_the_same_are_asked_about_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    ask = cpu._built_in

    def count(path: Path, *arguments: Any, **options: Any) -> dict[str, Any]:
        asked.append(path.stem)
        return ask(path, *arguments, **options)

    monkeypatch.setattr(cpu, "_built_in", count)
    answer = ask_cpu(model_of(tmp_path, operators_in_a_row(*["ABS"] * 300, "STABLEHLO_SORT", *["ABS"] * 300)))
    assert answer.num_running == 600
    assert asked == ["tiny", "ABS", "STABLEHLO_SORT"]
    assert [each.index for each in answer.operators] == list(range(601))
