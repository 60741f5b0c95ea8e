"""What must be in an installed package besides its modules, and that its name and version are one."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import json
import sys
import tomllib
from pathlib import Path

import pytest

import embedl_nb
from embedl_nb.pipeline.quickstart import _template

FILES = (
    "py.typed",
    "__init__.pyi",
    "pipeline/probe.tflite",
    "device/catalog/phones.csv",
    "device/catalog/SOURCES.md",
    "widgets/static/frame.js",
    "widgets/static/frame.css",
)


def _is_installed_from_a_wheel() -> bool:
    return "site-packages" in Path(embedl_nb.__file__).parts


@pytest.mark.parametrize("name", FILES)
def test_data_files_come_with_the_package(name: str) -> None:
    assert (importlib.resources.files("embedl_nb") / name).is_file()


def test_the_quickstart_notebook_comes_with_the_package() -> None:
    assert json.loads(_template())["nbformat"] == 4


def test_tests_and_benchmarks_do_not_come_with_the_package() -> None:
    if not _is_installed_from_a_wheel():
        pytest.skip("embedl_nb is imported from a checkout; .ci/run repeats this with the wheel installed")
    files = importlib.metadata.files("embedl-nb") or []
    tops = {Path(str(file)).parts[0] for file in files if ".." not in str(file)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"embedl_nb"}


def test_the_installed_version_is_the_packages() -> None:
    try:
        installed = importlib.metadata.version("embedl-nb")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("embedl_nb is not installed but on the path; .ci/run repeats this with the wheel installed")
    assert installed == embedl_nb.__version__


def test_the_shell_command_is_declared(project_root: Path) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"embedl-nb": "embedl_nb.cli:main"}


def test_this_python_is_allowed(project_root: Path) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    assert sys.version_info >= (3, 11)
