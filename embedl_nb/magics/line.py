"""One line magic: its words go to the command of the same name, its result comes back, its errors are two lines."""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from embedl_nb.commands import Names

__all__ = ["MAGICS", "LineMagic"]

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
    replaced
        The magic of this name that was there before.
    """

    # What IPython asks of a magic: hand over the variables of a calling function, and let a closing ; hide the result.
    needs_local_scope = True
    _ipython_magic_output_can_be_silenced = True

    def __init__(self, name: str, shell: InteractiveShell, *, replaced: Callable[..., Any] | None = None) -> None:
        self.__name__ = name
        self.__doc__ = f"{MAGICS[name]}: see %{name} --help"
        self.replaced = replaced
        self._shell = shell

    def __call__(self, line: str, local_ns: dict[str, Any] | None = None) -> Any:
        """Run the command on the words of ``line`` and return its object."""
        names: Names | None = None
        try:
            from embedl_nb import commands
            from embedl_nb.commands.lines import warnings_in_one_line

            variables = ChainMap(local_ns or {}, self._shell.user_ns)
            names = commands.NotebookNames(variables, pick_devices=_device_picker)
            command = commands.COMMANDS[MAGICS[self.__name__]]
            with warnings_in_one_line():
                return commands.run(command, commands.split_line(line), program=f"%{self.__name__}", names=names)
        except EmbedlError as err:
            if not os.environ.get("EMBEDL_NB_DEBUG") and not (names and names.is_verbose):
                show_in_two_lines(err)
            raise

    def getdoc(self) -> str:
        """Return the help that ``%magic?`` shows."""
        from embedl_nb import commands

        return commands.help_text(commands.COMMANDS[MAGICS[self.__name__]], f"%{self.__name__}")


def _device_picker() -> Any:
    from embedl_nb.widgets import DevicePicker

    return DevicePicker()


def show_in_two_lines(error: EmbedlError) -> None:
    """Make IPython show ``error`` as its message and its hint instead of a traceback."""
    from embedl_nb.commands.lines import one_line

    lines = [f"{type(error).__name__}: {one_line(error.message)}"]
    if error.hint:
        lines.append(f"Try: {one_line(error.hint)}")
    # IPython looks for this name; strings only, so that the error still pickles.
    vars(error)["_render_traceback_"] = partial(list, lines)
