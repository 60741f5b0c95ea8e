"""Run a model on what the caller passed: check it, have the worker run it, turn integers back into real values.

In: a file, its signature and a call's arguments, of one sample or of many. Out: arrays by output name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.model.calling import Arguments, bind_inputs, restore_outputs, split_batch
from embedl_nb.model.spec import Signature
from embedl_nb.runtime.arrays import by_sample, join_samples
from embedl_nb.runtime.running import run_samples

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["run_calls", "run_together"]

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
    outputs = [sample for some in run_together(path, signature, calls, raw=raw) for sample in some]
    if len(outputs) == 1:
        return outputs[0]
    return {spec.name: np.concatenate([sample[spec.name] for sample in outputs]) for spec in signature.outputs}


def run_together(
    path: Path, signature: Signature, calls: Iterable[Arguments], *, raw: bool = False
) -> Iterator[list[Arrays]]:
    """Run calls of one sample each, as many together as 64 MiB of inputs hold, and yield the outputs of each lot.

    Raises
    ------
    SignatureMismatchError, BenchmarkError
        See :func:`run_calls`.
    """
    samples = (bind_inputs(signature, *call, raw=raw) for call in calls)
    for first in samples:
        size = max(1, sum(array.nbytes for array in first.values()))
        lot = [first, *itertools.islice(samples, max(1, _CHUNK_BYTES // size) - 1)]
        results = run_samples(path, join_samples(lot), signature_key=signature.key or None)
        yield [restore_outputs(signature, sample, raw=raw) for sample in by_sample(results).values()]
