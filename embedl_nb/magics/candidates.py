"""What may stand at a place in a command's line, decided by the command's own options."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

from embedl_nb import formats
from embedl_nb.commands import COMMANDS
from embedl_nb.commands.kinds import KeyValue, Kind, OneOf, Reference, Suggested
from embedl_nb.magics.fitting import FITS, is_result

__all__ = ["Candidate", "candidates"]

_MOST_FILES = 1000
_MOST_TEXTS = 50
_QUOTES = ('"', "'")
_SUFFIXES = {
    Kind.SOURCE: formats.MODELS,
    Kind.MODEL: (formats.LITERT,),
    Kind.SUBJECT: (formats.LITERT,),
    Kind.SAMPLES: (".npy", ".npz"),
    Kind.DATA: (".h5", ".npz"),
    Kind.RECIPE: (".json",),
}
_FOLDERS_ONLY = ("/",)  # a file that is there is no suggestion for one to write
_NAME = re.compile(r"\w*\Z")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A completion and what it is, for the front end's list."""

    text: str
    type: str


def candidates(
    command: str, before: Sequence[str], word: str, variables: dict[str, Any]
) -> tuple[str, list[Candidate]]:
    """Return what can complete ``word``.

    Parameters
    ----------
    command
        Its name in a shell.
    before
        The finished words on the line.
    word
        The unfinished one; may be empty.
    variables
        Those of the user.

    Returns
    -------
    str
        The end of the word that is to be replaced.
    list of Candidate
        What to replace it with, best first.
    """
    parameters = COMMANDS[command].params
    waiting = _option_waiting_for_value(parameters, before)
    option, equals, value = word.partition("=")
    if waiting is not None:
        return _completed(waiting.type, word, variables)
    if equals and option.startswith("--"):
        named = _option_waiting_for_value(parameters, [option])
        return _completed(named.type, value, variables) if named else (value, [])
    offered: list[Candidate] = []
    replaced = word
    if not word.startswith("-"):
        argument = _argument(parameters, _num_positionals(parameters, before))
        replaced, offered = _completed(argument.type, word, variables) if argument else (word, [])
    if word.startswith("-") or not word:
        offered += [each for each in _options(parameters, before) if each.text.startswith(word)]
    return replaced, offered


def _options(parameters: Sequence[click.Parameter], before: Sequence[str]) -> Iterator[Candidate]:
    """Options that are not on the line yet."""
    for option in parameters:
        if isinstance(option, click.Option):
            spelled = [*option.opts, *option.secondary_opts]
            if option.multiple or not any(each in before for each in spelled):
                yield from (Candidate(each, "option") for each in spelled if each.startswith("--"))
    yield Candidate("--help", "option")


def _argument(parameters: Sequence[click.Parameter], place: int) -> click.Argument | None:
    arguments = [each for each in parameters if isinstance(each, click.Argument)]
    if arguments and (place < len(arguments) or arguments[-1].nargs == -1):
        return arguments[min(place, len(arguments) - 1)]
    return None


def _option_waiting_for_value(parameters: Sequence[click.Parameter], before: Sequence[str]) -> click.Option | None:
    last = before[-1] if before else ""
    return next((each for each in parameters if _takes_value(each) and last in each.opts), None)  # type: ignore[return-value]


def _num_positionals(parameters: Sequence[click.Parameter], before: Sequence[str]) -> int:
    count, skip = 0, False
    for word in before:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = any(_takes_value(each) and word in each.opts for each in parameters)
        else:
            count += 1
    return count


