"""Options are checked before any device is touched, and the error names option and value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.measure.plan import MeasureOptions

DEFAULTS: dict[str, Any] = {
    "compute_unit": "cpu",
    "allow_fallback": True,
    "num_threads": None,
    "processes": 3,
    "iterations": None,
    "warmup": None,
    "profile": True,
    "runtime_options": None,
}


def checked(**changes: Any) -> MeasureOptions:
    return MeasureOptions.checked(**{**DEFAULTS, **changes})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("iterations", 0),
        ("iterations", -3),
        ("iterations", 2.5),
        ("iterations", float("nan")),
        ("iterations", "many"),
        ("iterations", 10**9),
        ("iterations", True),
        ("processes", 0),
        ("processes", -1),
        ("processes", None),
        ("processes", 1000),
        ("num_threads", 0),
        ("num_threads", "two"),
        ("num_threads", float("inf")),
        ("warmup", -1),
        ("profile", "yes"),
        ("allow_fallback", 1),
        ("compute_unit", None),
        ("runtime_options", ["kernel_mode"]),
        ("runtime_options", {"kernel_mode": None}),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_option(option: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        checked(**{option: value})
    assert option in caught.value.message
    assert repr(value) in caught.value.message or "None" in caught.value.message
    assert caught.value.hint


def test_an_unknown_compute_unit_has_close_matches() -> None:
    with pytest.raises(UnknownNameError) as caught:
        checked(compute_unit="gpuu")
    assert "gpu" in caught.value.candidates


def test_whole_numbers_of_any_library_are_taken() -> None:
    options = checked(iterations=np.int64(5), warmup=0, compute_unit=" CPU ", runtime_options={"flags": 3, "x": True})
    assert options.iterations == 5
    assert type(options.iterations) is int
    assert options.runtime_options == {"flags": "3", "x": "true"}
    assert MeasureOptions.from_record(options.to_record()) == options


@pytest.mark.parametrize("value", ["kernel_mode", [], 5])
def test_runtime_options_that_are_no_dict_are_named(value: Any) -> None:
    with pytest.raises(InputError, match=r"runtime_options=.* is not a dict of names"):
        checked(runtime_options=value)
