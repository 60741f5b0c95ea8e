"""Run a model on what the caller passed: check it, have the worker run it, turn integers back into real values.

In: a file, its signature and a call's arguments, of one sample or of many. Out: arrays by output name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.model.calling import bind_inputs, restore_outputs, split_batch
from embedl_nb.model.spec import Signature
from embedl_nb.runtime.arrays import by_sample
from embedl_nb.runtime.running import run_samples

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["run_calls"]

_CHUNK_BYTES = 64 * 2**20


def run_calls(path: Path, signature: Signature, args: Sequence[Any], named: Mapping[str, Any], *, raw: bool) -> Arrays:
    """Return the outputs of one call; those of a call with N samples (see :func:`split_batch`) are stacked.

    Raises
    ------
    SignatureMismatchError
        If count, name, shape or dtype of an input does not fit.
    BenchmarkError
        If the runtime refuses the model, crashes, hangs or runs out of memory.
    """
    import numpy as np

    calls = split_batch(signature, args, named)
    first = bind_inputs(signature, *calls[0], raw=raw)
    num_together = max(1, _CHUNK_BYTES // max(1, sum(array.nbytes for array in first.values())))
    outputs: list[Arrays] = []
    for begin in range(0, len(calls), num_together):
        samples = [bind_inputs(signature, *call, raw=raw) for call in calls[begin : begin + num_together]]
        arrays = {f"{i}/{name}": array for i, sample in enumerate(samples) for name, array in sample.items()}
        results = run_samples(path, arrays, signature_key=signature.key or None)
        outputs += [restore_outputs(signature, sample, raw=raw) for sample in by_sample(results).values()]
    if len(outputs) == 1:
        return outputs[0]
    return {spec.name: np.concatenate([sample[spec.name] for sample in outputs]) for spec in signature.outputs}
