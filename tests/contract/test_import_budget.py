"""Importing the package and loading the extension bring in nothing heavy. ``benchmarks/import_time.py`` times them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "IPython",
    "ai_edge_litert",
    "anywidget",
    "click",
    "filelock",
    "google",
    "ipywidgets",
    "jax",
    "litert_torch",
    "mlflow",
    "nbclient",
    "nbformat",
    "numpy",
    "pandas",
    "plotly",
    "psutil",
    "sqlalchemy",
    "tensorflow",
    "torch",
    "transformers",
}
_NEW_MODULES = """
import json, sys
{before}
old = set(sys.modules)
{action}
print(json.dumps(sorted(set(sys.modules) - old)))
"""


def new_modules(action: str, before: str = "") -> set[str]:
    code = _NEW_MODULES.format(action=action, before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(found)


def test_importing_the_package_imports_the_package_only() -> None:
    added = new_modules("import embedl_nb")
    assert {name for name in added if name.split(".")[0] == "embedl_nb"} == {"embedl_nb"}
    assert not {name.split(".")[0] for name in added} & HEAVY
    assert len(added) <= 6, "each module of the standard library costs, too"


def test_looking_at_the_names_imports_nothing() -> None:
    assert new_modules("dir(embedl_nb), embedl_nb.__version__", before="import embedl_nb") == set()


def test_the_catalog_comes_without_heavy_packages() -> None:
    added = new_modules("len(embedl_nb.catalog('pixel'))", before="import embedl_nb")
    assert not {name.split(".")[0] for name in added} & HEAVY


def test_the_pipeline_comes_without_heavy_packages() -> None:
    added = new_modules("import embedl_nb; embedl_nb.compile, embedl_nb.benchmark, embedl_nb.runs, embedl_nb.doctor")
    assert not {name.split(".")[0] for name in added} & HEAVY


def test_loading_the_extension_adds_no_heavy_package() -> None:
    pytest.importorskip("IPython", reason="needs IPython: pip install 'embedl-nb[notebook]'")
    added = new_modules(
        "shell.extension_manager.load_extension('embedl_nb')",
        before="from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell()",
    )
    assert "embedl_nb.magics" in added
    assert not {name.split(".")[0] for name in added} & HEAVY
    assert not {name for name in added if name.startswith(("embedl_nb.pipeline", "embedl_nb.commands"))}


@pytest.mark.parametrize("module", ["embedl_nb.model", "embedl_nb.measure", "embedl_nb.device", "embedl_nb.runstore"])
def test_results_come_without_converters_and_trackers(module: str) -> None:
    slow = HEAVY - {"numpy", "filelock"}
    assert not {name.split(".")[0] for name in new_modules(f"import {module}")} & slow
