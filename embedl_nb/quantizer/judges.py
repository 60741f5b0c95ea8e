"""Samples that judge a model whose recipe needed none to calibrate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedl_nb.model.evidence import SampleSource
from embedl_nb.model.fidelity_rows import CalibrationSource
from embedl_nb.quantizer.data import read_data
from embedl_nb.runtime.arrays import by_sample, load_arrays

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.model import LiteRTModel

    Sample = dict[str, np.ndarray[Any, Any]]

__all__ = ["judges_without_data"]

_NUM_RANDOM = 16


def judges_without_data(model: LiteRTModel, *, seed: int) -> tuple[dict[str, list[Sample]], CalibrationSource]:
    """Return samples by signature key, and what they are: the model's own example if it is real, else made up."""
    own = model.samples_path
    is_real = model.parity is not None and model.parity.sample_source is SampleSource.GIVEN
    if len(model.signatures) == 1 and is_real and own is not None and own.is_file():
        samples = list(by_sample(load_arrays(own)).values())
        return {model.signatures[0].key: samples}, CalibrationSource.GIVEN
    made_up = {}
    for signature in model.signatures:
        with read_data("random", model, signature_key=signature.key, num_samples=_NUM_RANDOM, seed=seed) as data:
            made_up[signature.key] = list(data.held_out())
    return made_up, CalibrationSource.RANDOM
