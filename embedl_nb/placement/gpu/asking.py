"""Ask LiteRT's GPU accelerator about a model: which operators it takes, why not the others, whether it computes right.

In: a model. Out: a :class:`~embedl_nb.placement.answers.UnitAnswer`. The accelerator (WebGPU, the kernels of a phone's
GPU) runs in a child process on whatever Vulkan driver is there; its crash or hang is an answer too. It is never timed:
what a software GPU takes says nothing of a phone.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from pathlib import Path

from embedl_nb.errors import EmbedlError, MissingDependencyError, RuntimeTimeoutError
from embedl_nb.imports import version_of
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.placement.answers import UnitAnswer
from embedl_nb.placement.gpu import kept
from embedl_nb.placement.gpu.comparing import compare_with_cpu
from embedl_nb.placement.gpu.drivers import INSTALL_COMMAND, LAVAPIPE, Driver, find_drivers
from embedl_nb.placement.gpu.judging import judge
from embedl_nb.placement.gpu.question import Question, make_question
from embedl_nb.placement.gpu.said import Adapter, read_adapter, says_no_gpu
from embedl_nb.runtime.gpu_worker import accelerator_path
from embedl_nb.runtime.process import Child
from embedl_nb.units import ComputeUnit

__all__ = ["ask_gpu"]

_WORKER, _WHO = "embedl_nb.runtime.gpu_worker", "LiteRT's GPU accelerator"
_TIMEOUT_S = 300.0
_PHONE_NOTE = "a phone may run LiteRT's OpenCL backend, which can take other operators than the WebGPU one asked here"


def ask_gpu(model: LiteRTModel, *, signature_key: str | None = None, timeout_s: float = _TIMEOUT_S) -> UnitAnswer:
    """Say which operators LiteRT's GPU accelerator takes, and why it leaves the others to the CPU.

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
        Kept in the cache by the model's content, the runtime's version and the driver. Without a driver, and where the
        accelerator crashes or hangs, nothing is checked and the answer says why.

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
        accelerator_path()
    except MissingDependencyError as err:
        return _not_checked(err.message, next_step=err.install)
    drivers = find_drivers()
    if not drivers:
        return _not_checked(
            "there is no Vulkan driver on this machine for LiteRT's GPU accelerator", next_step=INSTALL_COMMAND
        )
    key = kept.answer_key(model.sha256, signature_key, [driver.identity for driver in drivers])
    answer = kept.find(key)
    if answer is None:
        answer = _ask_first_that_works(model, signature_key, drivers, deadline=start + timeout_s)
        if not answer.not_checked:
            answer = kept.keep(key, answer)
    return dataclasses.replace(answer, seconds=time.monotonic() - start)


def _ask_first_that_works(
    model: LiteRTModel, signature_key: str | None, drivers: list[Driver], *, deadline: float
) -> UnitAnswer:
    with tempfile.TemporaryDirectory(prefix="embedl_nb-") as name:
        question = make_question(model, signature_key, Path(name))
        for driver in drivers:
            answer = _ask(question, driver, Path(name), deadline=deadline)
            if answer is not None:
                return answer
    tried = ", ".join(driver.name for driver in drivers)
    too_old = " (Debian 12's is too old for LiteRT)" if drivers[-1].name == LAVAPIPE else ""
    return _not_checked(f"no GPU was found through {tried}{too_old}", next_step=INSTALL_COMMAND)


def _ask(question: Question, driver: Driver, folder: Path, *, deadline: float) -> UnitAnswer | None:
    """Ask on one driver; None where it leads to no GPU."""
    # The driver wants such a folder; a container has none.
    environment = driver.environment | {"XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR") or str(folder)}
    with Child(_WORKER, what=_WHO, environment=environment) as child:
        try:
            child.request("load", {"vulkan_loader": str(driver.loader or "")}, timeout_s=_left(deadline))
            said = child.request("ask", {"model_path": str(question.path), "with_cpu": True}, timeout_s=_left(deadline))
            if says_no_gpu(said["log"]):
                return None
            verdict = judge(
                question, said, lambda request: child.request("ask", request, timeout_s=_left(deadline)), folder
            )
        except EmbedlError as err:
            answer = _not_checked(err.message, next_step=err.hint)
            return dataclasses.replace(answer, log_path=child.log_path)
        facts, notes = _comparison(question, child, is_compiled=said["is_compiled"], deadline=deadline)
        log_path = child.log_path
    adapter = read_adapter(log_path.read_text(errors="replace"))
    return UnitAnswer(
        unit=ComputeUnit.GPU,
        asked=_who(adapter),
        operators=verdict.operators,
        cause=verdict.cause,
        partitions=verdict.partitions,
        log_path=log_path,
        notes=(_PHONE_NOTE, *_size_notes(question), *verdict.notes, *notes),
        facts=facts,
    )


def _comparison(
    question: Question, child: Child, *, is_compiled: bool, deadline: float
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return facts and notes on the outputs; that they cannot be compared is a note, and takes no answer away."""
    if not is_compiled:
        return (), ()
    try:
        return compare_with_cpu(question, child, timeout_s=_left(deadline))
    except EmbedlError as err:
        return (), (f"its outputs were not compared with the CPU's: {err.message}",)


def _size_notes(question: Question) -> tuple[str, ...]:
    open_inputs = [str(spec) for spec in question.signature.inputs if -1 in spec.shape]
    if not open_inputs:
        return ()
    return (f"sizes that may vary ({', '.join(open_inputs)}) were asked about as they stand in the file",)


def _who(adapter: Adapter | None = None) -> str:
    who = f"LiteRT's GPU accelerator (WebGPU, ai-edge-litert {version_of('ai-edge-litert')})"
    return who if adapter is None else f"{who} on {adapter}"


def _not_checked(why: str, *, next_step: str) -> UnitAnswer:
    return UnitAnswer(unit=ComputeUnit.GPU, asked=_who(), not_checked=why, next_step=next_step)


def _left(deadline: float) -> float:
    """Return the time that is left, s; a request that begins too late fails as one that takes too long."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise RuntimeTimeoutError(
            "LiteRT's GPU accelerator did not answer in the time it was given", hint="give timeout_s more time"
        )
    return left
