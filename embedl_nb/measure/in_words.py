"""An error as words in a result that goes on without what failed."""

from __future__ import annotations

from embedl_nb.errors import EmbedlError

__all__ = ["in_words"]


def in_words(err: Exception) -> str:
    """Return what happened and what to do; the kind of error where it is none of ours."""
    if not isinstance(err, EmbedlError):
        return f"{type(err).__name__}: {err}"
    return f"{err.message}; try: {err.hint}" if err.hint else err.message
