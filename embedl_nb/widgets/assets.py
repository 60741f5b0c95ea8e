"""The scripts and styles of the widgets as front ends take them: one ES module and one style sheet a widget.

The files in ``static/`` are ES modules that import each other; a front end is handed one text and has no folder to
import from. So a script is sent behind those that it imports, each once, without the import lines. Names are therefore
unique among the files. There is no bundler, and nothing is fetched.
"""

from __future__ import annotations

import functools
import re
from importlib import resources

__all__ = ["es_module", "style_sheet"]

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(?P<file>[\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|class)", re.MULTILINE)


@functools.cache
def es_module(name: str) -> str:
    """Return the script ``static/<name>`` with everything that it imports."""
    parts: dict[str, str] = {}
    _collect(name, parts)
    *helpers, own = parts.values()
    return "\n".join([*(_EXPORT.sub("", part) for part in helpers), own])


@functools.cache
def style_sheet(*names: str) -> str:
    """Return the style sheets ``static/<name>``, one behind the other."""
    return "\n".join(map(_text, names))


def _collect(name: str, parts: dict[str, str]) -> None:
    """Put the script behind those that it imports."""
    text = _text(name)
    for match in _IMPORT.finditer(text):
        if match["file"] not in parts:
            _collect(match["file"], parts)
    parts[name] = _IMPORT.sub("", text)


def _text(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")
