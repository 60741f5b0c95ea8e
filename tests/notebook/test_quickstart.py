"""``embedl-nb quickstart`` as its user runs it: what the terminal says, the executed notebook, the offline report."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

pytestmark = [pytest.mark.notebook, pytest.mark.torch, pytest.mark.litert]

_TIMEOUT_S = 900  # a limit against hanging on a loaded machine; the run takes about a minute


@dataclass(frozen=True)
class Run:
    stdout: str
    folder: Path
    notebook: Any

    @property
    def code_cells(self) -> list[Any]:
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @property
    def answer(self) -> Any:
        """The cell that answers everything: the first that speaks to the terminal."""
        return next(cell for cell in self.code_cells if "answer" in cell.metadata.get("tags", ()))

    def data(self, source: str) -> dict[str, Any]:
        """Return the last output's data of the cell that contains ``source``."""
        (cell,) = [cell for cell in self.code_cells if source in cell.source]
        return cell.outputs[-1].data


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("quickstart") / "results"
    process = subprocess.run(
        [sys.executable, "-m", "embedl_nb.cli", "quickstart", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    assert process.returncode == 0, process.stderr
    return Run(process.stdout, folder, nbformat.read(folder / "quickstart.ipynb", as_version=4))


def test_the_terminal_names_the_pictures_before_and_after(run):
    assert "PyTorch sees Egyptian cat, LiteRT sees Egyptian cat" in run.stdout
    assert "PyTorch sees espresso, LiteRT sees espresso" in run.stdout


def test_the_terminal_gives_the_latency_and_the_files(run):
    assert re.search(r"p50 [\d.]+ ms", run.stdout)
    assert re.search(r"p95 [\d.]+ ms", run.stdout)
    assert str(run.folder / "quickstart.ipynb") in run.stdout
    assert str(run.folder / "report.html") in run.stdout


def test_every_cell_ran_without_an_error(run):
    assert [cell.execution_count for cell in run.code_cells] == list(range(1, len(run.code_cells) + 1))
    kinds = {output.output_type for cell in run.code_cells for output in cell.outputs}
    assert "error" not in kinds


def test_the_first_cell_answers_everything(run):
    answer = run.answer.outputs[-1].data["text/plain"]
    assert "outputs match" in answer.splitlines()[0]
    assert re.search(r"p50 [\d.]+ ms", answer.splitlines()[0])
    assert "not a phone" in answer
    assert "unknown" in answer.lower()
    assert "model.save(" in answer or "embedl-nb" in answer or "enb." in answer


def test_the_waterfall_has_one_bar_a_layer(run):
    figure = run.data("result.waterfall()")["application/vnd.plotly.v1+json"]
    bars = [len(trace["y"]) for trace in figure["data"] if trace["name"] != "unattributed"]
    (rows,) = re.findall(r"Slowest layers \(\d+ of (\d+)\)", run.answer.outputs[-1].data["text/plain"])
    assert sum(bars) == int(rows)


def test_the_layers_name_modules_of_the_source(run):
    assert "_blocks" in run.data("result.layers.nlargest")["text/plain"]


def test_a_recorded_result_loads_unchanged(run):
    assert run.data("enb.load(result.run_id)")["text/plain"] == "True"


def test_the_report_is_one_file_that_needs_no_network(run):
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "efficientnet_lite0" in page
    assert re.findall(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["']https?:""", page) == []


def test_the_saved_model_is_a_litert_file(run):
    assert (run.folder / "efficientnet_lite0.tflite").read_bytes()[4:8] == b"TFL3"
