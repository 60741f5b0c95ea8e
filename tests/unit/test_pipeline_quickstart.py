"""What the quickstart does to the folder that it writes into."""

from __future__ import annotations

from pathlib import Path

from embedl_nb.pipeline.quickstart import _free_path


def test_a_notebook_that_somebody_may_have_written_into_is_left_alone(tmp_path: Path) -> None:
    assert _free_path(tmp_path).name == "quickstart.ipynb"
    (tmp_path / "quickstart.ipynb").write_text("mine")
    assert _free_path(tmp_path).name == "quickstart-2.ipynb"
    (tmp_path / "quickstart-2.ipynb").write_text("mine, too")
    assert _free_path(tmp_path).name == "quickstart-3.ipynb"
