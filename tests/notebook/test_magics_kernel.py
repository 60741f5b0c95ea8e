"""The magics in a real kernel: what a front end gets for an error, for Tab and for a question mark."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("nbclient", reason="needs a notebook client: pip install 'embedl-nb[notebook]'")

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

pytestmark = pytest.mark.notebook

LIMIT_S = 120


def _use_this_python(manager: Any) -> None:
    # A kernel of the same name that the user has installed may be another Python.
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """Return a client of a kernel with the extension loaded and a few variables."""
    manager = KernelManager(kernel_name="python3")
    _use_this_python(manager)
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=LIMIT_S)
        ready = "%load_ext embedl_nb\nimport numpy as np\nimage, number = np.ones((1, 4)), 3"
        reply = client.execute_interactive(ready, timeout=LIMIT_S, output_hook=lambda message: None)
        assert reply["content"]["status"] == "ok", reply["content"]
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def tab(kernel: Any, code: str) -> tuple[list[str], str]:
    """Return what Tab offers at the end of ``code``, and the text it would replace."""
    content = kernel.complete(code, reply=True, timeout=LIMIT_S)["content"]
    return content["matches"], code[content["cursor_start"] : content["cursor_end"]]


def test_tab_completes_options(kernel: Any) -> None:
    assert tab(kernel, "%embedl_benchmark model --th") == (["--threads"], "--th")


def test_tab_completes_variables_of_the_right_kind(kernel: Any) -> None:
    offered, replaced = tab(kernel, "m = %embedl_compile net --inputs ")
    assert (offered[0], replaced) == ("image", "")
    assert "number" not in offered


def test_tab_completes_a_device_over_its_punctuation(kernel: Any) -> None:
    assert tab(kernel, "%embedl_benchmark model --device host:") == (["host://"], "host:")


def test_tab_says_what_kind_a_completion_is(kernel: Any) -> None:
    code = "%embedl_benchmark model --device h"
    content = kernel.complete(code, reply=True, timeout=LIMIT_S)["content"]
    assert [each["type"] for each in content["metadata"]["_jupyter_types_experimental"]] == ["device"]


def test_a_question_mark_shows_the_help(kernel: Any) -> None:
    reply = kernel.execute_interactive("%embedl_benchmark?", timeout=LIMIT_S, output_hook=lambda message: None)
    (page,) = reply["content"]["payload"]
    assert "Usage: %embedl_benchmark [OPTIONS] MODEL" in page["data"]["text/plain"]


def shown(kernel: Any, code: str) -> list[dict[str, Any]]:
    """Return what a cell shows: the content of each message that has data or an error."""
    found: list[dict[str, Any]] = []

    def note(message: Any) -> None:
        if message["msg_type"] in ("display_data", "execute_result", "error"):
            found.append(message["content"])

    kernel.execute_interactive(code, timeout=LIMIT_S, output_hook=note)
    return found


@pytest.mark.parametrize("code", ["%embedl_benchmark", "r = %embedl_benchmark model"])
def test_shift_tab_on_a_magic_shows_its_options_and_an_example(kernel: Any, code: str) -> None:
    place = code.index("%") + 5
    content = kernel.inspect(code, cursor_pos=place, reply=True, timeout=LIMIT_S)["content"]
    assert content["found"]
    help_text = content["data"]["text/plain"]
    assert "--threads" in help_text
    assert "Example:" in help_text


def test_layers_are_opened_below_the_result_of_the_line(kernel: Any) -> None:
    pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")
    made = "before, after = fake_benchmark(3), fake_benchmark(3, seed=2)"
    shown(kernel, f"from embedl_nb.testing.results import fake_benchmark\n{made}")
    result, widget, table = (each["data"] for each in shown(kernel, "%embedl_compare before {after} --explore"))
    assert "virtual_net" in result["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in widget
    assert "Largest changes" in table["text/html"]


def test_a_message_of_a_megabyte_is_kept_short_in_the_notebook(kernel: Any) -> None:
    code = "from embedl_nb import errors, pipeline\n"
    code += "def runs(*_, **__):\n    raise errors.EmbedlError('x' * 2**20, hint='wait')\n"
    (error,) = shown(kernel, f"{code}real, pipeline.runs = pipeline.runs, runs\n%embedl_runs")
    shown(kernel, "pipeline.runs = real")
    assert [line[:10] for line in error["traceback"]] == ["EmbedlErro", "Try: wait"]
    assert len(json.dumps(error)) < 10_000


def test_a_mistake_is_an_error_output_of_two_lines() -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell("%load_ext embedl_nb\nsmall = 1"),
        nbformat.v4.new_code_cell("result = %embedl_benchmark smal --threads 2"),
    ]
    manager = KernelManager(kernel_name="python3")
    _use_this_python(manager)
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, km=manager, timeout=LIMIT_S).execute()
    (error,) = notebook.cells[1].outputs
    assert error.output_type == "error"
    assert error.ename == "UnknownNameError"
    assert error.traceback == ["UnknownNameError: unknown variable 'smal'", "Try: did you mean small?"]
    assert json.loads(nbformat.writes(notebook))["cells"][1]["outputs"][0]["ename"] == "UnknownNameError"
