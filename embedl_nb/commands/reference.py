"""The commands as a page to read, made from their definitions: ``python -m embedl_nb.commands.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from embedl_nb.commands.definitions import COMMANDS
from embedl_nb.commands.kinds import OneOf

__all__ = ["reference"]

_INTRODUCTION = """# Commands

The same in a shell and as magics: `embedl-nb compile net.pt2` and, after `%load_ext embedl_nb`, `%embedl_compile net`,
which takes names of variables and returns the object. Each has `--help`, and `--verbose`, which shows the traceback of
an error (`EMBEDL_NB_DEBUG=1` does so for all). This page is made by
`python -m embedl_nb.commands.reference > docs/commands.md`.
"""
_SETTINGS = """## Settings

| variable | what | default |
| --- | --- | --- |
| `EMBEDL_NB_HOME` | Folder of what is kept: runs and models in `data`, the rest in `cache`. | the user's own folders |
| `EMBEDL_NB_CACHE_LIMIT` | Size above which the compiled models longest unused are removed, like `2GiB`. | `5GiB` |
| `EMBEDL_NB_UPLOAD_MODELS` | `1` sends the models of recorded runs to a remote store as well. | off |
| `EMBEDL_NB_BENCHMARK_MODEL` | The `benchmark_model` that measures on phones. | what `embedl-nb fetch-tool` fetched |
| `EMBEDL_NB_OUTPUT_CHECKER` | The older one, for a phone's outputs. | what `embedl-nb fetch-tool legacy` fetched |
| `EMBEDL_NB_NPU_LIBRARIES` | Folders with the libraries of a phone's NPU and LiteRT's for it. | `QNN_SDK_ROOT` |
| `EMBEDL_NB_DEBUG` | `1` shows the traceback of every error. | off |
| `EMBEDL_NB_CHROMIUM` | The browser of the browser tests. | the first Chromium or Chrome on the path |
| `MLFLOW_TRACKING_URI` | The MLflow store that runs go to. | SQLite in the data folder |
"""


def reference() -> str:
    """Return the page as Markdown: each command with its arguments, options and defaults, and the settings."""
    sections = (section for name, command in COMMANDS.items() for section in _of(name, command))
    return "\n".join([_INTRODUCTION, *sections, _SETTINGS])


def _of(path: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _of(f"{path} {name}", inner)
        return
    arguments = "".join(f" {_argument(each)}" for each in command.params if isinstance(each, click.Argument))
    yield f"## embedl-nb {path}{arguments}\n"
    yield f"{_plain(command.help or '')}\n"
    options = [each for each in command.params if isinstance(each, click.Option) and each.name != "verbose"]
    if options:
        yield "| option | what | default |\n| --- | --- | --- |"
        yield "".join(f"| {_spelled(each)} | {_plain(_what(each))} | {_default(each)} |\n" for each in options)


def _argument(argument: click.Argument) -> str:
    name = (argument.name or "").upper()
    spelled = f"{name}..." if argument.nargs == -1 else name
    return spelled if argument.required else f"[{spelled}]"


def _spelled(option: click.Option) -> str:
    spelled = " / ".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return f"`{spelled}`"
    choices = option.type.choices if isinstance(option.type, OneOf) else ()
    return f"`{spelled} {'/'.join(choices) or option.type.name.upper()}`"


def _what(option: click.Option) -> str:
    return (option.help or "").split("  [default:")[0]


def _default(option: click.Option) -> str:
    """Return the value, or what stands in brackets in the help where it is not a value."""
    _, is_told, told = (option.help or "").partition("  [default: ")
    if is_told:
        return told.removesuffix("]")
    value: Any = option.default
    if option.show_default and option.is_flag:
        return f"`{(option.opts if value else option.secondary_opts)[0]}`"
    values = value if option.multiple else [value]
    return ", ".join(f"`{each}`" for each in values) if option.show_default else ""


def _plain(text: str) -> str:
    """Return a paragraph a line; a lone line break within a paragraph is none."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n")).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
