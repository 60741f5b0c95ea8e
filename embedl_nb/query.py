"""The little language of budgets and filters: ``p95_ms <= 10 and peak_memory_mib <= 150 MiB``.

Text comes in with the names that may stand in it; a :class:`Query` goes out, which judges rows or becomes an SQL
condition with bound parameters. Nothing is evaluated, and it knows nothing of what the names mean but their kind.

::

    query      = all {"or" all}
    all        = item {"and" item}
    item       = "not" item | "(" query ")" | comparison
    comparison = name operator value
    operator   = "<" | "<=" | ">" | ">=" | "==" | "!=" | "~"     ("~": contains, upper and lower case alike)
    value      = number [unit] | 'text' | word | "2026-11-01" | "2026-11-01 17:05"     (UTC)
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from embedl_nb.errors import InputError, UnknownNameError

__all__ = ["Comparison", "Group", "Kind", "Moment", "Query", "is_condition", "parse"]

_LONGEST = 2000
_DEEPEST = 50
_SHOWN = 60
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<text>"[^"]*"|'[^']*')
    |(?P<operator><=|>=|==|!=|[<>~])
    |(?P<sign>[()%])
    |(?P<end>\Z)
    )""",
    re.VERBOSE,
)
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_OPPOSITES = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "==", "~": "!~", "!~": "~"}
# What can be measured in more than one unit: each with its size.
_UNITS = (
    {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3, "min": 6e4},
    {"B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30},
    {"uJ": 1e-3, "mJ": 1.0, "J": 1e3},
    {"mW": 1.0, "W": 1e3},
    {"dB": 1.0},
    {"": 1.0, "%": 0.01},
)
_ALL_UNITS = tuple(unit for units in _UNITS for unit in units if unit)
_SUFFIXES = {**{unit.lower(): unit for unit in _ALL_UNITS if unit not in ("B", "%")}, "bytes": "B"}
_MOMENTS = (
    (re.compile(r"\d{4}-\d{2}-\d{2}"), timedelta(days=1)),
    (re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}"), timedelta(minutes=1)),
    (re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}"), timedelta(seconds=1)),
)


class Kind(StrEnum):
    """What the values of a name are."""

    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    """A datetime, or ms since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, a minute or a second as it was written: ms since 1970 UTC, without ``end_ms`` itself."""

    begin_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One name against one value, which is in the unit that the name states.

    Attributes
    ----------
    operator
        As it is written, or ``"!~"``: does not contain.
    """

    name: str
    kind: Kind
    operator: str
    value: float | str | Moment

    def holds(self, value: object) -> bool | None:
        """Return whether ``value`` is as it should be; None where there is none."""
        if value is None or value != value:  # NaN, and pandas' NaT
            return None
        if self.operator in ("~", "!~"):
            return (_lower(str(self.value)) in _lower(str(value))) == (self.operator == "~")
        if isinstance(self.value, Moment):
            edge, test = _edge(self.operator, self.value)
            when: Any = _milliseconds(value) if isinstance(value, datetime) else value
            if test in _TESTS:
                return _TESTS[test](when, edge)
            is_within: bool = self.value.begin_ms <= when < self.value.end_ms
            return is_within == (self.operator == "==")
        return _TESTS[self.operator](value, self.value)

    def to_sql(self, column: str) -> tuple[str, list[float | str]]:
        """Return the condition on ``column``, an expression of the caller's own, and its parameters."""
        if self.operator in ("~", "!~"):
            return f"instr(lower({column}), lower(?)) {'>' if self.operator == '~' else '='} 0", [str(self.value)]
        if isinstance(self.value, Moment):
            edge, test = _edge(self.operator, self.value)
            if test in _TESTS:
                return f"{column} {test} ?", [edge]
            negated = "" if self.operator == "==" else "NOT "
            return f"{negated}({column} >= ? AND {column} < ?)", [self.value.begin_ms, self.value.end_ms]
        return f"{column} {self.operator} ?", [self.value]

    def negated(self) -> Comparison:
        """Return what holds where this does not; what is not known stays so."""
        return replace(self, operator=_OPPOSITES[self.operator])


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Several conditions, of which all have to hold, or any."""

    needs_all: bool
    parts: tuple[Condition, ...]

    def negated(self) -> Group:
        """Return what holds where this does not (De Morgan)."""
        return Group(needs_all=not self.needs_all, parts=tuple(part.negated() for part in self.parts))


Condition: TypeAlias = Comparison | Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What was asked, as a tree in which ``not`` has been worked into the comparisons.

    Attributes
    ----------
    text
        As it was written.
    """

    text: str
    condition: Condition

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All that it compares, as they were written."""
        return tuple(_leaves(self.condition))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that it asks for, each once."""
        return tuple(dict.fromkeys(leaf.name for leaf in self.comparisons))

    def judge(self, verdict: Callable[[Comparison], bool | None]) -> bool | None:
        """Return whether it holds where each comparison has this ``verdict``; None where that hangs on an unknown."""
        return _judged(self.condition, verdict)

    def matches(self, row: Mapping[str, object]) -> bool | None:
        """Return whether it holds of ``row``; None where that hangs on a value that is missing."""
        return self.judge(lambda leaf: leaf.holds(row.get(leaf.name)))

    def failures(self, verdict: Callable[[Comparison], bool | None]) -> tuple[Comparison, ...]:
        """Return the comparisons for which it does not hold; none where it holds."""
        return tuple(_failed(self.condition, verdict))

    def to_sql(self, columns: Mapping[str, str]) -> tuple[str, list[float | str]]:
        """Return a condition for SQLite and its parameters.

        Parameters
        ----------
        columns
            SQL expression of each name in :attr:`columns`; they are the caller's, never the user's.
        """
        return _sql(self.condition, columns)


def is_condition(text: object) -> bool:
    """Say whether this is meant as a query rather than as words: it compares something."""
    return isinstance(text, str) and any(sign in text for sign in "<>=~!")


def parse(text: str, names: Mapping[str, str]) -> Query:
    """Read ``text``, in which ``names`` (name -> :class:`Kind`) may stand.

    A number with a unit is turned into the unit that its name ends in (``_ms``, ``_mib``, ``_bytes``); without one it
    is in that unit already.

    Raises
    ------
    InputError
        If it cannot be read; the message shows where.
    UnknownNameError
        If a name is not in ``names``; ``candidates`` are the close ones.

    Examples
    --------
    >>> query = parse("p50_ms < 10 and not device ~ 'pixel'", {"p50_ms": "number", "device": "text"})
    >>> query.matches({"p50_ms": 3.4, "device": "Galaxy S24"}), query.matches({"device": "Galaxy S24"})
    (True, None)
    >>> query.to_sql({"p50_ms": "p50", "device": "device"})
    ('(p50 < ? AND instr(lower(device), lower(?)) = 0)', [10.0, 'pixel'])
    """
    if not isinstance(text, str):
        raise InputError(f"a query is text, not {type(text).__name__}", hint='"p50_ms < 10"')
    if len(text) > _LONGEST:
        raise InputError(
            f"a query of {len(text):,} characters is longer than the {_LONGEST:,} that are read", hint="shorten it"
        )
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise InputError(
            "the query holds half a character (a lone surrogate), which no name holds", hint="type the text again"
        )
    if not text.strip():
        raise InputError("the query is empty", hint=f"name one of: {', '.join(sorted(names))}")
    reader = _Reader(text, names)
    condition = reader.any_of(depth=0)
    reader.expect_end()
    return Query(text=text.strip(), condition=condition)


class _Reader:
    """Descends through the grammar in the module's docstring, one method a rule."""

    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        self._text = text
        self._names = names
        self._kind = self._value = ""
        self._at = self._next = 0
        self._advance()

    def any_of(self, *, depth: int) -> Condition:
        parts = [self._all_of(depth=depth)]
        while self._is_word("or"):
            self._advance()
            parts.append(self._all_of(depth=depth))
        return parts[0] if len(parts) == 1 else Group(needs_all=False, parts=tuple(parts))

    def expect_end(self) -> None:
        if self._kind != "end":
            raise self._error("and, or, or the end was expected")

    def _all_of(self, *, depth: int) -> Condition:
        parts = [self._item(depth=depth)]
        while self._is_word("and"):
            self._advance()
            parts.append(self._item(depth=depth))
        return parts[0] if len(parts) == 1 else Group(needs_all=True, parts=tuple(parts))

    def _item(self, *, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise self._error(f"it is nested deeper than {_DEEPEST}")
        if self._is_word("not"):
            self._advance()
            return self._item(depth=depth + 1).negated()
        if self._value != "(":
            return self._comparison()
        opened = self._at
        self._advance()
        condition = self.any_of(depth=depth + 1)
        if self._value != ")":
            raise self._error("this parenthesis is not closed", at=opened if self._kind == "end" else None)
        self._advance()
        return condition

    def _comparison(self) -> Comparison:
        name = self._value
        if self._kind != "word" or self._is_word("and", "or"):
            raise self._error("a name was expected", hint='a comparison is written like p50_ms < 10 or device ~ "S24"')
        if name not in self._names:
            raise UnknownNameError.among("name in the query:", name, self._names)
        kind = Kind(self._names[name])
        self._advance()
        if self._kind != "operator":
            raise self._error(f"a comparison was expected after {name}", hint="one of: < <= > >= == != ~")
        sign = self._value
        if sign == "~" and kind is not Kind.TEXT:
            raise self._error(f"{name} is a {kind}, ~ is for text", hint="one of: < <= > >= == !=")
        self._advance()
        reads: dict[Kind, Callable[[str], float | str | Moment]] = {
            Kind.NUMBER: self._number,
            Kind.TEXT: self._words,
            Kind.TIME: self._moment,
        }
        return Comparison(name=name, kind=kind, operator=sign, value=reads[kind](name))

    def _number(self, name: str) -> float:
        number = float(self._value) if self._kind == "number" else math.nan
        if not math.isfinite(number):
            raise self._error(f"{name} is compared with a number")
        self._advance()
        if self._value != "%" and (self._kind != "word" or self._is_word("and", "or")):
            return number
        own = _SUFFIXES.get(name.rpartition("_")[2], "")
        fitting = next(units for units in _UNITS if own in units)
        unit = _SUFFIXES.get(self._value, self._value)
        if unit not in fitting:
            known = [unit for unit in fitting if unit]
            raise self._error(f"{self._value} is no unit for {name}", hint=f"one of: {', '.join(known)}")
        self._advance()
        return number * fitting[unit] / fitting[own]

    def _words(self, name: str) -> str:
        if self._kind not in ("text", "word") or self._is_word("and", "or", "not"):
            raise self._error(f"{name} is compared with text", hint=f'put it in quotes: {name} == "..."')
        words = self._value[1:-1] if self._kind == "text" else self._value
        self._advance()
        return words

    def _moment(self, name: str) -> Moment:
        written = self._value[1:-1]
        length = next((length for form, length in _MOMENTS if form.fullmatch(written)), None)
        try:
            begin = datetime.fromisoformat(written).replace(tzinfo=UTC) if length else None
            moment = begin and length and Moment(_milliseconds(begin), _milliseconds(begin + length))
        except (ValueError, OverflowError):  # the 31st of February, the last day of the calendar
            moment = None
        if self._kind != "text" or not moment:
            raise self._error(f"{name} is compared with a time", hint=f'{name} >= "2026-11-01" or "2026-11-01 17:05"')
        self._advance()
        return moment

    def _is_word(self, *words: str) -> bool:
        return self._kind == "word" and self._value.lower() in words

    def _advance(self) -> None:
        match = _TOKEN.match(self._text, self._next)
        if match is None:
            self._at = len(self._text) - len(self._text[self._next :].lstrip())
            sign = self._text[self._at]
            hints = {"=": "== compares", "&": "write: and", "|": "write: or", "!": "write: not, or !="}
            quotes = {'"': "this quote is not closed", "'": "this quote is not closed"}
            raise self._error(quotes.get(sign, f"{sign!r} means nothing here"), hint=hints.get(sign, ""))
        self._kind = str(match.lastgroup)
        self._value = match[self._kind]
        self._at, self._next = match.start(self._kind), match.end()

    def _error(self, what: str, *, hint: str = "", at: int | None = None) -> InputError:
        at = self._at if at is None else at
        begin = max(0, at - _SHOWN)
        shown = "".join(char if char.isprintable() else " " for char in self._text[begin : at + _SHOWN])
        return InputError(
            f"the query cannot be read at character {at + 1}: {what}\n    {shown}\n    {' ' * (at - begin)}^", hint=hint
        )


def _leaves(condition: Condition) -> list[Comparison]:
    if isinstance(condition, Comparison):
        return [condition]
    return [leaf for part in condition.parts for leaf in _leaves(part)]


def _judged(condition: Condition, verdict: Callable[[Comparison], bool | None]) -> bool | None:
    if isinstance(condition, Comparison):
        return verdict(condition)
    parts = [_judged(part, verdict) for part in condition.parts]
    decisive = not condition.needs_all  # one false part decides of all, one true part of any
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def _failed(condition: Condition, verdict: Callable[[Comparison], bool | None]) -> list[Comparison]:
    if _judged(condition, verdict):
        return []
    if isinstance(condition, Comparison):
        return [condition]
    return [leaf for part in condition.parts for leaf in _failed(part, verdict)]


def _sql(condition: Condition, columns: Mapping[str, str]) -> tuple[str, list[float | str]]:
    if isinstance(condition, Comparison):
        return condition.to_sql(columns[condition.name])
    parts = [_sql(part, columns) for part in condition.parts]
    joined = (" AND " if condition.needs_all else " OR ").join(where for where, _ in parts)
    return f"({joined})", [parameter for _, parameters in parts for parameter in parameters]


def _edge(sign: str, moment: Moment) -> tuple[int, str]:
    """Return the instant that decides, and how: all of a day is later than what is before it, and not after it."""
    tests = {"<": (moment.begin_ms, "<"), ">=": (moment.begin_ms, ">=")}
    tests |= {"<=": (moment.end_ms, "<"), ">": (moment.end_ms, ">=")}
    return tests.get(sign, (moment.begin_ms, "within"))


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _lower(text: str) -> str:
    """Lower ASCII letters only, as SQLite does."""
    return "".join(char.lower() if char.isascii() else char for char in text)
