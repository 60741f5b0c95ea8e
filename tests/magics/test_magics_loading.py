"""Loading adds the magics and their completion; unloading takes exactly these away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import embedl_nb
from embedl_nb.errors import EmbedlError
from embedl_nb.magics.examples import EXAMPLES
from embedl_nb.magics.line import MAGICS
from embedl_nb.magics.reference import reference


def state(shell: Any) -> dict[str, Any]:
    """Everything of a shell that an extension could leave something in."""
    return {
        "line": dict(shell.magics_manager.magics["line"]),
        "cell": dict(shell.magics_manager.magics["cell"]),
        "user_magics": dict(vars(shell.magics_manager.user_magics)),
        "matchers": list(shell.Completer.custom_matchers),
        "callbacks": {name: list(found) for name, found in shell.events.callbacks.items()},
        "configurables": list(shell.configurables),
        "error handlers": (shell.custom_exceptions, shell.CustomTB),
        "hooks": dict(shell.hooks),
        "variables": dict(shell.user_ns),
        "transformers": list(shell.input_transformers_post),
        "formatters": {name: dict(each.type_printers) for name, each in shell.display_formatter.formatters.items()},
    }


def test_unloading_undoes_what_loading_did(bare_shell: Any) -> None:
    before = state(bare_shell)
    bare_shell.extension_manager.load_extension("embedl_nb")
    assert set(bare_shell.magics_manager.magics["line"]) - set(before["line"]) == set(MAGICS)
    assert len(bare_shell.Completer.custom_matchers) == len(before["matchers"]) + 1
    bare_shell.extension_manager.unload_extension("embedl_nb")
    assert state(bare_shell) == before


def test_using_the_magics_leaves_nothing_either(bare_shell: Any, fake_pipeline: Any) -> None:
    fake_pipeline.errors["runs"] = EmbedlError("broken")
    bare_shell.value("%config")  # which loads the magics that IPython had not loaded yet
    before = state(bare_shell)
    bare_shell.run_line_magic("load_ext", "embedl_nb")
    with pytest.raises(EmbedlError):
        bare_shell.run_line_magic("embedl_runs", "")
    bare_shell.run_line_magic("embedl_doctor", "--help")
    bare_shell.completions("%embedl_runs ")
    bare_shell.run_line_magic("unload_ext", "embedl_nb")
    after = state(bare_shell)
    for variables in (before["variables"], after["variables"]):
        for name in [name for name in variables if name.startswith(("_", "In", "Out"))]:
            del variables[name]  # the cells that ran here
    assert after == before


def test_a_magic_of_the_user_comes_back(bare_shell: Any) -> None:
    def embedl_runs(line: str) -> str:
        return "the user's own"

    bare_shell.register_magic_function(embedl_runs)
    embedl_nb.load_ipython_extension(bare_shell)
    embedl_nb.unload_ipython_extension(bare_shell)
    assert bare_shell.value("%embedl_runs") == "the user's own"


def test_a_magic_that_came_later_stays(shell: Any) -> None:
    shell.register_magic_function(lambda line: "somebody else's", magic_name="embedl_runs")
    embedl_nb.unload_ipython_extension(shell)
    assert shell.value("%embedl_runs") == "somebody else's"


def test_loading_twice_is_loading_once(shell: Any) -> None:
    once = state(shell)
    embedl_nb.load_ipython_extension(shell)
    assert state(shell) == once
    embedl_nb.unload_ipython_extension(shell)
    assert not set(MAGICS) & set(shell.magics_manager.magics["line"])


def test_reloading_works(shell: Any, fake_pipeline: Any) -> None:
    shell.run_line_magic("reload_ext", "embedl_nb")
    assert shell.value("%embedl_runs") == "result of runs"


def test_every_magic_is_a_command() -> None:
    from embedl_nb.commands import COMMANDS

    assert set(MAGICS.values()) <= set(COMMANDS)


@pytest.mark.parametrize("magic", sorted(MAGICS))
def test_a_question_mark_shows_the_help(shell: Any, capsys: pytest.CaptureFixture[str], magic: str) -> None:
    shell.value(f"%{magic}?")
    shown = capsys.readouterr().out
    assert f"Usage: %{magic} [OPTIONS]" in shown
    assert f"Example:\n  {EXAMPLES[magic]}" in shown


@pytest.mark.parametrize("magic", sorted(MAGICS))
def test_the_example_of_the_help_can_be_run(shell: Any, fake_pipeline: Any, magic: str) -> None:
    names = ("net", "image", "model", "images", "small", "result", "results")
    shell.user_ns.update(dict.fromkeys(names, "an object"))
    shell.value(EXAMPLES[magic].removesuffix(" --explore"))
    if magic != "embedl_devices":  # a widget: nothing is listed
        assert [call[0] for call in fake_pipeline.calls] == [MAGICS[magic]]


def test_the_page_of_magics_is_up_to_date(project_root: Path) -> None:
    page = (project_root / "docs" / "magics.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m embedl_nb.magics.reference > docs/magics.md"


def test_the_list_of_magics_is_still_listed(shell: Any) -> None:
    docs = shell.magics_manager.lsmagic_docs(brief=True)
    assert docs["line"]["embedl_compile"] == "compile: see %embedl_compile --help"
