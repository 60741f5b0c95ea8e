"""Rehearse: run what the compiler made for a phone's NPU in the vendor's simulator, and compare what comes out.

In: a model, a chip, samples. Out: a :class:`~embedl_nb.placement.rehearsal.result.Rehearsal`. The artifact is run part
by part, in its own order: bytecode in the simulator, the operators between in the LiteRT runtime, each in a child
process. Nothing is timed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.device.catalog import Chip
from embedl_nb.errors import EmbedlError, InputError, RuntimeTimeoutError
from embedl_nb.model.calling import bind_inputs, pick_signature, real_values
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.model.spec import Signature
from embedl_nb.placement.answers import UnitAnswer
from embedl_nb.placement.npu import ask_npu
from embedl_nb.placement.rehearsal.agreement import Agreement, compare
from embedl_nb.placement.rehearsal.result import Rehearsal
from embedl_nb.placement.rehearsal.samples import RehearsalSamples, choose_samples
from embedl_nb.placement.rehearsal.simulator import Simulator, htp_arch
from embedl_nb.placement.rehearsal.steps import CpuStep, NpuStep, Steps, read_steps
from embedl_nb.runtime.arrays import by_sample, join_samples
from embedl_nb.runtime.running import run_samples

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Array]

__all__ = ["rehearse"]

_TIMEOUT_S = 600.0
_CPU, _SOURCE = "the CPU", "its source"


def rehearse(
    model: LiteRTModel,
    chip: Chip,
    *,
    samples: Any = None,
    source: LiteRTModel | None = None,
    signature_key: str | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> Rehearsal:
    """Run the NPU's artifact for ``chip`` in Qualcomm's simulator, and compare its outputs.

    Parameters
    ----------
    model
        The portable model; it is compiled for the chip, or taken from the cache.
    samples
        A list of samples in real values, each an array, a tuple by position or a dict by input name; or one such, which
        may hold several along the first axis. By default the samples that the model was verified on; a model without
        any gets random values, which exercise it but say little of real data.
    source
        What to compare with besides the CPU, on the same samples: the float model that a quantized one was made from.
        By default what the source made of the model's own samples, where it is known.
    signature_key
        Which signature is run; the first by default.
    timeout_s
        For everything together, s. A simulated inference takes from 0.1 s to minutes.

    Raises
    ------
    InputError
        If the chip's NPU is none of Qualcomm's or takes no operator, or the samples do not fit.
    MissingDependencyError
        If the simulator is not installed.
    BenchmarkError
        If the simulator or the LiteRT runtime crashes, hangs or refuses; ``details`` names the log.
    EmbedlError
        If the model could not be compiled for the chip.
    """
    deadline = time.monotonic() + timeout_s
    signature = pick_signature(model.signatures, signature_key)
    if chip.npu_sdk != "qualcomm":
        raise InputError(
            f"only an NPU that Qualcomm's compiler compiles for can be rehearsed, and that of {chip} is none",
            hint="pick one of enb.catalog(npu='qualcomm')",
        )
    chosen = choose_samples(model, signature, samples)
    with tempfile.TemporaryDirectory(prefix="embedl_nb-rehearsal-") as folder, Simulator(chip) as simulator:
        answer = ask_npu(model, chip, signature_key=signature.key, timeout_s=_left(deadline))
        steps = read_steps(_artifact(model, chip, answer), signature, Path(folder))
        progress.emit("rehearsal", f"running {model.name} for {chip} in Qualcomm's simulator")
        on_npu = _run(steps, simulator, chosen.arrays, state=dict(model.state), deadline=deadline)
        version, log_path = simulator.version, simulator.log_path
    on_cpu = _on_cpu(model, signature, chosen.arrays, deadline=deadline)
    npu, cpu = (_real(signature, on_npu), _real(signature, on_cpu))
    golden = _golden(source, signature_key, chosen, deadline=deadline)
    return Rehearsal(
        model_name=model.name,
        model_sha256=model.sha256,
        precision=model.precision,
        chip=str(chip),
        htp_arch=htp_arch(chip),
        qairt=steps.build,
        simulator=version,
        num_partitions=sum(isinstance(step, NpuStep) for step in steps.steps),
        num_npu_operators=sum(map(len, answer.partitions)),
        num_cpu_operators=sum(step.num_operators for step in steps.steps if isinstance(step, CpuStep)),
        samples=chosen.words,
        against_cpu=compare(cpu, npu, _CPU),
        against_source=_compare_named(golden, npu),
        cpu_against_source=_compare_named(golden, cpu),
        log_path=log_path,
    )


def _artifact(model: LiteRTModel, chip: Chip, answer: UnitAnswer) -> bytes:
    if answer.not_checked:
        raise EmbedlError(
            f"{model.name} was not compiled for the NPU of {chip}: {answer.not_checked}",
            hint=answer.next_step,
            details=f"log: {answer.log_path}" if answer.log_path else "",
        )
    if answer.artifact is None:
        why = f": {answer.cause}" if answer.cause else ""
        raise InputError(
            f"the NPU of {chip} takes no operator of {model.name}, so there is nothing to rehearse{why}",
            hint="quantize the model to int8, or pick another chip",
        )
    return answer.artifact.read_bytes()


def _run(
    steps: Steps, simulator: Simulator, samples: Sequence[Arrays], *, state: dict[str, str], deadline: float
) -> list[Arrays]:
    """Return the artifact's outputs on every sample; what ``state`` names is handed from each to the next."""
    if not state:
        return _run_lot(steps, simulator, samples, deadline=deadline)
    outputs: list[Arrays] = []
    carried: Arrays = {}
    for sample in samples:
        outputs += _run_lot(steps, simulator, [{**sample, **carried}], deadline=deadline)
        carried = {taken: outputs[-1][given] for given, taken in state.items()}
    return outputs


