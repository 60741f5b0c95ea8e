"""A model's outputs on many samples, as real values: what every verdict on a quantized model is made of.

In: a model and samples in the dtypes that its float version takes. Out: one dict of arrays a sample. The runtime's
worker computes them, a bounded number of samples at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.model.calling import bind_inputs, pick_signature, restore_outputs
from embedl_nb.runtime.arrays import by_sample
from embedl_nb.runtime.running import run_samples

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.model import LiteRTModel

    Sample = dict[str, np.ndarray[Any, Any]]

__all__ = ["outputs_of"]

_CHUNK_BYTES = 64 * 2**20


def outputs_of(
    model: LiteRTModel, samples: Iterable[Sample], *, signature_key: str | None = None, stage: str = "judge"
) -> list[Sample]:
    """Run ``model`` on every sample.

    Parameters
    ----------
    model
        Float or quantized; a quantized one is given real values and gives them back.
    samples
        One dict a sample, from input name to array in the shape of the signature.
    signature_key
        None for the first one.
    stage
        What the work is called while it goes on.

    Returns
    -------
    list of dict
        Outputs by name, quantized ones as float32 real values.
    """
    signature = pick_signature(model.signatures, signature_key)
    outputs: list[Sample] = []
    for chunk in _chunks(samples):
        progress.emit(stage, f"running {model.name} ({model.precision}) on sample {len(outputs) + 1}")
        bound = [bind_inputs(signature, (), sample, raw=False) for sample in chunk]
        arrays = {f"{i}/{name}": array for i, sample in enumerate(bound) for name, array in sample.items()}
        results = run_samples(model.path, arrays, signature_key=signature.key or None)
        outputs += [restore_outputs(signature, sample, raw=False) for sample in by_sample(results).values()]
    return outputs


def _chunks(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """Group samples so that a group stays within :data:`_CHUNK_BYTES`, one sample at least."""
    iterator = iter(samples)
    for first in iterator:
        size = max(sum(array.nbytes for array in first.values()), 1)
        yield [first, *itertools.islice(iterator, _CHUNK_BYTES // size)]
