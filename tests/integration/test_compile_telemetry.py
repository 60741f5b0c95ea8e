"""Nothing that runs a model reports on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch


def _imported(module: str, folder: Path) -> set[str]:
    """Return what is in the temporary, the home and the cache folder of a process once it has imported ``module``."""
    places = dict.fromkeys(("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(folder))
    environment = {**os.environ, **places}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, env=environment, timeout=300)
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_running_an_onnx_model_starts_no_telemetry_session(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    assert _imported("embedl_nb.compiler.onnx.reference_child", tmp_path) == set()
