"""Archives that could do more than compute are refused before torch sees them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from embedl_nb.compiler.sources.pt2_check import refuse_untrusted
from embedl_nb.errors import InputError


def _archive(path: Path, model: dict[str, Any], **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/models/model.json", json.dumps(model))
        archive.writestr("net/archive_version", "1")
        for name, content in members.items():
            archive.writestr(f"net/{name.replace('__', '/')}", content)
    return path


def _calling(target: str) -> dict[str, Any]:
    return {"graph_module": {"graph": {"nodes": [{"target": target}]}}, "guards_code": [], "range_constraints": {}}


@pytest.mark.parametrize(
    "target", ["torch.ops.aten.conv2d.default", "_operator.getitem", "torch.ops.higher_order.cond", "torch.sym_int"]
)
def test_tensor_operators_are_let_through(tmp_path: Path, target: str) -> None:
    refuse_untrusted(_archive(tmp_path / "net.pt2", _calling(target)))


@pytest.mark.parametrize(
    "target",
    ["torch.os.system", "torch.load", "torch.ops.load_library", "_operator.call", "torch.ops.aten.__class__", "eval"],
)
def test_a_call_of_something_else_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(InputError, match="no tensor operator"):
        refuse_untrusted(_archive(tmp_path / "net.pt2", _calling(target)))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    config = json.dumps({"config": {"w": {"path_name": "weight_0", "use_pickle": True}}})
    path = _archive(tmp_path / "net.pt2", _calling("torch.ops.aten.add.Tensor"), data__weights__config=config)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/data/weights/model_weights_config.json", config)
    with pytest.raises(InputError, match="pickled objects"):
        refuse_untrusted(path)


def test_a_compiled_library_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "net.pt2", _calling("torch.ops.aten.add.Tensor"), data__aotinductor__model__net="x")
    with pytest.raises(InputError, match="aotinductor"):
        refuse_untrusted(path)


@pytest.mark.parametrize("expression", ["().__class__", "exec('x')", "Symbol('s0').func"])
def test_a_size_that_is_no_arithmetic_is_refused(tmp_path: Path, expression: str) -> None:
    model = _calling("torch.ops.aten.add.Tensor") | {"size": {"as_expr": {"expr_str": expression}}}
    with pytest.raises(InputError, match="odd expression"):
        refuse_untrusted(_archive(tmp_path / "net.pt2", model))


def test_sizes_that_are_arithmetic_are_let_through(tmp_path: Path) -> None:
    model = _calling("torch.ops.aten.add.Tensor") | {"size": {"as_expr": {"expr_str": "Max(1, 2*s77 + 1)"}}}
    model |= {"guards_code": ["L['x'].size()[0] >= 2"], "range_constraints": {"s77": {}}}
    refuse_untrusted(_archive(tmp_path / "net.pt2", model))


def test_a_condition_that_calls_something_is_refused(tmp_path: Path) -> None:
    model = _calling("torch.ops.aten.add.Tensor") | {"guards_code": ["open('/etc/hostname')"]}
    with pytest.raises(InputError, match="odd condition"):
        refuse_untrusted(_archive(tmp_path / "net.pt2", model))


def test_an_archive_of_an_old_version_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as archive:
        archive.writestr("serialized_state_dict.pt", "x")
    with pytest.raises(InputError, match="old version"):
        refuse_untrusted(tmp_path / "net.pt2")


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_text("hello")
    with pytest.raises(InputError, match=r"no readable \.pt2 archive"):
        refuse_untrusted(tmp_path / "net.pt2")
