"""What an argument stands for. Completion asks an option for its kind; names are turned into objects later.

Nothing is looked up while a line is parsed, so a wrong option is told before a model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    _Text = click.ParamType[str]
    _Pair = click.ParamType[tuple[str, str]]
    _Row = click.ParamType[tuple[float, ...]]
    _Shape = click.ParamType[tuple[str, tuple[int, ...]]]
    _Range = click.ParamType[tuple[str, int, tuple[int, int]]]
else:  # older versions of click are not generic
    _Text = _Pair = _Row = _Shape = _Range = click.ParamType

__all__ = [
    "DATA",
    "DEVICE",
    "FUNCTION",
    "MODEL",
    "RECIPE",
    "RESULT",
    "SAMPLES",
    "SOURCE",
    "SUBJECT",
    "TARGET",
    "KeyValue",
    "Kind",
    "NamedRange",
    "NamedShape",
    "Numbers",
    "OneOf",
    "Reference",
    "Suggested",
    "UnknownChoice",
]


class Kind(StrEnum):
    """What a reference may refer to."""

    SOURCE = "source"
    """A model to compile: a module, an exported program, or a file."""
    MODEL = "model"
    """A compiled model: an object, a ``.tflite`` file or a run id."""
    SAMPLES = "samples"
    """Arrays: an object, or an ``.npz`` or ``.npy`` file."""
    RESULT = "result"
    """Something recorded: an object or a run id."""
    SUBJECT = "subject"
    """What is compared: a result, a compiled model, a ``.tflite`` file or a run id."""
    DEVICE = "device"
    """The address of a device."""
    TARGET = "target"
    """What to compile for: a phone or a chip of the catalog, by name."""
    DATA = "data"
    """Many samples: an object, a folder or a file, or the word ``random``."""
    RECIPE = "recipe"
    """How to quantize: an object, a name or a ``.json`` file."""
    FUNCTION = "function"
    """Something to call."""


class Reference(_Text):
    """The name of something, kept as text until the command runs."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.name = str(kind)

    def __repr__(self) -> str:
        return f"Reference({self.kind.name})"


SOURCE = Reference(Kind.SOURCE)
MODEL = Reference(Kind.MODEL)
SAMPLES = Reference(Kind.SAMPLES)
RESULT = Reference(Kind.RESULT)
SUBJECT = Reference(Kind.SUBJECT)
DEVICE = Reference(Kind.DEVICE)
TARGET = Reference(Kind.TARGET)
DATA = Reference(Kind.DATA)
RECIPE = Reference(Kind.RECIPE)
FUNCTION = Reference(Kind.FUNCTION)


class Suggested(_Text):
    """Text of which some values are known.

    Parameters
    ----------
    known
        Returns them; empty ones are none, and each counts once.
    is_query
        Whether they may stand anywhere in the text, as the names in a query do.
    """

    name = "text"

    def __init__(self, known: Callable[[], Iterable[str]], *, is_query: bool = False) -> None:
        self._known = known
        self.is_query = is_query

    @property
    def known(self) -> list[str]:
        """The known values, looked up now."""
        return list(dict.fromkeys(filter(None, self._known())))


class UnknownChoice(click.BadParameter):
    """A value outside a closed set; carries what the error's close matches are found in."""

    def __init__(self, *, what: str, value: str, choices: tuple[str, ...]) -> None:
        super().__init__(f"unknown {what} {value!r}")
        self.what = what
        self.value = value
        self.choices = choices


class OneOf(_Text):
    """One of a closed set of words."""

    def __init__(self, what: str, choices: Iterable[str]) -> None:
        self.what = what
        self.choices = tuple(str(choice) for choice in choices)
        self.name = what

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        """Show the words themselves in the help."""
        return "[" + "|".join(self.choices) + "]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """Accept a word of the set, in any case."""
        if value.lower() not in self.choices:
            raise UnknownChoice(what=self.what, value=value, choices=self.choices)
        return value.lower()


class KeyValue(_Pair):
    """``KEY=VALUE``, as a pair; what both are called is shown in the help. ``value`` says what a value stands for."""

    def __init__(self, form: str = "KEY=VALUE", *, value: _Text | None = None) -> None:
        self._form = form
        self.name = form.lower()
        self.value = value

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split at the first ``=``."""
        if isinstance(value, tuple):
            return value
        key, separator, rest = value.partition("=")
        if not (key and separator):
            self.fail(f"{value!r} is not of the form {self._form}", param, ctx)
        return key, rest


class Numbers(_Row):
    """Numbers with commas between them, as a tuple."""

    name = "n,n,..."

    def convert(
        self, value: str | tuple[float, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Read each number."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not numbers with commas between them", param, ctx)


class NamedShape(_Shape):
    """``NAME=N,N,...``, as a pair of the name and a tuple."""

    name = "name=n,n,..."

    def convert(
        self,
        value: str | tuple[str, tuple[int, ...]],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, tuple[int, ...]]:
        """Split at the last ``=``, and read each number."""
        if isinstance(value, tuple):
            return value
        name, _, sizes = value.rpartition("=")
        try:
            shape = tuple(int(size) for size in sizes.split(",") if size.strip())
        except ValueError:
            shape = ()
        if not name or not (shape or not sizes):
            self.fail(f"{value!r} is not of the form NAME=N,N,... such as x=1,3,224,224", param, ctx)
        return name, shape


class NamedRange(_Range):
    """``NAME:DIMENSION=LOW,HIGH``, as the name, the dimension and both sizes."""

    name = "name:dimension=low,high"

    def convert(
        self,
        value: str | tuple[str, int, tuple[int, int]],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, int, tuple[int, int]]:
        """Split at the last ``=`` and the last ``:`` before it."""
        if isinstance(value, tuple):
            return value
        place, _, sizes = value.rpartition("=")
        name, _, dimension = place.rpartition(":")
        try:
            low, high = (int(size) for size in sizes.split(","))
            found = name, int(dimension), (low, high)
        except ValueError:
            found = None
        if not name or found is None:
            self.fail(f"{value!r} is not of the form NAME:DIMENSION=LOW,HIGH such as x:2=64,512", param, ctx)
        return found