def _run_lot(steps: Steps, simulator: Simulator, samples: Sequence[Arrays], *, deadline: float) -> list[Arrays]:
    """Do each step for all samples before the next, so that a graph is opened once."""
    values = {tensor: [sample[name] for sample in samples] for name, tensor in steps.inputs.items()}
    for step in steps.steps:
        given = [[values[tensor][i] for tensor in step.inputs] for i in range(len(samples))]
        if isinstance(step, NpuStep):
            made = simulator.run(step.graph, given, timeout_s=_left(deadline))
        else:
            made = _run_slice(step, given, timeout_s=_left(deadline))
        values.update({tensor: [sample[place] for sample in made] for place, tensor in enumerate(step.outputs)})
    return [{name: values[tensor][i] for name, tensor in steps.outputs.items()} for i in range(len(samples))]


def _run_slice(step: CpuStep, samples: Sequence[Sequence[Array]], *, timeout_s: float) -> list[list[Array]]:
    named = join_samples([{f"input_{place}": a for place, a in enumerate(sample)} for sample in samples])
    returned = by_sample(run_samples(step.path, named, timeout_s=timeout_s))
    return [[sample[f"output_{place}"] for place in range(len(step.outputs))] for sample in returned.values()]


def _on_cpu(model: LiteRTModel, signature: Signature, samples: Sequence[Arrays], *, deadline: float) -> list[Arrays]:
    """Return the outputs of the portable model in the LiteRT runtime."""
    returned = run_samples(
        model.path,
        join_samples(samples),
        signature_key=signature.key or None,
        state=dict(model.state),
        timeout_s=_left(deadline),
    )
    return list(by_sample(returned).values())


def _golden(
    source: LiteRTModel | None, signature_key: str | None, chosen: RehearsalSamples, *, deadline: float
) -> Sequence[Arrays]:
    """Return what the source makes of the samples, in real values; empty where it is not known."""
    if source is None:
        return chosen.golden
    signature = pick_signature(source.signatures, signature_key)
    samples = [bind_inputs(signature, *call) for call in chosen.calls]
    return _real(signature, _on_cpu(source, signature, samples, deadline=deadline))


def _real(signature: Signature, samples: Sequence[Arrays]) -> list[Arrays]:
    """Return outputs in real values, those that are there: a compiler may lose one of two names for one tensor."""
    specs = {spec.name: spec for spec in signature.outputs}
    return [{name: real_values(array, specs[name]) for name, array in sample.items()} for sample in samples]


def _compare_named(golden: Sequence[Arrays], outputs: Sequence[Arrays]) -> Agreement | None:
    """Compare the outputs that the source knows."""
    if not golden:
        return None
    known = [{name: sample[name] for name in golden[0] if name in sample} for sample in outputs]
    return compare(golden, known, _SOURCE)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise RuntimeTimeoutError(
            "the rehearsal was not done in the time it was given", hint="give timeout_s more time, or fewer samples"
        )
    return left
