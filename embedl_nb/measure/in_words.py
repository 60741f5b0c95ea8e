"""An error as words in a result that goes on without what failed."""

from __future__ import annotations

from embedl_nb.errors import EmbedlError

__all__ = ["INTERRUPTED", "in_words"]

INTERRUPTED = "interrupted"
"""What Ctrl-C is called."""


def in_words(err: BaseException) -> str:
    """Return what happened and what to do; the kind of error where it is none of ours."""
    if isinstance(err, KeyboardInterrupt):
        return INTERRUPTED
    if not isinstance(err, EmbedlError):
        return f"{type(err).__name__}: {err}"
    return f"{err.message}; try: {err.hint}" if err.hint else err.message
