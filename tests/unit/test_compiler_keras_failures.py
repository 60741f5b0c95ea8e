"""Each pattern on what TensorFlow's converter says reads the sample that was recorded for it."""

from __future__ import annotations

import pytest

from embedl_nb.compiler.keras.failures import FAILURE_PATTERNS, conversion_error
from embedl_nb.errors import CompileError, UnsupportedOperatorError
from embedl_nb.runtime.refusals import RefusalPattern

NAMES = {"Mul", "Relu", "Erfinv", "Svd"}


@pytest.mark.parametrize("entry", FAILURE_PATTERNS, ids=lambda entry: entry.sample[:20])
def test_a_recorded_failure_names_its_operators(entry: RefusalPattern) -> None:
    err = conversion_error(RuntimeError(f"Details:\n{entry.sample}\n"), name="net", traced=())
    assert isinstance(err, UnsupportedOperatorError)
    assert err.operators
    assert NAMES.issuperset(err.operators)


def test_a_failure_that_names_no_operator_is_said_in_one_line() -> None:
    err = conversion_error(RuntimeError("\nit broke\nhere"), name="net", traced=())
    assert type(err) is CompileError
    assert err.message == "TensorFlow's converter failed on net: it broke"
