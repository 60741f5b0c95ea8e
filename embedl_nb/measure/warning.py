"""What a benchmark warns its caller of. All of it stands in the result as well."""

from __future__ import annotations

import warnings
from dataclasses import replace

from embedl_nb.errors import FallbackWarning
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.measure.flags import warn_of

__all__ = ["warn_about"]


def warn_about(result: Benchmark, *, where: str = "", stacklevel: int) -> None:
    """Warn of what makes the figures doubtful, and of a unit that was not the one asked for.

    Parameters
    ----------
    where
        Which of several results it is; opens every warning.
    """
    before = f"{where}: " if where else ""
    warn_of([replace(flag, sentence=before + flag.sentence) for flag in result.flags], stacklevel=stacklevel + 1)
    placement = result.placement
    if not placement.is_as_asked:
        warning = FallbackWarning(before + placement.sentence, asked=placement.asked, got=placement.got)
        warnings.warn(warning, stacklevel=stacklevel + 1)
