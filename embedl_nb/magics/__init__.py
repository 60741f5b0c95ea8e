"""The magics: parse a line, resolve names, call one command, return its object. ``%load_ext embedl_nb`` adds them.

Loading imports nothing but this package; the commands come with the first magic that is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.magics.completion import add_completion, remove_completion
from embedl_nb.magics.line import MAGICS, LineMagic

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Add the magics and their completion to ``ip``. Doing it twice is doing it once."""
    registered = ip.magics_manager.magics["line"]
    for name in MAGICS:
        if not isinstance(registered.get(name), LineMagic):
            ip.register_magic_function(LineMagic(name, ip, replaced=registered.get(name)), "line", name)
    add_completion(ip)


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """Take the magics and their completion away; what a magic replaced comes back."""
    remove_completion(ip)
    registered = ip.magics_manager.magics["line"]
    for name in MAGICS:
        magic = registered.get(name)
        if not isinstance(magic, LineMagic):
            continue  # somebody else's by now
        del registered[name]
        if vars(ip.magics_manager.user_magics).get(name) is magic:
            delattr(ip.magics_manager.user_magics, name)
        if magic.replaced is not None:
            ip.register_magic_function(magic.replaced, "line", name)
