"""What the compiler refuses before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedl_nb.compiler import compile_model
from embedl_nb.errors import InputError


def test_something_that_is_no_model_is_named() -> None:
    with pytest.raises(InputError, match="type dict is not a model") as caught:
        compile_model({})
    assert "torch.nn.Module" in caught.value.hint


@pytest.mark.parametrize("name", ["net.xyz", "net"])
def test_a_file_of_another_kind_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match="no kind of model file"):
        compile_model(tmp_path / name)


def test_a_checkpoint_says_what_to_do_with_it(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"x")
    with pytest.raises(InputError, match="holds weights or a pickled module; it is not opened") as caught:
        compile_model(tmp_path / "net.pth")
    assert "weights_only=True" in caught.value.hint


@pytest.mark.parametrize("name", ["net.pt2", "net.tflite"])
def test_shapes_are_for_onnx_models(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="input_shapes is for ONNX models"):
        compile_model(tmp_path / name, input_shapes={"x": (1, 3)})


@pytest.mark.parametrize("suffix", [".tflite", ".pt2", ".pth", ""])
def test_a_missing_file_is_named(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no file .*nowhere{suffix}"):
        compile_model(tmp_path / f"nowhere{suffix}")


@pytest.mark.parametrize(
    "options",
    [
        {"name": " "},
        {"name": 3},
        {"layout": "nwhc"},
        {"layout": "nhwc"},
        {"state": {"h": "g"}},
        {"state": ["h"]},
        {"state": {"a": "x", "b": "x"}},
        {"verify": 1},
        {"timeout_s": 0},
        {"timeout_s": "9"},
    ],
)
def test_an_option_that_makes_no_sense_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        compile_model("net.tflite", **options)


@pytest.mark.parametrize("key", ["", " ", 1, None, "enc\0ode"])
def test_a_name_of_a_signature_that_a_file_cannot_hold_is_refused(key: Any) -> None:
    with pytest.raises(InputError, match="no name of a signature"):
        compile_model({key: "net.pt2"}, {key: None})