def _takes_value(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not parameter.is_flag


def _completed(kind: click.ParamType[Any], word: str, variables: dict[str, Any]) -> tuple[str, list[Candidate]]:
    """Return the end of ``word`` that is to be replaced, and what by."""
    if isinstance(kind, KeyValue):
        value = word.partition("=")[2]
        return (value, list(_values(kind.value, value, variables))) if kind.value and "=" in word else (word, [])
    offered = list(_values(kind, word, variables))
    if not offered and isinstance(kind, Suggested) and kind.is_query:
        name = _NAME.search(word)[0]  # type: ignore[index]  # it matches the empty text, too
        return name, [each for each in _values(kind, name, variables) if '"' not in each.text]
    return word, offered


def _values(kind: click.ParamType[Any], word: str, variables: dict[str, Any]) -> Iterator[Candidate]:
    if isinstance(kind, OneOf):
        yield from _texts(kind.choices, word, "value")
    elif isinstance(kind, Suggested):
        yield from _texts(kind.known, word, "value")
    elif isinstance(kind, click.Path):
        yield from (Candidate(path, "path") for path in _files(word, _FOLDERS_ONLY))
    elif isinstance(kind, Reference):
        yield from _variables(kind.kind, word, variables)
        yield from _known(kind.kind, word, variables)
        yield from (Candidate(path, "path") for path in _files(word, _SUFFIXES.get(kind.kind, ())))


def _variables(kind: Kind, word: str, variables: dict[str, Any]) -> Iterator[Candidate]:
    """Those that fit, the latest first; in braces or behind a dollar sign, where the word begins with one."""
    sign = word[:1] if word[:1] in ("{", "$") else ""
    for name, value in reversed(variables.items()):
        if name.startswith(word.removeprefix(sign)) and not name.startswith("_") and FITS[kind](value):
            yield Candidate(f"{sign}{name}{'}' if sign == '{' else ''}", type(value).__name__)


def _known(kind: Kind, word: str, variables: dict[str, Any]) -> Iterator[Candidate]:
    if kind is Kind.DEVICE:
        yield from _texts(_devices(), word, "device")
    if kind is Kind.TARGET:
        yield from _texts(_targets(), word, "target")
    if kind is Kind.RECIPE:
        yield from _texts(_recipes(), word, "recipe")
    if kind in (Kind.SOURCE, Kind.MODEL, Kind.RESULT, Kind.SUBJECT):
        yield from _texts(_run_ids(variables), word, "run")


def _texts(known: Iterable[str] | dict[str, str], word: str, what: str) -> Iterator[Candidate]:
    """Return texts that begin with ``word``, in any case, as a line takes them; in a dict, or whose short name does."""
    quote = word[:1] if word[:1] in _QUOTES else ""
    typed = word.removeprefix(quote).lower()
    shorts = known if isinstance(known, dict) else {}
    found = (
        text for text in known if text.lower().startswith(typed) or shorts.get(text, text).lower().startswith(typed)
    )
    yield from (Candidate(_quoted(text, quote), what) for text in islice(found, _MOST_TEXTS))


def _quoted(text: str, quote: str) -> str:
    """Return ``text`` as one word of a line."""
    quote = quote or ('"' if " " in text else "")
    return f"{quote}{text}{quote}"


def _recipes() -> list[str]:
    from embedl_nb.quantizer.recipes import RECIPE_NAMES, SHORT_FORMS

    return ["auto", *RECIPE_NAMES, *SHORT_FORMS]


def _devices() -> Iterable[str]:
    from embedl_nb.device import device_addresses

    return device_addresses()


def _targets() -> dict[str, str]:
    """Return the phones and chips of the catalog, the phones with their names without the brand."""
    from embedl_nb.device.catalog.facts import chips, phones

    known = {phone.name: phone.name.removeprefix(phone.brand).strip() for phone in phones()}
    return known | {part: part for part in chips()}


def _run_ids(variables: dict[str, Any]) -> list[str]:
    """Return the ids of the results at hand and of the latest runs that can be read without asking MLflow."""
    from embedl_nb.runstore.recent import recent_ids

    at_hand = (getattr(value, "run_id", None) for value in variables.values() if is_result(value))
    return sorted({run_id for run_id in at_hand if isinstance(run_id, str)}.union(recent_ids()), reverse=True)


def _files(word: str, suffixes: tuple[str, ...]) -> list[str]:
    """List files with one of ``suffixes`` that begin with ``word``, and once something is typed, folders on the way.

    One with a blank in it is quoted; the quotation of a folder stays open, as the way goes on.
    """
    quote = word[:1] if word[:1] in _QUOTES else ""
    typed = word.removeprefix(quote)
    folder, start = os.path.split(typed)
    place = Path(folder or ".").expanduser()
    if not suffixes or not place.is_dir():
        return []
    prefix = typed.removesuffix(start) if start else typed
    found: list[str] = []
    with os.scandir(place) as entries:
        for entry in islice(entries, _MOST_FILES):
            if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
                path = prefix + entry.name
                if entry.name.endswith(suffixes):
                    found.append(_quoted(path, quote))
                elif word and entry.is_dir():
                    found.append(_quoted(f"{path}/", quote).removesuffix(quote or '"'))
    return sorted(found)
