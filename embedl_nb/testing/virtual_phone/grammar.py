r"""The language of the phone's shell, as far as it goes: text becomes commands, nothing is run here.

Simple commands joined by ``;``, ``&&`` or newlines; words quoted as POSIX says; ``NAME=value`` before a command;
``$?``, ``$$`` and ``$NAME``; ``*`` in unquoted words; ``>``, ``>>``, ``<``, ``2>`` and ``2>&1``. There are no pipes,
loops, functions or substitutions: those are refused, never passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto

__all__ = ["Command", "Kind", "Piece", "Redirection", "ShellSyntaxError", "Word", "parse"]

_NAME = re.compile(r"[A-Za-z_]\w*")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")
_REDIRECTION = re.compile(r"([012]?)(>>|>&|>|<)(\d?)")
_PLAIN, _IN_QUOTES = re.compile(r"""[^ \t\n;&|<>()'"\\$`]+"""), re.compile(r'[^"\\$`]+')
_BLANK, _ENDS_WORD = " \t", " \t\n;&|<>()"
_REFUSED_WORDS = frozenset({"if", "for", "while", "until", "case", "function", "{", "!"})


class ShellSyntaxError(Exception):
    """The text is none of this language."""


class Kind(Enum):
    """What a piece of a word is."""

    PLAIN = auto()
    """As it stands; a ``*`` in it is a pattern."""
    QUOTED = auto()
    """As it stands."""
    VARIABLE = auto()
    """A name whose value stands there."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word."""

    text: str
    kind: Kind


Word = tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """Where one of a command's streams goes.

    Attributes
    ----------
    stream
        0, 1 or 2.
    target
        A file's name; None where ``like`` says it.
    like
        The stream that it goes the way of; None where ``target`` says it.
    append
        Whether the file keeps what it has.
    """

    stream: int
    target: Word | None = None
    like: int | None = None
    append: bool = False


@dataclass(slots=True)
class Command:
    """One simple command.

    Attributes
    ----------
    only_after_success
        Whether it follows ``&&``.
    """

    only_after_success: bool = False
    assignments: list[tuple[str, Word]] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    redirections: list[Redirection] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return not (self.assignments or self.words or self.redirections)


def parse(text: str) -> list[Command]:
    """Return the commands in ``text``.

    Raises
    ------
    ShellSyntaxError
        Saying what is not understood.
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._commands = [Command()]

    def parse(self) -> list[Command]:
        while self._at < len(self._text):
            here = self._text[self._at]
            if here in _BLANK or self._text.startswith("\\\n", self._at):
                self._at += 1 if here in _BLANK else 2
            elif here == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif here in "\n;&":
                self._end_command(here)
            elif match := _REDIRECTION.match(self._text, self._at):
                self._redirect(match)
            elif here in "|()`":
                raise ShellSyntaxError(f"{here!r} unexpected")
            else:
                self._add_word(self._word())
        if self._commands[-1].is_empty and self._commands[-1].only_after_success:
            raise ShellSyntaxError("unexpected end of file")
        return [command for command in self._commands if not command.is_empty]

    def _end_command(self, here: str) -> None:
        command = self._commands[-1]
        if here == "\n":
            self._at += 1
            if command.is_empty:  # also after "&&", which goes on in the next line
                return
            self._commands.append(Command())
            return
        if command.is_empty:
            raise ShellSyntaxError(f"{here!r} unexpected")
        if here == "&" and not self._text.startswith("&&", self._at):
            raise ShellSyntaxError("'&' unexpected")
        self._at += 2 if here == "&" else 1
        self._commands.append(Command(only_after_success=here == "&"))

    def _redirect(self, match: re.Match[str]) -> None:
        stream, operator, other = match.groups()
        number = int(stream) if stream else 0 if operator == "<" else 1
        if operator == ">&":
            if other not in ("1", "2"):
                raise ShellSyntaxError(f"{match[0]!r} unexpected")
            self._at = match.end()
            self._commands[-1].redirections.append(Redirection(stream=number, like=int(other)))
            return
        self._at = match.end(2)
        while self._at < len(self._text) and self._text[self._at] in _BLANK:
            self._at += 1
        target = self._word()
        if not target:
            raise ShellSyntaxError(f"{match[2]!r} needs a file")
        self._commands[-1].redirections.append(Redirection(stream=number, target=target, append=operator == ">>"))

    def _add_word(self, word: Word) -> None:
        command = self._commands[-1]
        first = word[0]
        if not command.words:
            match = _ASSIGNMENT.match(first.text) if first.kind is Kind.PLAIN else None
            if match:
                rest = (Piece(first.text[match.end() :], Kind.QUOTED), *word[1:])
                command.assignments.append((match[1], rest))
                return
            if len(word) == 1 and first.kind is Kind.PLAIN and first.text in _REFUSED_WORDS:
                raise ShellSyntaxError(f"{first.text!r} unexpected")
        command.words.append(word)

    def _word(self) -> Word:
        pieces: list[Piece] = []
        while self._at < len(self._text) and self._text[self._at] not in _ENDS_WORD:
            here = self._text[self._at]
            if here == "'":
                pieces.append(self._single_quoted())
            elif here == '"':
                pieces.extend(self._double_quoted())
            elif here == "\\":
                pieces.append(Piece(self._text[self._at + 1 : self._at + 2], Kind.QUOTED))
                self._at += 2
            elif here == "$":
                pieces.append(self._variable())
            elif here == "`":
                raise ShellSyntaxError("'`' unexpected")
            else:
                pieces.append(Piece(self._run_of(_PLAIN), Kind.PLAIN))
        return _joined(pieces)

    def _run_of(self, characters: re.Pattern[str]) -> str:
        """Take as many of these characters as there are, one at least."""
        match = characters.match(self._text, self._at)
        run = match[0] if match else self._text[self._at]
        self._at += len(run)
        return run

    def _single_quoted(self) -> Piece:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise ShellSyntaxError("no closing quote")
        piece = Piece(self._text[self._at + 1 : end], Kind.QUOTED)
        self._at = end + 1
        return piece

    def _double_quoted(self) -> list[Piece]:
        self._at += 1
        pieces = [Piece("", Kind.QUOTED)]
        while self._at < len(self._text):
            here = self._text[self._at]
            if here == '"':
                self._at += 1
                return pieces
            if here == "\\" and self._text[self._at + 1 : self._at + 2] in ("$", "`", '"', "\\"):
                pieces.append(Piece(self._text[self._at + 1], Kind.QUOTED))
                self._at += 2
            elif here == "$":
                pieces.append(self._variable())
            elif here == "`":
                raise ShellSyntaxError("'`' unexpected")
            else:
                pieces.append(Piece(self._run_of(_IN_QUOTES), Kind.QUOTED))
        raise ShellSyntaxError("no closing quote")

    def _variable(self) -> Piece:
        self._at += 1
        following = self._text[self._at : self._at + 1]
        if following in ("?", "$"):
            self._at += 1
            return Piece(following, Kind.VARIABLE)
        match = _NAME.match(self._text, self._at)
        if match:
            self._at = match.end()
            return Piece(match[0], Kind.VARIABLE)
        if following in ("(", "{"):
            raise ShellSyntaxError(f"'${following}' unexpected")
        return Piece("$", Kind.QUOTED)


def _joined(pieces: list[Piece]) -> Word:
    """Join neighbours of one kind, so that long words are not thousands of pieces."""
    joined: list[Piece] = []
    texts: list[str] = []
    for index, piece in enumerate(pieces):
        texts.append(piece.text)
        is_last = index + 1 == len(pieces) or pieces[index + 1].kind is not piece.kind or piece.kind is Kind.VARIABLE
        if is_last:
            joined.append(Piece("".join(texts), piece.kind))
            texts = []
    return tuple(joined)
