"""Installed packages by name and version; a user's own modules are told apart from them."""

from __future__ import annotations

import functools
import importlib.metadata
import sys

from embedl_nb.compiler.user_code import is_installed_file
from embedl_nb.imports import version_of

__all__ = ["installed_package", "is_installed_module", "origin_token"]


@functools.cache
def installed_package(module: str) -> str:
    """Return ``name version`` of the package that a module belongs to, "" for a user's own module."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        return f"python {sys.version_info.major}.{sys.version_info.minor}"
    loaded = sys.modules.get(top) or sys.modules.get(module)
    filename = getattr(loaded, "__file__", None) or next(iter(getattr(loaded, "__path__", ())), "")
    if not filename or not is_installed_file(filename):
        return ""
    if version := version_of(top):
        return f"{top} {version}"
    owners = sorted(set(_distributions().get(top, ())))
    return " ".join(f"{owner} {version_of(owner)}" for owner in owners)


def is_installed_module(module: str) -> bool:
    """Say whether a module is known by the version of its package."""
    return bool(installed_package(module))


def origin_token(module: str) -> str:
    """Return the module's name, with the version of its package where it has one."""
    return f"{module} {installed_package(module)}" if is_installed_module(module) else "user"


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())
