"""Two kernels compile the same model at once: one works, the other waits for it and finds the result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("litert_torch")

pytestmark = [pytest.mark.torch, pytest.mark.litert]

SCRIPT = """
import json, sys, time
from pathlib import Path
import torch
from embedl_nb import progress
from embedl_nb.compiler import compile_model

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()).eval()
stages = []

def listen(event):
    stages.append(event.stage)
    if event.stage == "export":  # the lock is held from here on
        Path(sys.argv[1]).touch()
    if event.stage == "wait":
        Path(sys.argv[2]).touch()
    while event.stage == "lower" and not Path(sys.argv[2]).exists():
        time.sleep(0.01)  # until the other one waits

with progress.listening(listen):
    model = compile_model(net, torch.ones(2, 4))
print(json.dumps({"stages": stages, "path": str(model.path), "passed": model.parity.passed}))
"""


def _start(folder: Path, project_root: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project_root), *sys.path])}
    arguments = [sys.executable, "-c", SCRIPT, str(folder / "held"), str(folder / "waiting")]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)


def _result(process: subprocess.Popen[str]) -> dict[str, object]:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return dict(json.loads(output.splitlines()[-1]))


def test_a_second_kernel_waits_for_the_first(empty_home: Path, tmp_path: Path, project_root: Path) -> None:
    results = [_result(process) for process in [_start(tmp_path, project_root) for _ in range(2)]]
    worked = [result for result in results if "lower" in result["stages"]]
    waited = [result for result in results if "wait" in result["stages"]]
    assert len(worked) == len(waited) == 1
    assert worked[0] is not waited[0]
    assert worked[0]["path"] == waited[0]["path"]
    assert worked[0]["passed"]
    assert waited[0]["passed"]
    assert (tmp_path / "held").exists()


def test_importing_the_compiler_and_a_hit_load_no_converter(project_root: Path) -> None:
    script = """
import sys
import embedl_nb.compiler
heavy = {"torch", "litert_torch", "jax", "mlflow", "pandas", "plotly", "tensorflow"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
import torch
from embedl_nb.compiler import compile_model
net = torch.nn.Linear(4, 3).eval()
compile_model(net, torch.ones(2, 4))
compile_model(net, torch.ones(2, 4))
assert not (heavy - {"torch"}) & set(sys.modules), (heavy - {"torch"}) & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project_root), *sys.path])}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=300)
