"""What the documents promise exists: commands, magics, options, names, files; and CI runs what they say it runs."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

import embedl_nb
from embedl_nb.commands import COMMANDS
from embedl_nb.magics.line import MAGICS

# The wheel alone does not bring it; these tests have been run from the checkout by then.
nbformat = pytest.importorskip("nbformat", reason="reads notebooks: pip install 'embedl-nb[notebook]'")

NOTEBOOKS = tuple(
    f"notebooks/{name}.ipynb" for name in ("quickstart", "compile", "quantize", "preflight", "phones", "tour")
)
DOCUMENTS = ("README.md", "CONTRIBUTING.md", *NOTEBOOKS)


@pytest.fixture(scope="module")
def notebook(project_root: Path) -> Any:
    return nbformat.read(project_root / "notebooks" / "quickstart.ipynb", as_version=4)


@pytest.fixture(params=DOCUMENTS)
def document(request: pytest.FixtureRequest, project_root: Path) -> str:
    """Return one document's text; of a notebook, its cells' sources."""
    path = project_root / request.param
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


@pytest.fixture(scope="module")
def readme(project_root: Path) -> str:
    return (project_root / "README.md").read_text(encoding="utf-8")


def _blocks(markdown: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", markdown, flags=re.DOTALL | re.MULTILINE)


def _unknown_options(command: click.Command, words: list[str]) -> list[str]:
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
    return [word for word in words if word.startswith("-") and word.split("=")[0] not in known]


def test_every_shell_command_in_a_document_exists(document):
    named = set(re.findall(r"embedl-nb ([a-z]+(?:-[a-z]+)*)", document))
    assert named <= set(COMMANDS)


def test_every_magic_in_a_document_exists_with_its_options(document):
    lines = re.findall(r"%(embedl_\w+)([^\n`|#?]*)", document)
    for magic, rest in lines:
        assert magic in MAGICS
        assert _unknown_options(COMMANDS[MAGICS[magic]], shlex.split(rest)) == []


def test_every_public_name_in_a_document_exists(document):
    named = set(re.findall(r"\benb\.(\w+)", document))
    assert named <= set(dir(embedl_nb))


def test_the_magics_and_their_python_are_side_by_side(notebook):
    table = next(cell.source for cell in notebook.cells if "| magic |" in cell.source)
    for verb in ("compile", "benchmark", "runs", "doctor"):
        row = next(line for line in table.splitlines() if f"%embedl_{verb}" in line)
        assert f"enb.{verb}(" in row


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_a_notebook_is_committed_without_outputs(path, project_root):
    code = [cell for cell in nbformat.read(project_root / path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[] for _ in code]
    assert {cell.execution_count for cell in code} == {None}


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_a_notebook_asks_for_no_kernel(path, project_root):
    assert nbformat.read(project_root / path, as_version=4).metadata.kernelspec.name == "python3"


def test_every_notebook_is_looked_at(project_root):
    found = {path.relative_to(project_root).as_posix() for path in (project_root / "notebooks").glob("*.ipynb")}
    assert found == set(NOTEBOOKS)


def test_the_notebook_that_the_quickstart_runs_is_this_one(project_root):
    import importlib

    # The function of the same name hides the module from "from ... import".
    module = importlib.import_module("embedl_nb.pipeline.quickstart")
    committed = (project_root / "notebooks" / "quickstart.ipynb").read_text(encoding="utf-8")
    assert module._template() == committed


def test_the_readme_shows_the_platforms_as_they_are(readme):
    import importlib

    platforms = importlib.import_module("embedl_nb.pipeline.platforms")
    assert platforms.markdown_table() in readme
    assert platforms.NOTE in readme


def test_the_readme_shows_at_most_twenty_lines_of_notebook(readme):
    block, *others = _blocks(readme, "python")
    assert len([line for line in block.splitlines() if line.strip()]) <= 20
    for each in (block, *others):
        ast.parse(each)


def test_the_files_a_document_links_to_exist(readme, project_root):
    contributing = (project_root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme + contributing) if "://" not in link]
    assert links
    assert [link for link in links if not (project_root / link).exists()] == []


def test_the_readmes_commands_install_extras_that_exist(readme, project_root):
    project = tomllib.loads((project_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(re.findall(r'pip install (?:-e )?"\.\[(\w+)\]"', readme))
    assert extras == {"keras", "onnx", "qualcomm", "quantize", "quickstart", "test"}
    assert extras <= set(project["optional-dependencies"])


def test_ci_runs_the_readmes_test_command_and_what_contributing_lists(readme, project_root):
    script = [line.replace("pip install -q", "pip install") for line in _script_lines(project_root)]
    contributing = (project_root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    test_command = next(line for line in _blocks(readme, "bash")[-1].splitlines() if "pytest" in line)
    assert test_command in script
    set_up, checks, _ = _blocks(contributing, "bash")
    assert set_up.strip() == test_command
    listed = [line for line in checks.splitlines() if line != "pytest"]  # that one is the test command's own end
    assert listed
    assert [line for line in listed if line not in script] == []


def _script_lines(project_root: Path) -> list[str]:
    return (project_root / ".ci" / "run").read_text(encoding="utf-8").splitlines()
