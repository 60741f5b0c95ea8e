"""One line magic: its words go to the command of the same name, its result comes back, its errors are two lines.

Ctrl-C ends it in one line, and in another where something was kept.
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError
from embedl_nb.magics.examples import EXAMPLES

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from embedl_nb.commands import Names
    from embedl_nb.magics.settings import EmbedlMagics

__all__ = ["MAGICS", "LineMagic", "show_in_two_lines"]

MAGICS = {
    "embedl_compile": "compile",
    "embedl_quantize": "quantize",
    "embedl_sensitivity": "sensitivity",
    "embedl_preflight": "preflight",
    "embedl_benchmark": "benchmark",
    "embedl_compare": "compare",
    "embedl_pick": "pick",
    "embedl_runs": "runs",
    "embedl_devices": "devices",
    "embedl_catalog": "catalog",
    "embedl_report": "report",
    "embedl_doctor": "doctor",
    "embedl_rerun": "rerun",
}
"""Magics by name, and the command each one is."""


class LineMagic:
    """A command as a line magic.

    Parameters
    ----------
    name
        Without the ``%``.
    shell
        Whose variables the words name.
    settings
        What a line takes that does not say it.
    replaced
        The magic of this name that was there before.
    """

    # What IPython asks of a magic: hand over the variables of a calling function, and leave the line as it was typed.
    needs_local_scope = True
    _ipython_magic_no_var_expand = True

    def __init__(
        self,
        name: str,
        shell: InteractiveShell,
        settings: EmbedlMagics,
        *,
        replaced: Callable[..., Any] | None = None,
    ) -> None:
        self.__name__ = name
        self.__doc__ = f"{MAGICS[name]}: see %{name} --help"
        self.replaced = replaced
        self._shell = shell
        self._settings = settings

    def __call__(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Run the command on the words of ``line`` and return its object; a closing ``;`` hides that."""
        # IPython looks for it once the work is done, and a bracket in a path makes it fail then.
        words, semicolon, rest = line.rpartition(";")
        if not semicolon or rest.strip():
            return self._run(line, local_ns or {})
        self._run(words, local_ns or {})
        return None

    def _run(self, line: str, local_ns: dict[str, Any]) -> Any:
        names: Names | None = None
        try:
            import click

            from embedl_nb import commands
            from embedl_nb.commands.lines import warnings_in_one_line
            from embedl_nb.magics.below import explorer_below
            from embedl_nb.magics.expansion import expanded, with_paths

            variables = ChainMap(local_ns, self._shell.user_ns)
            line, held = expanded(line, variables)
            words = with_paths(commands.split_line(line), held)
            if "--help" in words:
                click.echo(self.getdoc())
                return None
            names = commands.NotebookNames(
                variables.new_child(held),
                pick_devices=_device_picker,
                explorer=partial(explorer_below, self._shell),
                browse_runs=_run_browser,
            )
            command = commands.COMMANDS[MAGICS[self.__name__]]
            with warnings_in_one_line():
                return commands.run(
                    command,
                    words,
                    program=f"%{self.__name__}",
                    names=names,
                    defaults=self._settings.defaults(command),
                )
        except (EmbedlError, KeyboardInterrupt) as err:
            wants_traceback = os.environ.get("EMBEDL_NB_DEBUG") or self._settings.traceback
            if not wants_traceback and not (names and names.is_verbose):
                show_in_two_lines(err)
            raise

    def getdoc(self) -> str:
        """Return the help that ``--help``, ``%magic?`` and Shift-Tab show."""
        from embedl_nb import commands

        text = commands.help_text(commands.COMMANDS[MAGICS[self.__name__]], f"%{self.__name__}")
        return f"{text}\n\nExample:\n  {EXAMPLES[self.__name__]}"


def _device_picker() -> Any:
    from embedl_nb.widgets import DevicePicker

    return DevicePicker()


def _run_browser(query: str) -> Any:
    from embedl_nb.widgets import RunBrowser

    return RunBrowser(query)


def show_in_two_lines(error: EmbedlError | KeyboardInterrupt) -> None:
    """Make IPython show ``error`` as its message and its hint, or its notes, instead of a traceback."""
    lines = _lines_of_an_error(error) if isinstance(error, EmbedlError) else _lines_of_an_interrupt(error)
    # IPython looks for this name; strings only, so that the error still pickles.
    vars(error)["_render_traceback_"] = partial(list, lines)


def _lines_of_an_interrupt(stopped: KeyboardInterrupt) -> list[str]:
    said = str(stopped)
    return [f"KeyboardInterrupt: {said}" if said else "KeyboardInterrupt", *getattr(stopped, "__notes__", ())]


def _lines_of_an_error(error: EmbedlError) -> list[str]:
    from embedl_nb.commands.lines import one_line, shortened

    # What a cell failed with is kept in its notebook, twice: as these lines, and as the error's own text.
    whole = error.message
    if shortened(whole) != whole:
        error.args = (shortened(whole), *error.args[1:])
        error.details = error.details or whole
    error.hint = shortened(error.hint)
    lines = [f"{type(error).__name__}: {one_line(error.message)}"]
    if error.hint:
        lines.append(f"Try: {one_line(error.hint)}")
    return lines
