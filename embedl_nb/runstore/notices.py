"""What the user is told of a store that does not work: once, in the foreground, and where the results are now."""

from __future__ import annotations

import warnings

from embedl_nb.errors import EmbedlError, EmbedlWarning
from embedl_nb.runstore import spool

__all__ = ["forget", "mark_told", "tell", "waiting_sentence"]

_told: set[str] = set()


def tell(*problems: EmbedlError) -> None:
    """Warn of each problem that this process has not been told of yet."""
    for err in problems:
        if err.message not in _told:
            _told.add(err.message)
            num_waiting = len(spool.paths())
            text = f"{err}\n{waiting_sentence(num_waiting)}" if num_waiting else str(err)
            warnings.warn(text, EmbedlWarning, stacklevel=4)


def mark_told(*problems: EmbedlError) -> None:
    """Note that the user learns of these in another way."""
    _told.update(err.message for err in problems)


def forget() -> None:
    """Make every problem news again: the store works."""
    _told.clear()


def waiting_sentence(num_waiting: int) -> str:
    """Say how many results wait, and where."""
    what = "1 result waits" if num_waiting == 1 else f"{num_waiting} results wait"
    return f"{what} in {spool.folder()}; nothing is lost, and each is recorded when its store works"
