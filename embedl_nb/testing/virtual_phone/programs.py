"""What a program on the phone is given: its arguments, its streams, and the phone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedl_nb.testing.virtual_phone.handset import Handset

__all__ = ["Call", "Program", "Sink"]

Sink = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a program.

    Attributes
    ----------
    name, args
        What was typed.
    variables
        Its environment.
    standard_output, standard_error
        Take bytes.
    """

    handset: Handset
    name: str
    args: tuple[str, ...]
    cwd: str
    variables: dict[str, str]
    standard_output: Sink
    standard_error: Sink

    async def out(self, text: str) -> None:
        """Print."""
        await self.standard_output(text.encode(errors="surrogateescape"))

    async def complain(self, text: str) -> int:
        """Print a line about what is wrong, after the program's name; returns the exit code that goes with it."""
        await self.standard_error(f"{self.name}: {text}\n".encode(errors="surrogateescape"))
        return 1

    def path(self, name: str) -> str:
        """Return an argument as an absolute path of the phone."""
        return self.handset.files.absolute(name, self.cwd)

    def calling(self, name: str, *args: str) -> Call:
        """Return a call of another program with the same streams."""
        return replace(self, name=name, args=args)


Program = Callable[[Call], Awaitable[int]]
