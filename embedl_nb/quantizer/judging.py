"""A model's outputs on many samples, as real values: what every verdict on a quantized model is made of.

In: a model and samples in the dtypes that its float version takes. Out: one dict of arrays a sample. The runtime's
worker computes them, a bounded number of samples at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.running import run_together

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.model import LiteRTModel

    Sample = dict[str, np.ndarray[Any, Any]]

__all__ = ["outputs_of"]


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
    what = f"running {model.name} ({model.precision})"
    progress.emit(stage, what, done=0)
    for some in run_together(model.path, signature, (([], sample) for sample in samples)):
        outputs += some
        progress.emit(stage, what, done=len(outputs))
    return outputs
