"""Whether the GPU computes what the CPU computes, on the model's own sample where it has one."""

from __future__ import annotations

from pathlib import Path

from embedl_nb.model.calling import bind_inputs, restore_outputs
from embedl_nb.model.evidence import Floor, SampleSource, compare_outputs
from embedl_nb.placement.gpu.delegate import Delegate
from embedl_nb.placement.gpu.question import Question
from embedl_nb.runtime.arrays import by_sample, join_samples, load_arrays, save_arrays, take_arrays

__all__ = ["compare_with_cpu"]


def compare_with_cpu(
    question: Question, delegate: Delegate, folder: Path
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return facts and notes on the outputs; ``folder`` takes the file of inputs.

    A GPU may compute in float16, so floats are held to 30 dB, not to a float model's 60.

    Raises
    ------
    EmbedlError
        If either unit cannot run the model.
    """
    inputs_path = _write_sample(question, question.samples_path, folder) if question.samples_path else None
    paths = delegate.compare(
        {
            "model_path": str(question.path),
            "signature_key": question.signature.key or None,
            "inputs_path": str(inputs_path or ""),
        }
    )
    on_cpu, on_gpu = (
        restore_outputs(question.signature, take_arrays(paths[name])) for name in ("cpu_path", "gpu_path")
    )
    parity = compare_outputs(
        [on_cpu], [on_gpu], sample_source=SampleSource.SYNTHETIC, against="the CPU", floor=Floor.INTEGER
    )
    inputs = "on the model's own sample" if question.samples_path else "on random inputs"
    worst = min(parity.outputs, key=lambda output: output.sqnr_db, default=None)
    if worst is None:
        return (), ()
    facts = (("outputs against the CPU's", f"{worst.likeness} {inputs} (measured)"),)
    notes = [
        f"output {output.name!r} is not the CPU's {inputs}: {output.likeness}"
        for output in parity.outputs
        if not output.matches
    ]
    return facts, tuple(notes)


def _write_sample(question: Question, samples_path: Path, folder: Path) -> Path:
    """Write the first sample as the file takes it (integers, for a quantized input) and return where it is."""
    sample = next(iter(by_sample(load_arrays(samples_path)).values()), {})
    path = folder / "inputs.npz"
    save_arrays(path, join_samples([bind_inputs(question.signature, (), sample)]))
    return path
