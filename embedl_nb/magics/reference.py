"""The magics as a page to read: ``python -m embedl_nb.magics.reference > docs/magics.md``."""

from __future__ import annotations

import sys

from embedl_nb.commands import COMMANDS
from embedl_nb.magics.examples import EXAMPLES
from embedl_nb.magics.line import MAGICS
from embedl_nb.magics.settings import EmbedlMagics

__all__ = ["reference"]

_PAGE = """# Magics

`%load_ext embedl_nb` adds them to a notebook or to IPython, and `%unload_ext embedl_nb` takes them away and leaves the
shell as it was. Each is a command of [the same name](commands.md), with the same options, and returns an object.
This page is made by `python -m embedl_nb.magics.reference > docs/magics.md`.

| magic | what | example |
| --- | --- | --- |
{magics}

## A line

- Words are names of variables, paths, run ids, addresses and names of the catalog; a variable comes first. Arguments of
  a function and variables of a loop count: a magic may stand in either.
- `result = %embedl_benchmark model` keeps the object, and a `;` at the end hides it.
- `{{models[0]}}` and `$model` hand over an object; of a text or a number they put in what it says.
- `--device picker` and `--device {{picker.value}}` stand for all devices that are picked in it.
- What has blanks is quoted: `%embedl_compile "my nets/net.onnx"`. A `{{path}}` that is a `Path` is one word anyway.
- A line goes on behind a `\\`, and `#` begins a comment.
- `--explore` opens the layers of what was measured below the result, and below a comparison those of both.

## Help

`%embedl_benchmark?`, `%embedl_benchmark --help` and Shift-Tab show all options. Tab completes magics, options, their
values, addresses of devices, phones and chips, recipes, run ids, columns of a query, files, and variables that fit.

An error is two lines, what happened and what to try; `except` sees its own type. `--verbose` shows where it comes from.
An error that nobody foresaw keeps its traceback.

## Settings

`%config EmbedlMagics` lists them; `%config EmbedlMagics.target = "Samsung Galaxy S24"` sets one for this session, and
`c.EmbedlMagics.target = ...` in `ipython_config.py` for all. What a line says goes before a setting.

| setting | what | default |
| --- | --- | --- |
{settings}
"""


def reference() -> str:
    """Return the page as Markdown."""
    magics = (
        f"| `%{name}` | {_first_sentence(COMMANDS[command].help)} | `{_cell(EXAMPLES[name])}` |"
        for name, command in MAGICS.items()
    )
    settings = (
        f"| `{name}` | {_cell(' '.join(trait.help.split()))} | `{trait.default_value!r}` |"
        for name, trait in EmbedlMagics.class_own_traits(config=True).items()
    )
    return _PAGE.format(magics="\n".join(magics), settings="\n".join(settings))


def _first_sentence(text: str | None) -> str:
    return _cell(" ".join((text or "").split("\n\n")[0].split()))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
