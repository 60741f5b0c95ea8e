"""Data flows one way: the packages' imports, those inside functions too."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_imports_point_downward_only(project_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lint = pytest.importorskip("importlinter.cli", reason="needs import-linter: pip install 'embedl-nb[test]'")
    code = lint.lint_imports(config_filename=str(project_root / "pyproject.toml"), no_cache=True)
    assert code == 0, capsys.readouterr().out
