"""What an exception of another tool says, in one line of an error of ours; the whole goes into its ``details``."""

from __future__ import annotations

__all__ = ["one_line"]


def one_line(err: BaseException) -> str:
    """Return the first line that says something, the class's name where none does.

    Examples
    --------
    >>> one_line(ValueError("it broke")), one_line(KeyError())
    ('it broke', 'KeyError')
    """
    return next((line.strip() for line in str(err).splitlines() if line.strip()), type(err).__name__)
