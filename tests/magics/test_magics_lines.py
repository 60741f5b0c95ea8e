"""A magic returns its command's object; an error is two lines with its own type."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import pytest

from embedl_nb import errors
from embedl_nb.errors import CompileError, EmbedlError, EmbedlWarning, InputError, UnknownNameError
from embedl_nb.magics.line import show_in_two_lines


def test_a_magic_returns_the_object(shell: Any, fake_pipeline: Any) -> None:
    shell.user_ns.update(net=object(), x=(1, 2))
    shell.value("m = %embedl_compile net --inputs x --name mobilenet")
    assert shell.user_ns["m"] == "result of compile"
    assert fake_pipeline.calls == [
        (
            "compile",
            (shell.user_ns["net"], (1, 2)),
            {
                "name": "mobilenet",
                "input_shapes": None,
                "dynamic_shapes": None,
                "layout": "keep",
                "state": None,
                "verify": True,
                "device": None,
                "aot": False,
            },
        )
    ]


def test_the_object_of_a_cell_is_its_value(shell: Any, fake_pipeline: Any) -> None:
    assert shell.value("%embedl_runs") == "result of runs"


def test_a_closing_semicolon_hides_the_object(shell: Any, fake_pipeline: Any) -> None:
    shell.user_ns["small"] = 1
    assert shell.value("%embedl_benchmark small;") is None
    assert len(fake_pipeline.calls) == 1


def test_a_bracket_in_a_path_does_not_lose_the_object(shell: Any, fake_pipeline: Any) -> None:
    assert shell.value("%embedl_report 20261128 -o rep[1.html") == "result of report"


def test_variables_of_a_calling_function_count(shell: Any, fake_pipeline: Any) -> None:
    shell.value("def measure(inner):\n    return get_ipython().run_line_magic('embedl_benchmark', 'inner')\nmeasure(7)")
    ((_, args, _),) = fake_pipeline.calls
    assert args == (7, "host://")


def test_python_values_can_be_put_into_the_line(shell: Any, fake_pipeline: Any) -> None:
    shell.value("threads, small = 3, 1\n%embedl_benchmark small --threads {threads}")
    assert fake_pipeline.calls[0][2]["num_threads"] == 3


def test_a_mistake_is_two_lines_with_its_own_type(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownNameError):
        shell.value("small = 1\n%embedl_benchmark smal")
    assert capsys.readouterr().out.splitlines() == [
        "UnknownNameError: unknown variable 'smal'",
        "Try: did you mean small?",
    ]


def test_an_error_of_the_work_is_two_lines_too(
    shell: Any, fake_pipeline: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_pipeline.errors["compile"] = CompileError("no lowering\nfor erfinv", hint="replace it")
    with pytest.raises(CompileError):
        shell.value("net = 1\n%embedl_compile net")
    assert capsys.readouterr().out.splitlines() == ["CompileError: no lowering for erfinv", "Try: replace it"]


def test_a_warning_of_a_magic_is_one_line_without_a_place_in_our_files(
    shell: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from embedl_nb import pipeline

    def warn(*_: Any, **__: Any) -> None:
        warnings.warn("busy machine:\nload 9", EmbedlWarning, stacklevel=2)

    monkeypatch.setattr(pipeline, "benchmark", warn)
    shell.value("small = 1\n%embedl_benchmark small")
    assert capsys.readouterr().err == "Warning: busy machine: load 9\n"


def test_a_message_of_a_megabyte_is_cut_in_the_lines_and_in_the_notebook(
    shell: Any, fake_pipeline: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "the log says " + "x" * 2**20
    fake_pipeline.errors["runs"] = CompileError(message, hint="y" * 2**20)
    with pytest.raises(CompileError) as caught:
        shell.value("%embedl_runs")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20] for line in lines] == ["CompileError: the lo", "Try: yyyyyyyyyyyyyyy"]
    assert "more characters" in lines[0]
    assert len(str(caught.value)) < 5000, "a front end keeps it beside the lines"
    assert caught.value.details == message


@pytest.mark.parametrize(
    "kind", [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, EmbedlError)]
)
def test_each_error_of_the_tree_is_two_lines(
    shell: Any, fake_pipeline: Any, capsys: pytest.CaptureFixture[str], kind: type[EmbedlError]
) -> None:
    fake_pipeline.errors["runs"] = kind("what happened", hint="what to do")
    with pytest.raises(kind):
        shell.value("%embedl_runs")
    assert capsys.readouterr().out.splitlines() == [f"{kind.__name__}: what happened", "Try: what to do"]


def test_an_error_without_a_hint_is_one_line(
    shell: Any, fake_pipeline: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_pipeline.errors["runs"] = EmbedlError("broken")
    with pytest.raises(EmbedlError):
        shell.value("%embedl_runs")
    assert capsys.readouterr().out.splitlines() == ["EmbedlError: broken"]


@pytest.mark.parametrize("ask", ["%embedl_runs --verbose", "%env EMBEDL_NB_DEBUG=1\n%embedl_runs"])
def test_the_traceback_can_be_asked_for(
    shell: Any,
    fake_pipeline: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ask: str,
) -> None:
    monkeypatch.setenv("EMBEDL_NB_DEBUG", "")  # put back after the test
    fake_pipeline.errors["runs"] = EmbedlError("broken")
    with pytest.raises(EmbedlError):
        shell.value(ask)
    assert "Traceback" in capsys.readouterr().out


def test_an_unforeseen_error_keeps_its_traceback(
    shell: Any, fake_pipeline: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_pipeline.errors["runs"] = ZeroDivisionError("division by zero")
    with pytest.raises(ZeroDivisionError):
        shell.value("%embedl_runs")
    assert "Traceback" in capsys.readouterr().out


def test_an_interrupt_stays_an_interrupt(shell: Any, fake_pipeline: Any) -> None:
    fake_pipeline.errors["runs"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        shell.value("%embedl_runs")


def test_an_interrupt_is_a_line_and_what_was_kept_another(
    shell: Any, fake_pipeline: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = KeyboardInterrupt("what was measured until then is kept")
    stopped.add_note('enb.load("20261128-1") has it')
    fake_pipeline.errors["runs"] = stopped
    with pytest.raises(KeyboardInterrupt):
        shell.value("%embedl_runs")
    assert capsys.readouterr().out.splitlines() == [
        "KeyboardInterrupt: what was measured until then is kept",
        'enb.load("20261128-1") has it',
    ]


def test_help_shows_and_returns_nothing(shell: Any, fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.value("%embedl_benchmark --help") is None
    assert capsys.readouterr().out.startswith("Usage: %embedl_benchmark [OPTIONS] MODEL")
    assert fake_pipeline.calls == []


def test_an_error_that_was_shown_still_pickles() -> None:
    error = InputError("wrong", hint="right")
    show_in_two_lines(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message, again.hint) == (InputError, "wrong", "right")


def test_devices_are_picked_with_a_widget(shell: Any) -> None:
    pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")
    shell.value("picker = %embedl_devices --pick\npicker.value = ['pixel 8']")
    assert shell.value("picker.value") == ["Google Pixel 8"]


def test_runs_are_browsed_with_a_widget_that_searches_for_what_the_line_asks(shell: Any) -> None:
    pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")
    shell.value("browser = %embedl_runs --browse kind == benchmark and p50_ms < 10")
    assert shell.value("browser._query") == {"search": "kind == benchmark and p50_ms < 10"}
