"""What is said about the data while it is read: plain notices and louder warnings, each once."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Notes", "join_some"]


class Notes:
    """Collects sentences in the order in which they first came up."""

    def __init__(self) -> None:
        self._notices: dict[str, None] = {}
        self._warnings: dict[str, None] = {}

    def notice(self, sentence: str) -> None:
        """Keep what a reader may want to know."""
        self._notices[sentence] = None

    def warn(self, sentence: str) -> None:
        """Keep what a reader must not miss."""
        self._warnings[sentence] = None

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader may want to know."""
        return tuple(self._notices)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must not miss."""
        return tuple(self._warnings)


def join_some(names: Sequence[str], *, most: int = 5) -> str:
    """Join the first few of ``names`` and count the others.

    Examples
    --------
    >>> join_some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
