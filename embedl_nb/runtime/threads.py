"""How many threads an inference gets where nobody says."""

from __future__ import annotations

import os

from embedl_nb.errors import InputError

__all__ = ["default_num_threads", "resolve_num_threads"]

_MOST_BY_DEFAULT = 4


def default_num_threads(num_usable_cores: int | None = None) -> int:
    """Return the number of processors this process may use, 4 at the most.

    Phones have 4 fast cores or fewer, and on servers small models get slower with more threads; what was used is
    recorded with each measurement.

    Parameters
    ----------
    num_usable_cores
        Where the caller knows more than the processors this process is bound to, e.g. a container's share of CPU time.
    """
    if num_usable_cores is None:
        try:
            num_usable_cores = len(os.sched_getaffinity(0))
        except AttributeError:  # macOS, Windows
            num_usable_cores = os.cpu_count() or 1
    return max(1, min(num_usable_cores, _MOST_BY_DEFAULT))


def resolve_num_threads(num_threads: int | None) -> int:
    """Return ``num_threads``, or the default for None.

    Raises
    ------
    InputError
        If it is not a positive number.
    """
    if num_threads is None:
        return default_num_threads()
    if isinstance(num_threads, bool) or not isinstance(num_threads, int) or num_threads < 1:
        raise InputError(f"num_threads is {num_threads!r}", hint="give a whole number of at least 1, or None")
    return num_threads
