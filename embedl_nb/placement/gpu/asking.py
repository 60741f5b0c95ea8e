"""Ask LiteRT's GPU delegate about a model: which operators it takes, why not the others, whether it computes right.

In: a model. Out: a :class:`~embedl_nb.placement.answers.UnitAnswer`. The delegate (WebGPU, the kernels of a phone's
GPU) runs in a child process on whatever Vulkan driver is there; its crash or hang is an answer too. It is never timed:
what a software GPU takes says nothing of a phone.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

from embedl_nb.errors import EmbedlError, MissingDependencyError
from embedl_nb.imports import version_of
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.placement import kept
from embedl_nb.placement.answers import UnitAnswer
from embedl_nb.placement.gpu.alone import Alone
from embedl_nb.placement.gpu.comparing import compare_with_cpu
from embedl_nb.placement.gpu.delegate import Delegate, Reply
from embedl_nb.placement.gpu.drivers import INSTALL_COMMAND, LAVAPIPE, Driver, find_drivers
from embedl_nb.placement.gpu.judging import judge
from embedl_nb.placement.gpu.question import Question, make_question
from embedl_nb.placement.gpu.said import Adapter, read_adapter, says_no_gpu
from embedl_nb.runtime.gpu_worker import delegate_path
from embedl_nb.units import ComputeUnit

__all__ = ["ask_gpu"]

_TIMEOUT_S = 300.0
_PHONE_NOTE = "a phone may run LiteRT's OpenCL backend, which can take other operators than the WebGPU one asked here"


def ask_gpu(model: LiteRTModel, *, signature_key: str | None = None, timeout_s: float = _TIMEOUT_S) -> UnitAnswer:
    """Say which operators LiteRT's GPU delegate takes, and why it leaves the others to the CPU.

    Parameters
    ----------
    model
        What would run.
    signature_key
        Whose operators; the first signature's by default.
    timeout_s
        For all that is asked, s.

    Returns
    -------
    UnitAnswer
        Kept in the cache by the model's content, the runtime's version and the driver. Without a driver nothing is
        checked. Where the delegate crashes on the model, or does not finish it in 0.7 of the time, the operators are
        asked about one by one, and the answer says so.

    Raises
    ------
    UnknownNameError
        If the model has no such signature.
    InputError
        If its file is gone or has changed.
    """
    start = time.monotonic()
    pick_signature(model.signatures, signature_key)
    try:
        delegate_path()
    except MissingDependencyError as err:
        return _not_checked(err.message, next_step=err.install)
    drivers = find_drivers()
    if not drivers:
        return _not_checked(
            "there is no Vulkan driver on this machine for LiteRT's GPU delegate", next_step=INSTALL_COMMAND
        )
    key = kept.answer_key(ComputeUnit.GPU, model.sha256, signature_key, [driver.identity for driver in drivers])
    answer = kept.find(key)
    if answer is None:
        answer, is_final = _ask_first_that_works(model, signature_key, drivers, deadline=start + timeout_s)
        if is_final:
            answer = kept.keep(key, answer)
    return dataclasses.replace(answer, seconds=time.monotonic() - start)


def _ask_first_that_works(
    model: LiteRTModel, signature_key: str | None, drivers: list[Driver], *, deadline: float
) -> tuple[UnitAnswer, bool]:
    """Return the answer, and whether asking again would give the same."""
    with tempfile.TemporaryDirectory(prefix="embedl_nb-") as name:
        question = make_question(model, signature_key, Path(name))
        for driver in drivers:
            with Delegate(driver, Path(name), deadline=deadline) as delegate:
                answer = _ask(question, delegate, Path(name))
                if answer is not None:
                    return answer, not (answer.not_checked or delegate.has_died)
    tried = ", ".join(driver.name for driver in drivers)
    too_old = " (Debian 12's is too old for LiteRT)" if drivers[-1].name == LAVAPIPE else ""
    return _not_checked(f"no GPU was found through {tried}{too_old}", next_step=INSTALL_COMMAND), False


def _ask(question: Question, delegate: Delegate, folder: Path) -> UnitAnswer | None:
    """Ask on one driver; None where it leads to no GPU."""
    try:
        said = delegate.ask_whole(question.path)
        if says_no_gpu(said.log):
            return None
        verdict = judge(question, said, Alone(question, delegate, folder))
    except EmbedlError as err:
        answer = _not_checked(err.message, next_step=err.hint)
        return dataclasses.replace(answer, log_path=delegate.log_path)
    facts, notes = _comparison(question, said, delegate, folder)
    log_path = delegate.log_path
    return UnitAnswer(
        unit=ComputeUnit.GPU,
        asked=_who(_adapter(log_path)),
        operators=verdict.operators,
        cause=verdict.cause,
        partitions=verdict.partitions,
        log_path=log_path,
        notes=(_PHONE_NOTE, *_size_notes(question), *verdict.notes, *notes),
        facts=facts,
    )


def _comparison(
    question: Question, said: Reply, delegate: Delegate, folder: Path
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return facts and notes on the outputs; that they cannot be compared is a note, and takes no answer away."""
    if not said.is_compiled:
        return (), ()
    try:
        return compare_with_cpu(question, delegate, folder)
    except EmbedlError as err:
        return (), (f"its outputs were not compared with the CPU's: {err.message}",)


def _size_notes(question: Question) -> tuple[str, ...]:
    open_inputs = [str(spec) for spec in question.signature.inputs if -1 in spec.shape]
    if not open_inputs:
        return ()
    return (f"sizes that may vary ({', '.join(open_inputs)}) were asked about as they stand in the file",)


def _adapter(log_path: Path | None) -> Adapter | None:
    try:
        return read_adapter(log_path.read_text(errors="replace")) if log_path else None
    except OSError:  # the log is gone, which costs the adapter's name
        return None


def _who(adapter: Adapter | None = None) -> str:
    who = f"LiteRT's GPU delegate (WebGPU, ai-edge-litert {version_of('ai-edge-litert')})"
    return who if adapter is None else f"{who} on {adapter}"


def _not_checked(why: str, *, next_step: str) -> UnitAnswer:
    return UnitAnswer(unit=ComputeUnit.GPU, asked=_who(), not_checked=why, next_step=next_step)
