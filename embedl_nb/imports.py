"""Packages: whether they are there and in which version, found out without importing them."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util

__all__ = ["is_installed", "version_of"]


def is_installed(module: str) -> bool:
    """Say whether ``module`` can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@functools.cache
def version_of(distribution: str) -> str:
    """Return the installed version of a distribution, "" where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
