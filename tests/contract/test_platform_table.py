"""The platform table, the doctor and the package's own requirements say the same."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from embedl_nb.pipeline.checks import COMPILER, KERAS, ONNX, QUANTIZER, RUNTIME
from embedl_nb.pipeline.platforms import PLATFORMS

MACHINES = {"Linux x86-64": "x86_64", "Linux arm64": "aarch64", "macOS arm64": "arm64", "macOS x86-64": "x86_64"}
MACHINES["Windows x86-64"] = "AMD64"


@pytest.fixture
def requirements(project_root: Path) -> dict[str, Any]:
    packaging = pytest.importorskip("packaging.requirements", reason="needs packaging: pip install packaging")
    project = tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *(line for name in ("torch", "onnx", "keras", "quantize") for line in extras[name]),
    ]
    return {each.name: each for each in map(packaging.Requirement, lines)}


def _is_asked_for(requirement: Any, key: tuple[str, str]) -> bool:
    if requirement.marker is None:
        return True
    machine = MACHINES[PLATFORMS[key].name]
    return bool(requirement.marker.evaluate({"sys_platform": key[0], "platform_machine": machine}))


@pytest.mark.parametrize("key", sorted(PLATFORMS), ids="-".join)
def test_a_package_is_asked_for_exactly_where_it_has_wheels(key: tuple[str, str], requirements: dict[str, Any]) -> None:
    row = PLATFORMS[key]
    assert _is_asked_for(requirements["ai-edge-litert"], key) == row.cpu.is_available
    assert _is_asked_for(requirements["litert-torch"], key) == row.compile.is_available
    assert _is_asked_for(requirements["torch"], key) == row.compile.is_available
    assert _is_asked_for(requirements["tensorflow"], key) == row.keras.is_available
    assert row.onnx == row.compile  # the extra for ONNX asks for the one of PyTorch


@pytest.mark.parametrize("known", [RUNTIME, *COMPILER[:2], *ONNX, *KERAS, QUANTIZER], ids=lambda known: known.package)
def test_the_doctor_knows_the_ranges_that_are_installed(known: Any, requirements: dict[str, Any]) -> None:
    # litert-converter is left out: litert-torch asks for it, and for the right one.
    limits = {f">={known.at_least}", *([f"<{known.below}"] if known.below else [])}
    assert {str(limit) for limit in requirements[known.package].specifier} == limits
