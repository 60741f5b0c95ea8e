"""Optional packages: imported late, and named with their install line when they are missing."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from embedl_nb.errors import MissingDependencyError

__all__ = ["is_installed", "require"]


def is_installed(module: str) -> bool:
    """Say whether ``module`` can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import ``module`` or say how to install it.

    Parameters
    ----------
    module
        Dotted name.
    extra
        The extra of embedl_nb that carries it.
    purpose
        What it is needed for, to complete "... is needed to".

    Raises
    ------
    MissingDependencyError
        Where it is not installed. A package that is there but fails to import raises its own error.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as err:
        if err.name is None or err.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"{module} is needed to {purpose}, and it is not installed",
            extra=extra,
            install=f"pip install 'embedl-nb[{extra}]'",
        ) from err
