"""Data flows one way: the packages' imports, those inside functions too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_LINT = (
    "import sys; from importlinter.cli import lint_imports; "
    "sys.exit(lint_imports(config_filename=sys.argv[1], no_cache=True))"
)


def test_imports_point_downward_only(project_root: Path) -> None:
    pytest.importorskip("importlinter", reason="needs import-linter: pip install 'embedl-nb[test]'")
    # In a process of its own: it takes over the standard streams.
    command = [sys.executable, "-c", _LINT, str(project_root / "pyproject.toml")]
    lint = subprocess.run(command, capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr
