"""The names users rely on. A change here is a change for all of them."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import embedl_nb

PUBLIC = [
    "Benchmark",
    "Choice",
    "Comparison",
    "DevicePicker",
    "EmbedlError",
    "EmbedlWarning",
    "LayerExplorer",
    "LiteRTModel",
    "Placement",
    "ResultSet",
    "RunBrowser",
    "__version__",
    "benchmark",
    "bisect",
    "catalog",
    "compare",
    "compile",
    "devices",
    "doctor",
    "errors",
    "export_runs",
    "image_input",
    "images",
    "import_runs",
    "load",
    "pick",
    "preflight",
    "quantize",
    "report",
    "rerun",
    "runs",
    "sensitivity",
]
PACKAGE = Path(embedl_nb.__file__).parent


def test_the_public_names_are_these() -> None:
    assert sorted(embedl_nb.__all__) == PUBLIC
    assert dir(embedl_nb) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_can_be_used(name: str) -> None:
    assert getattr(embedl_nb, name) is not None


def test_every_public_function_says_what_it_takes_and_what_it_returns() -> None:
    functions = {name: getattr(embedl_nb, name) for name in PUBLIC if inspect.isfunction(getattr(embedl_nb, name))}
    unsaid = {name: missing for name, function in functions.items() if (missing := _not_documented(function))}
    assert unsaid == {}


def _not_documented(function: Callable[..., object]) -> set[str]:
    sections = re.split(r"\n(?=\w+\n-+\n)", inspect.getdoc(function) or "")
    named = {section.partition("\n")[0]: section for section in sections[1:]}
    taken = {word.strip("*") for line in named.get("Parameters", "").splitlines() for word in line.split(", ")}
    return (set(inspect.signature(function).parameters) - taken) | ({"Returns"} - named.keys())


def test_the_columns_of_public_tables_are_those_that_their_functions_document(empty_home: Path) -> None:
    for table in (embedl_nb.runs, embedl_nb.devices):
        documented = (inspect.getdoc(table) or "").partition("Columns: ``")[2].partition("``")[0].split()
        assert list(table().columns) == documented


def test_all_names_can_be_imported_at_once() -> None:
    names: dict[str, object] = {}
    exec("from embedl_nb import *", names)
    assert set(PUBLIC) <= set(names)


def test_the_types_name_the_same() -> None:
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    values = [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    typed |= {value.id for value in values if isinstance(value, ast.Name)}
    assert typed - {None} == set(PUBLIC)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'embedl_nb' has no attribute 'compil'") as caught:
        embedl_nb.compil  # noqa: B018
    assert caught.value.name == "compil"
    assert caught.value.obj is embedl_nb


def test_no_package_hides_a_public_function() -> None:
    """Importing a subpackage sets its name on the package, and would replace a function of the same name."""
    inside = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}
    assert inside & set(PUBLIC) == {"errors"}


def test_the_command_starts_the_command_line() -> None:
    assert importlib.util.find_spec("embedl_nb.cli") is not None
    from embedl_nb.cli import main

    assert callable(main)
