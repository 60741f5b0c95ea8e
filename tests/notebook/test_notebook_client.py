"""The client that executes the quickstart's notebook: what it says when the kernel does not get to the end."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from embedl_nb.errors import EmbedlError
from embedl_nb.pipeline import notebook_client


def _run(code: str, folder: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook_client.execute(notebook, folder, lambda _: None, lambda _: None)


def test_a_kernel_that_dies_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EmbedlError, match="its kernel died") as caught:
        _run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path)
    assert "memory" in (caught.value.hint or "")


def test_a_cell_that_never_ends_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_client, "_CELL_TIMEOUT_S", 1)
    with pytest.raises(EmbedlError, match="did not finish within 1 s"):
        _run("import time; time.sleep(60)", tmp_path)


def test_a_warning_of_an_answer_reaches_the_terminal(tmp_path: Path) -> None:
    source = "import sys\nfor line in ('noise', 'Warning: busy'): print(line, file=sys.stderr)\nprint('equal')"
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["answer"]})
    said: list[str] = []
    notebook_client.execute(nbformat.v4.new_notebook(cells=[cell]), tmp_path, said.append, said.append)
    assert sorted(said) == ["Warning: busy", "equal"]
