"""Every command once: its options, help, types and defaults, for the shell and for the magics alike.

A command's arguments name things (a variable, a file, a run id); the caller's resolver turns the names into objects,
the command calls exactly one function of the pipeline, and its result goes back to the caller, who shows it. Nothing
here prints, and nothing here knows IPython.
"""

from __future__ import annotations

from embedl_nb.commands.definitions import COMMANDS, SHELL
from embedl_nb.commands.names import Names, NotebookNames, ShellNames
from embedl_nb.commands.running import help_text, run, split_line

__all__ = ["COMMANDS", "SHELL", "Names", "NotebookNames", "ShellNames", "help_text", "run", "split_line"]
