"""What may stand at a place in a command's line, decided by the command's own options."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

from embedl_nb import formats
from embedl_nb.commands import COMMANDS
from embedl_nb.commands.kinds import Kind, OneOf, Reference

__all__ = ["Candidate", "candidates"]

_LOOK_INTO = 8
_MOST_FILES = 1000
_MOST_TARGETS = 50
_TARGET = "target"
_SUFFIXES = {
    Kind.SOURCE: formats.MODELS,
    Kind.MODEL: (formats.LITERT,),
    Kind.SUBJECT: (formats.LITERT,),
    Kind.SAMPLES: (".npy", ".npz"),
    Kind.DATA: (".h5", ".npz"),
    Kind.RECIPE: (".json",),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A completion and what it is, for the front end's list."""

    text: str
    type: str


def candidates(command: str, before: Sequence[str], word: str, variables: dict[str, Any]) -> list[Candidate]:
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
    list of Candidate
        That start with ``word``, best first.
    """
    parameters = COMMANDS[command].params
    waiting = _option_waiting_for_value(parameters, before)
    if waiting is not None:
        offered = list(_values(waiting.type, word, variables))
    else:
        place = _num_positionals(parameters, before)
        offered = [] if word.startswith("-") else list(_positional(parameters, place, word, variables))
        if word.startswith("-") or not word:
            offered += _options(parameters, before)
    return [each for each in offered if each.text.startswith(word) or each.type == _TARGET]


def _options(parameters: Sequence[click.Parameter], before: Sequence[str]) -> Iterator[Candidate]:
    """Options that are not on the line yet."""
    for option in parameters:
        if isinstance(option, click.Option):
            spelled = [*option.opts, *option.secondary_opts]
            if option.multiple or not any(each in before for each in spelled):
                yield from (Candidate(each, "option") for each in spelled if each.startswith("--"))
    yield Candidate("--help", "option")


def _positional(
    parameters: Sequence[click.Parameter], place: int, word: str, variables: dict[str, Any]
) -> Iterator[Candidate]:
    arguments = [each for each in parameters if isinstance(each, click.Argument)]
    if arguments and (place < len(arguments) or arguments[-1].nargs == -1):
        yield from _values(arguments[min(place, len(arguments) - 1)].type, word, variables)


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


def _values(kind: click.ParamType[Any], word: str, variables: dict[str, Any]) -> Iterator[Candidate]:
    if isinstance(kind, OneOf):
        yield from (Candidate(choice, "value") for choice in kind.choices)
    elif isinstance(kind, Reference) and kind.kind is Kind.DEVICE:
        yield from (Candidate(address, "device") for address in _devices())
    elif isinstance(kind, Reference) and kind.kind is Kind.TARGET:
        yield from (Candidate(name, _TARGET) for name in _targets(word))
    elif isinstance(kind, Reference):
        fits = _FITS[kind.kind]
        named = [(name, value) for name, value in variables.items() if not name.startswith("_") and fits(value)]
        yield from (Candidate(name, type(value).__name__) for name, value in reversed(named))
        if kind.kind is Kind.RECIPE:
            yield from (Candidate(recipe, "recipe") for recipe in _recipes())
        if kind.kind in (Kind.SOURCE, Kind.MODEL, Kind.RESULT, Kind.SUBJECT):
            yield from (Candidate(run_id, "run") for run_id in _run_ids(variables))
        yield from (Candidate(path, "path") for path in _files(word, _SUFFIXES.get(kind.kind, ())))


def _recipes() -> list[str]:
    from embedl_nb.quantizer.recipes import RECIPE_NAMES, SHORT_FORMS

    return ["auto", *RECIPE_NAMES, *SHORT_FORMS]


def _devices() -> list[str]:
    from embedl_nb.device import device_addresses

    return list(device_addresses())


def _targets(word: str) -> list[str]:
    """Return phones and chips of the catalog as a line takes them; any case and a name without its brand will do."""
    from embedl_nb.device.catalog.facts import chips, phones

    quote = word[:1] if word[:1] in ('"', "'") else '"'
    typed = word.lstrip(quote).lower()
    known = {phone.name: phone.name.removeprefix(phone.brand).strip() for phone in phones()}
    known |= {part: part for part in chips()}
    found = [name for name, short in known.items() if any(each.lower().startswith(typed) for each in (name, short))]
    return [f"{quote}{name}{quote}" if " " in name or word[:1] == quote else name for name in found[:_MOST_TARGETS]]


def _run_ids(variables: dict[str, Any]) -> list[str]:
    """Return the ids of the results at hand and of the latest runs that can be read without asking MLflow."""
    from embedl_nb.runstore.recent import recent_ids

    at_hand = (getattr(value, "run_id", None) for value in variables.values() if _is_result(value))
    return sorted({run_id for run_id in at_hand if isinstance(run_id, str)}.union(recent_ids()), reverse=True)


def _files(word: str, suffixes: tuple[str, ...]) -> list[str]:
    """List files with one of ``suffixes`` that begin with ``word``, and once something is typed, folders on the way."""
    folder, start = os.path.split(word)
    place = Path(folder or ".").expanduser()
    if not suffixes or not place.is_dir():
        return []
    prefix = word.removesuffix(start) if start else word
    found: list[str] = []
    with os.scandir(place) as entries:
        for entry in islice(entries, _MOST_FILES):
            if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
                if entry.name.endswith(suffixes):
                    found.append(prefix + entry.name)
                elif word and entry.is_dir():
                    found.append(f"{prefix}{entry.name}/")
    return sorted(found)


def _is_compiled(value: Any) -> bool:
    return _is_a(value, "embedl_nb.model", "LiteRTModel")


def _is_result(value: Any) -> bool:
    return _is_compiled(value) or _is_a(value, "embedl_nb.measure", "Benchmark")


def _is_subject(value: Any) -> bool:
    return _is_result(value) or _is_a(value, "embedl_nb.measure.benchmarks", "Benchmarks")


def _is_source(value: Any) -> bool:
    return _is_a(value, "torch.nn", "Module") or _is_a(value, "torch.export", "ExportedProgram") or _is_compiled(value)


def _is_samples(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return 0 < len(value) <= 10_000 and all(_is_samples(each) for each in value[:_LOOK_INTO])
    if isinstance(value, dict):
        return 0 < len(value) <= _LOOK_INTO and all(_is_samples(each) for each in value.values())
    return _is_a(value, "numpy", "ndarray") or _is_a(value, "torch", "Tensor")


def _is_data(value: Any) -> bool:
    names = ("Dataset", "DataLoader")
    is_torch = any(_is_a(value, "torch.utils.data", name) for name in names)
    return is_torch or _is_samples(value) or _is_a(value, "embedl_nb.quantizer", "ImageSet")


def _is_recipe(value: Any) -> bool:
    return _is_a(value, "embedl_nb.quantizer", "Recipe")


def _is_function(value: Any) -> bool:
    return inspect.isfunction(value)


def _is_a(value: Any, module: str, name: str) -> bool:
    """Say whether ``value`` is an instance, without importing what nobody has imported yet."""
    kind = getattr(sys.modules.get(module), name, None)
    # type(), because a proxy object answers isinstance by running code of its own.
    return isinstance(kind, type) and issubclass(type(value), kind) and not isinstance(value, type)


_FITS: dict[Kind, Callable[[Any], bool]] = {
    Kind.SOURCE: _is_source,
    Kind.MODEL: _is_compiled,
    Kind.SAMPLES: _is_samples,
    Kind.RESULT: _is_subject,
    Kind.SUBJECT: _is_subject,
    Kind.DATA: _is_data,
    Kind.RECIPE: _is_recipe,
    Kind.FUNCTION: _is_function,
}
