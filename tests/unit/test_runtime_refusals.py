"""Each pattern on the runtime's log reads the sample that was recorded for it."""

from __future__ import annotations

import pytest

from embedl_nb.errors import InputError, UnsupportedOperatorError
from embedl_nb.runtime.refusals import (
    INVOKE_PATTERN,
    PREPARE_PATTERN,
    REFUSAL_PATTERNS,
    VALUE_SHAPE_PATTERN,
    RefusalPattern,
    refusal_error,
    refusal_line,
    unprepared_operators,
)

NAMES = {"STABLEHLO_SORT", "MyOperator"}


@pytest.mark.parametrize("entry", REFUSAL_PATTERNS, ids=lambda entry: entry.pattern.pattern[:20])
def test_a_recorded_refusal_names_its_operator(entry: RefusalPattern) -> None:
    err = refusal_error(f"INFO: loading\n{entry.sample}\nERROR: Registration failed.\n", model="net.tflite")
    assert isinstance(err, UnsupportedOperatorError)
    assert len(err.operators) == 1
    assert err.operators[0] in NAMES
    assert "net.tflite" in err.message


def test_an_operator_that_failed_to_prepare_is_named() -> None:
    assert unprepared_operators(f"INFO: loading\n{PREPARE_PATTERN.sample}\n") == ("STABLEHLO_SCATTER",)


def test_the_line_of_a_refusal_comes_with_the_reason_before_it() -> None:
    why = "Only float32, uint8, int16 and int8 are supported currently, got INT64."
    log = f"INFO: loading\nERROR: {why}\n{INVOKE_PATTERN.sample}\nERROR: [x.cc:164] Failed to invoke\n"
    assert refusal_line(log) == f"{why} Node number 0 (TANH) failed to invoke."
    assert refusal_line("INFO: loading\nERROR: something else\n") == ""


def test_several_operators_are_named_once_each() -> None:
    log = "\n".join(entry.sample for entry in REFUSAL_PATTERNS * 2)
    err = refusal_error(log, model="net.tflite")
    assert isinstance(err, UnsupportedOperatorError)
    assert set(err.operators) == NAMES
    assert len(err.operators) == 2


def test_a_model_compiled_for_an_npu_is_recognised() -> None:
    err = refusal_error("ERROR: Encountered unresolved custom op: DISPATCH_OP.", model="net.tflite")
    assert isinstance(err, UnsupportedOperatorError)
    assert err.operators == ("DISPATCH_OP",)
    assert "NPU" in err.hint


def test_an_output_whose_shape_is_a_matter_of_values_is_named() -> None:
    err = refusal_error(VALUE_SHAPE_PATTERN.sample, model="net.tflite")
    assert isinstance(err, InputError)
    assert "'y'" in err.message


def test_a_log_without_a_known_complaint_explains_nothing() -> None:
    assert refusal_error("INFO: all is well\nERROR: something else", model="net.tflite") is None
