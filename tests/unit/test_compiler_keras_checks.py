"""Keras files that could do more than compute are refused before Keras sees them."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.compiler.keras.checks import refuse_untrusted_hdf5, refuse_untrusted_keras
from embedl_nb.errors import InputError

h5py = pytest.importorskip("h5py")

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3, "name": "d"}, "registered_name": None}


def _model(*layers: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"module": "keras", "class_name": "Sequential", "config": {"layers": list(layers)}, **others}


def _layer(kind: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": config, "registered_name": kind}


def _weights(fill: Any = None) -> bytes:
    content = BytesIO()
    with h5py.File(content, "w") as file:
        file["layers/dense/vars/0"] = np.ones((4, 3), np.float32)
        if fill is not None:
            fill(file)
    return content.getvalue()


def _keras_file(path: Path, config: Any, weights: bytes | None = None, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", _weights() if weights is None else weights)
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _hdf5_file(path: Path, config: Any) -> Path:
    with h5py.File(path, "w") as file:
        file["model_weights/dense/kernel"] = np.ones((4, 3), np.float32)
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
    return path


def test_a_plain_model_is_let_through(tmp_path: Path) -> None:
    compiled = {"loss": _layer("function", "builtins")}  # is not loaded
    refuse_untrusted_keras(_keras_file(tmp_path / "m.keras", _model(DENSE, compile_config=compiled)))
    refuse_untrusted_hdf5(_hdf5_file(tmp_path / "m.h5", _model(DENSE)))


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (_layer("Lambda", name="sneaky"), "Python code .Lambda layer 'sneaky'"),
        (_layer("Dense", activation={"class_name": "__lambda__", "config": {"value": "abc"}}), "Python code"),
        (_layer("system", "os"), "'system' of the module 'os'"),
        (_layer("get_file", "keras.utils"), "of the module 'keras.utils'"),
        (_layer("MyLayer", None), "needs 'MyLayer'"),
        ({"module": "builtins", "class_name": "function", "config": "eval"}, "needs 'eval' of the module 'builtins'"),
        (_layer("StringLookup", vocabulary="/etc/passwd"), "reads the file '/etc/passwd'"),
    ],
)
@pytest.mark.parametrize("is_nested", [False, True])
def test_a_layer_that_could_run_code_is_refused(
    tmp_path: Path, layer: dict[str, Any], says: str, is_nested: bool
) -> None:
    config = _model(_model(DENSE, layer)) if is_nested else _model(layer)
    for refuse, path in (
        (refuse_untrusted_keras, _keras_file(tmp_path / "m.keras", config)),
        (refuse_untrusted_hdf5, _hdf5_file(tmp_path / "m.h5", config)),
    ):
        with pytest.raises(InputError, match=says) as caught:
            refuse(path)
        assert "load it in the notebook" in caught.value.hint


def test_a_lambda_of_old_files_is_refused(tmp_path: Path) -> None:
    old = {
        "class_name": "Lambda",
        "config": {"name": "l", "function": ["4wEAAAA", None, None], "function_type": "lambda"},
    }
    with pytest.raises(InputError, match="Python code"):
        refuse_untrusted_hdf5(_hdf5_file(tmp_path / "m.h5", {"class_name": "Sequential", "config": {"layers": [old]}}))


def test_a_file_of_weights_says_how_to_load_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds weights, not a model") as caught:
        refuse_untrusted_hdf5(_hdf5_file(tmp_path / "m.weights.h5", None))
    assert "load_weights" in caught.value.hint


def test_weights_that_link_to_another_file_are_refused(tmp_path: Path) -> None:
    def link(file: Any) -> None:
        file["layers/other"] = h5py.ExternalLink("/etc/hostname", "/x")

    with pytest.raises(InputError, match="'other', a link to another place"):
        refuse_untrusted_keras(_keras_file(tmp_path / "m.keras", _model(DENSE), _weights(link)))


def test_weights_that_are_kept_in_another_file_are_refused(tmp_path: Path) -> None:
    def outside(file: Any) -> None:
        file.create_dataset("w", (4,), "u1", external=[(str(tmp_path / "elsewhere"), 0, 4)])

    with pytest.raises(InputError, match="in another file"):
        refuse_untrusted_keras(_keras_file(tmp_path / "m.keras", _model(DENSE), _weights(outside)))


def test_weights_that_are_declared_and_not_there_are_refused(tmp_path: Path) -> None:
    def huge(file: Any) -> None:
        file.create_dataset("w", (2**30,), "f4", chunks=True)

    with pytest.raises(InputError, match=r"declares 4\.00 GiB of weights"):
        refuse_untrusted_keras(_keras_file(tmp_path / "m.keras", _model(DENSE), _weights(huge)))


def test_an_odd_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'run\.py', which is no part of a Keras model"):
        refuse_untrusted_keras(_keras_file(tmp_path / "m.keras", _model(DENSE), **{"run.py": "1"}))


def test_an_archive_of_something_else_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("word/document.xml", "x")
    with pytest.raises(InputError, match=r"holds no config\.json"):
        refuse_untrusted_keras(tmp_path / "m.keras")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n and no more"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    for refuse, name in ((refuse_untrusted_keras, "m.keras"), (refuse_untrusted_hdf5, "m.h5")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="no readable"):
            refuse(tmp_path / name)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no readable HDF5"):
        refuse_untrusted_keras(_keras_file(tmp_path / "m.keras", _model(DENSE), weights=_weights()[:200]))


def test_a_damaged_configuration_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{")
    with pytest.raises(InputError, match=r"configuration in .* is damaged"):
        refuse_untrusted_keras(tmp_path / "m.keras")
