"""The runtime's options are checked before it ignores them."""

from __future__ import annotations

import tomllib

import pytest

from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.runtime.options import RUNTIME_OPTIONS, options_toml


def parsed(options: dict[str, str]) -> dict[str, object]:
    sections = options_toml(options, num_threads=3, profile=False)
    return {name: value for text in sections.values() for name, value in tomllib.loads(text).items()}


def test_without_options_there_are_threads_and_profiling() -> None:
    assert parsed({}) == {"num_threads": 3, "enable_profiling": False}


def test_profiling_changes_nothing_else() -> None:
    plain = options_toml({"flags": "5"}, num_threads=2, profile=False)
    profiled = options_toml({"flags": "5"}, num_threads=2, profile=True)
    assert profiled == {section: text.replace("false", "true") for section, text in plain.items()}


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("kernel_mode", "reference", "reference"),
        ("flags", "17", 17),
        ("compress_quantization_zero_points", "True", True),
        ("disable_delegate_clustering", "false", False),
    ],
)
def test_an_option_is_written_as_toml(name: str, given: str, expected: object) -> None:
    assert parsed({name: given})[name] == expected


def test_every_option_is_tested() -> None:
    assert set(RUNTIME_OPTIONS) == {
        "kernel_mode",
        "flags",
        "compress_quantization_zero_points",
        "disable_delegate_clustering",
    }


def test_an_unknown_option_names_close_matches() -> None:
    with pytest.raises(UnknownNameError) as caught:
        options_toml({"kernel_mod": "xnnpack"}, num_threads=1, profile=False)
    assert caught.value.candidates[0] == "kernel_mode"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel_mode", "fast"),
        ("flags", "-1"),
        ("flags", "1\nnum_threads = 64"),
        ("flags", "٣"),
        ("disable_delegate_clustering", "yes"),
        ("flags", "99999999999"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(name: str, value: str) -> None:
    with pytest.raises(InputError, match=name):
        options_toml({name: value}, num_threads=1, profile=False)
