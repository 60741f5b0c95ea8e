"""The magics: parse a line, resolve names, call one command, return its object. ``%load_ext embedl_nb`` adds them.

Loading imports nothing but this package; the commands come with the first magic that is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from embedl_nb.errors import EmbedlWarning
from embedl_nb.magics.completion import add_completion, remove_completion
from embedl_nb.magics.line import MAGICS, LineMagic

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from embedl_nb.magics.settings import EmbedlMagics

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Add the magics, their completion and their settings to ``ip``. Doing it twice is doing it once."""
    settings = _add_settings(ip)
    registered = ip.magics_manager.magics["line"]
    for name in MAGICS:
        if not isinstance(registered.get(name), LineMagic):
            magic = LineMagic(name, ip, settings, replaced=registered.get(name))
            ip.register_magic_function(magic, "line", name)
    add_completion(ip)


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """Take the magics, their completion and their settings away; what a magic replaced comes back."""
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
    for settings in list(_settings(ip)):
        ip.configurables.remove(settings)


def _add_settings(ip: InteractiveShell) -> EmbedlMagics:
    """Let ``%config`` know the settings, once; they begin as the user's IPython configuration has them."""
    from traitlets import TraitError

    from embedl_nb.magics.settings import EmbedlMagics

    for known in _settings(ip):
        return known
    try:
        settings = EmbedlMagics(parent=ip)
    except TraitError as err:  # in its file, or what %config has refused and IPython kept all the same
        warnings.warn(f"the settings of EmbedlMagics are not taken: {err}", EmbedlWarning, stacklevel=3)
        settings = EmbedlMagics()
    ip.configurables.append(settings)
    return settings


def _settings(ip: InteractiveShell) -> Iterator[EmbedlMagics]:
    return (each for each in ip.configurables if type(each).__name__ == "EmbedlMagics")
