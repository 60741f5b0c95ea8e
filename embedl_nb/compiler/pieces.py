"""Compile a piece of a program by the very steps of a compile, and say how that fails.

In: the text of a repro file that defines ``piece`` and ``inputs`` (explaining/repro.py). The piece runs and is exported
here, as the whole was before it; lowering it and running the result happen in children.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import Any

from embedl_nb.compiler.build import Request, build
from embedl_nb.compiler.converter import Converter
from embedl_nb.compiler.explaining.failures import Failure, failure_of, unkilled
from embedl_nb.errors import CompileError, EmbedlError, InputError

__all__ = ["failure_of_piece"]


def failure_of_piece(script: str, converter: Converter, *, verify: bool, timeout_s: float) -> Failure | None:
    """Compile the piece that ``script`` defines; None where it compiles, or where torch itself cannot run it.

    Parameters
    ----------
    converter
        The child that lowers; a piece whose child somebody else has killed is compiled again.
    verify
        False leaves out running the compiled piece.
    timeout_s
        For lowering.
    """
    failures: list[Failure | None] = []

    def keep(err: CompileError, *_: object) -> None:
        failures.append(failure_of(err))

    def compiled() -> None:
        failures.clear()
        source = _source(script)
        source.converter = converter
        request = Request(source=source, name="piece", verify=verify, timeout_s=timeout_s, on_failure=keep)
        shutil.rmtree(build(request, key="").path.parent, ignore_errors=True)

    with contextlib.suppress(EmbedlError):
        unkilled(compiled)
    return failures[-1] if failures else None


def _source(script: str) -> Any:
    """Run the script but for its last lines, which are for those who call it by name."""
    import torch

    from embedl_nb.compiler.sources.from_torch import TorchSource
    from embedl_nb.compiler.sources.samples import read_samples

    scope: dict[str, Any] = {"__name__": "piece"}
    try:
        with torch.random.fork_rng(devices=[]):  # it sets a seed, which is not the user's
            exec(compile(script, "piece.py", "exec"), scope)  # noqa: S102 - repro.py wrote it, of torch's operators only
    except RuntimeError as err:
        raise InputError("torch makes no random values for this piece", hint="try another one") from err
    return TorchSource(scope["piece"], read_samples(scope["inputs"]))
