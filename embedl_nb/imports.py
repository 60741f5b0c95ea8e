"""Optional packages: whether they are there, found out without importing them."""

from __future__ import annotations

import importlib.util

__all__ = ["is_installed"]


def is_installed(module: str) -> bool:
    """Say whether ``module`` can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
