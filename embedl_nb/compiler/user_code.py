"""Find the user's own line in a traceback: the file or cell, the line and its text."""

from __future__ import annotations

import functools
import linecache
import site
import sys
import sysconfig
from pathlib import Path
from types import TracebackType

__all__ = ["is_installed_file", "user_line", "where"]

_PACKAGE = str(Path(__file__).parents[1])


@functools.cache
def _installed_folders() -> tuple[str, ...]:
    paths = {*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()}
    named = {paths_entry for paths_entry in paths if "python" in paths_entry or "site-packages" in paths_entry}
    return tuple(str(Path(path)) + "/" for path in named if path not in (sys.prefix, sys.base_prefix))


@functools.cache
def is_installed_file(filename: str) -> bool:
    """Say whether ``filename`` belongs to the standard library or an installed package, not to the user."""
    return filename.startswith(("<frozen", *_installed_folders()))


def user_line(error: BaseException) -> str:
    """Return ``file:line: text`` of the deepest frame of ``error`` that is the user's own, or an empty string."""
    found = ""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        found = _deepest(current.__traceback__) or found
        current = current.__cause__ or current.__context__
    return found


def where(filename: str, line: int) -> str:
    """Return ``file:line: text`` as a person reads it; a cell is called one."""
    text = linecache.getline(filename, line).strip()
    name = Path(filename).name
    is_cell = "ipykernel_" in filename or filename.startswith("<ipython-input")
    place = f"the notebook cell, line {line}" if is_cell else f"{name}:{line}"
    return f"{place}: `{text}`" if text else place


def _deepest(traceback: TracebackType | None) -> str:
    found = ""
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if not is_installed_file(filename) and not filename.startswith((_PACKAGE, "<eval_with_key>", "<string>")):
            found = where(filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found
