"""Run a repro file of litert-torch alone in the warm converter, and say how it fails. Runs in the child only.

A script sets ``expected``, ``converted`` and ``outputs`` one after the other (see repro.py): which of them are there
tells how far it came. A crash or a hang ends this child and is seen by its parent.
"""

from __future__ import annotations

import runpy
from types import TracebackType
from typing import Any

from embedl_nb.compiler.explaining.failures import Failure, FailureKind
from embedl_nb.runtime.logs import own_log_since, own_log_size_bytes
from embedl_nb.runtime.refusals import refused_operators, unprepared_operators

__all__ = ["try_script"]


def try_script(payload: dict[str, Any]) -> dict[str, Any]:
    """Run the script at ``path``.

    Returns
    -------
    dict
        ``kind`` (see FailureKind; empty if nothing failed or torch itself cannot run the piece), ``names`` and
        ``exception``.
    """
    start = own_log_size_bytes()
    try:
        runpy.run_path(payload["path"], run_name="__main__")
    except MemoryError:
        raise
    except Exception as err:
        found = _classified(err, _reached(err.__traceback__, payload["path"]), own_log_since(start))
        if found is not None:
            return {"kind": str(found.kind), "names": list(found.names), "exception": found.exception}
    return {"kind": "", "names": [], "exception": ""}


def _classified(err: Exception, reached: set[str], log_text: str) -> Failure | None:
    from embedl_nb.compiler.explaining.lowering_errors import named_operators

    if "expected" not in reached:
        return None
    operators, kind = named_operators(str(err)), type(err).__name__
    if operators:  # also while it runs: litert-torch writes the flatbuffer only then
        return Failure(kind=FailureKind.UNSUPPORTED, names=operators, exception=kind)
    if "converted" not in reached:
        return Failure(kind=FailureKind.RAISED, exception=kind)
    if "outputs" not in reached:
        said = f"{err}\n{log_text}"
        operators = refused_operators(said) or unprepared_operators(said)
        return Failure(kind=FailureKind.UNSUPPORTED if operators else FailureKind.REFUSED, names=operators)
    return Failure(kind=FailureKind.NOT_EQUAL) if isinstance(err, AssertionError) else None


def _reached(traceback: TracebackType | None, path: str) -> set[str]:
    """Return the names that the script at ``path`` had set when it failed."""
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == path:
            return set(traceback.tb_frame.f_globals)
        traceback = traceback.tb_next
    return set()
