"""The phone's shell: runs commands that grammar.py has understood, in the phone's folder and nowhere else."""

from __future__ import annotations

import errno
from contextlib import ExitStack

from embedl_nb.testing.virtual_phone.files import FileWriter
from embedl_nb.testing.virtual_phone.grammar import Command, Kind, Redirection, ShellSyntaxError, Word, parse
from embedl_nb.testing.virtual_phone.handset import Handset
from embedl_nb.testing.virtual_phone.programs import Call, Sink

__all__ = ["Shell"]

_NAME = "/system/bin/sh"


class _Exit(Exception):
    """The shell was told to end."""


class Shell:
    """One shell.

    Parameters
    ----------
    standard_output, standard_error
        Take what its commands print.
    """

    def __init__(self, handset: Handset, standard_output: Sink, standard_error: Sink) -> None:
        self._handset = handset
        self._streams = {1: standard_output, 2: standard_error}
        self._cwd = "/"
        self._variables = {"HOME": "/", "TMPDIR": "/data/local/tmp", "USER": "shell"}
        self._code = 0
        self._pid = handset.processes.new_pid()

    async def run(self, text: str) -> int:
        """Run commands, and return the exit code of the last one."""
        try:
            commands = parse(text)
        except ShellSyntaxError as err:
            await self._complain(f"syntax error: {err}")
            return 1
        try:
            for command in commands:
                if not (command.only_after_success and self._code):
                    self._code = await self._run_command(command)
        except _Exit:
            pass
        return self._code

    async def _run_command(self, command: Command) -> int:
        words = [text for word in command.words for text in self._expand(word)]
        assigned = {name: self._value(word) for name, word in command.assignments}
        with ExitStack() as stack:
            try:
                streams = self._redirected(command.redirections, stack)
            except OSError as err:
                await self._complain(f"can't create {err.filename}: {err.strerror}")
                return 1
            if not words:
                self._variables |= assigned
                return 0
            call = Call(
                handset=self._handset,
                name=words[0],
                args=tuple(words[1:]),
                cwd=self._cwd,
                variables=self._variables | assigned,
                standard_output=streams[1],
                standard_error=streams[2],
            )
            return await self._call(call)

    async def _call(self, call: Call) -> int:
        if call.name == "cd":
            return await self._change_folder(call)
        if call.name == "pwd":
            await call.out(self._cwd + "\n")
            return 0
        if call.name == "exit":
            if call.args and call.args[0].isdecimal():
                self._code = int(call.args[0]) & 0xFF
            raise _Exit
        return await self._handset.run_program(call)

    async def _change_folder(self, call: Call) -> int:
        path = call.path(call.args[0] if call.args else "/")
        try:
            self._handset.files.names(path)
        except OSError as err:
            await self._complain(f"cd: {path}: {err.strerror}")
            return 2
        self._cwd = path
        return 0

    def _redirected(self, redirections: list[Redirection], stack: ExitStack) -> dict[int, Sink]:
        streams = dict(self._streams)
        for redirection in redirections:
            if redirection.like is not None:
                streams[redirection.stream] = streams[redirection.like]
                continue
            path = self._handset.files.absolute(self._value(redirection.target or ()), self._cwd)
            if path == "/dev/null":
                streams[redirection.stream] = _nowhere
            elif redirection.stream == 0:
                self._handset.files.stat(path)  # no program here reads its input
            else:
                writer = self._handset.files.writer(path, append=redirection.append)
                stack.callback(writer.close)
                streams[redirection.stream] = _into(writer)
        return streams

    def _expand(self, word: Word) -> list[str]:
        """Return what a word stands for: the files that fit its pattern, itself, or nothing."""
        is_pattern = any(piece.kind is Kind.PLAIN and "*" in piece.text for piece in word)
        value = self._value(word)
        if is_pattern:
            return self._handset.files.matching(value, self._cwd) or [value]
        is_missing = not value and all(piece.kind is Kind.VARIABLE for piece in word)
        return [] if is_missing else [value]

    def _value(self, word: Word) -> str:
        values = self._variables | {"?": str(self._code), "$": str(self._pid)}
        return "".join(values.get(piece.text, "") if piece.kind is Kind.VARIABLE else piece.text for piece in word)

    async def _complain(self, text: str) -> None:
        await self._streams[2](f"{_NAME}: {text}\n".encode(errors="surrogateescape"))


async def _nowhere(data: bytes) -> None:
    """Take what is thrown away."""


def _into(writer: FileWriter) -> Sink:
    async def write(data: bytes) -> None:
        # A full phone costs what does not fit; a program that prints does not look.
        try:
            writer.write(data)
        except OSError as err:
            if err.errno != errno.ENOSPC:
                raise

    return write
