"""Loading adds the magics and their completion; unloading takes exactly these away."""

from __future__ import annotations

from typing import Any

import pytest

import embedl_nb
from embedl_nb.magics.line import MAGICS


def state(shell: Any) -> dict[str, Any]:
    """Everything of a shell that an extension could leave something in."""
    return {
        "line": dict(shell.magics_manager.magics["line"]),
        "cell": dict(shell.magics_manager.magics["cell"]),
        "user_magics": dict(vars(shell.magics_manager.user_magics)),
        "matchers": list(shell.Completer.custom_matchers),
        "callbacks": {name: list(found) for name, found in shell.events.callbacks.items()},
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
    assert f"Usage: %{magic} [OPTIONS]" in capsys.readouterr().out


def test_the_list_of_magics_is_still_listed(shell: Any) -> None:
    docs = shell.magics_manager.lsmagic_docs(brief=True)
    assert docs["line"]["embedl_compile"] == "compile: see %embedl_compile --help"
