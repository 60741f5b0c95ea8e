"""The program in a shell: what goes where, and which exit code it means."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from embedl_nb import cli
from embedl_nb.errors import CompileError, EmbedlWarning, UnstableMeasurementWarning
from embedl_nb.pipeline.quickstart import Quickstart


def test_a_result_is_printed_and_the_exit_code_is_0(fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr() == ("result of doctor\n", "")


def test_a_usage_error_is_two_lines_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["benchmark", "x.tflite", "--thread", "2"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "Error: unknown option '--thread'"
    assert err.splitlines()[1].startswith("Try: did you mean --threads")
    assert len(err.splitlines()) == 2


def test_a_failure_is_two_lines_and_exit_code_1(
    fake_pipeline: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "x.pt2").write_bytes(b"")
    fake_pipeline.errors["compile"] = CompileError("no lowering for\naten.erfinv", hint="replace it")
    assert cli.main(["compile", str(tmp_path / "x.pt2")]) == 1
    assert capsys.readouterr() == ("", "Error: no lowering for aten.erfinv\nTry: replace it\n")


def test_an_unforeseen_error_shows_no_traceback(fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_pipeline.errors["runs"] = ZeroDivisionError("division by zero")
    assert cli.main(["runs"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: unexpected ZeroDivisionError: division by zero\nTry: run it again with --verbose")


def test_verbose_shows_the_traceback(fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_pipeline.errors["runs"] = CompileError("broken")
    assert cli.main(["runs", "--verbose"]) == 1
    assert cli.main(["--verbose", "runs"]) == 1
    assert capsys.readouterr().err.count("Traceback (most recent call last)") == 2


def test_the_environment_can_ask_for_tracebacks(
    fake_pipeline: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDL_NB_DEBUG", "1")
    fake_pipeline.errors["runs"] = CompileError("broken")
    cli.main(["runs"])
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interrupt_stops_without_a_traceback(fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_pipeline.errors["ui"] = KeyboardInterrupt()
    assert cli.main(["ui"]) == 130
    assert capsys.readouterr().err == "\nstopped\n"


def test_a_warning_is_one_line(
    fake_pipeline: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedl_nb import pipeline

    monkeypatch.setattr(
        pipeline, "runs", lambda *_, **__: warnings.warn("the store is down", EmbedlWarning, stacklevel=1)
    )
    assert cli.main(["runs"]) == 0
    assert capsys.readouterr() == ("", "Warning: the store is down\n")


def test_a_machine_that_cannot_measure_fails_the_doctor(fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    class Report:
        can_measure = False

    fake_pipeline.results["doctor"] = Report()
    assert cli.main(["doctor"]) == 1


def test_an_empty_frame_says_so(fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import pandas as pd

    fake_pipeline.results["runs"] = pd.DataFrame(columns=["run_id"])
    assert cli.main(["runs"]) == 0
    assert capsys.readouterr().out == "nothing yet\n"


def test_a_frame_is_shown_without_its_empty_columns(fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import pandas as pd

    fake_pipeline.results["runs"] = pd.DataFrame(
        {
            "run_id": ["a", "b"],
            "p50_ms": [3.14159265, None],
            "peak_memory_bytes": [44785664.0, None],
            "parent": ["", ""],
        }
    )
    assert cli.main(["runs"]) == 0
    head, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head == ["run_id", "p50_ms", "peak_memory_bytes"]
    assert first == ["a", "3.142", "44785664"]
    assert second == ["b"]


def test_what_the_result_says_is_not_warned_of_again(
    fake_pipeline: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedl_nb import pipeline

    def measure(*_: Any, **__: Any) -> None:
        warnings.warn("two modes", UnstableMeasurementWarning, stacklevel=1)

    monkeypatch.setattr(pipeline, "runs", measure)
    assert cli.main(["runs"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_quickstart_says_where_its_files_are(fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_pipeline.results["quickstart"] = Quickstart(
        notebook_path=Path("/q/quickstart.ipynb"), report_path=Path("/q/report.html"), seconds=42.4
    )
    assert cli.main(["quickstart", "/q"]) == 0
    out = capsys.readouterr().out
    assert "/q/quickstart.ipynb" in out
    assert "/q/report.html" in out
    assert "42 s" in out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    import embedl_nb

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"embedl-nb {embedl_nb.__version__}\n"
