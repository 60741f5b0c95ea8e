"""How much noise quantizing a part of a model adds to its output: build a variant, run it, compare with float.

In: files of variants that take and return real numbers. Out: one noise power each, relative to the signal's, on the
same held-out samples. The samples are written once; nothing of a variant is left behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError
from embedl_nb.model.likeness import sqnr_db
from embedl_nb.runtime.arrays import by_sample, join_samples, save_arrays, take_arrays
from embedl_nb.runtime.pool import warm
from embedl_nb.runtime.running import WORKER, WORKER_NAME

if TYPE_CHECKING:
    import numpy as np

    Sample = Mapping[str, np.ndarray[Any, Any]]

__all__ = ["NoiseMeter", "noise_power"]

_TIMEOUT_S = 600.0


class NoiseMeter:
    """Runs variants of one model on the same samples.

    Parameters
    ----------
    folder
        For the samples' file; the caller removes it.
    float_path
        The model whose outputs are the signal.
    samples
        Inputs by name, in the float model's dtypes.
    """

    def __init__(
        self, folder: Path, float_path: Path, samples: Sequence[Sample], *, signature_key: str | None = None
    ) -> None:
        self._signature_key = signature_key
        self._inputs_path = folder / "held_out.npz"
        save_arrays(self._inputs_path, join_samples(samples))
        self._reference = self._outputs(float_path)

    def noise_of(self, path: Path) -> float:
        """Return the noise power of a variant's outputs, relative to the signal's.

        Raises
        ------
        BenchmarkError
            If the runtime refuses the variant or crashes.
        """
        return noise_power(self._reference, self._outputs(path))

    def _outputs(self, path: Path) -> list[Sample]:
        request = {
            "model_path": str(path),
            "signature_key": self._signature_key,
            "inputs_path": str(self._inputs_path),
        }
        with warm(WORKER, what=WORKER_NAME) as child:
            answer = child.request("run", request, timeout_s=_TIMEOUT_S)
        return list(by_sample(take_arrays(answer["outputs_path"])).values())


def noise_power(reference: Sequence[Sample], outputs: Sequence[Sample]) -> float:
    """Return the noise power of outputs relative to the signal's; of several outputs of real numbers, the mean.

    Parameters
    ----------
    reference, outputs
        One dict a sample, arrays by output name.

    Raises
    ------
    InputError
        If no output holds real numbers.

    Examples
    --------
    >>> round(noise_power([{"y": [3.0, 4.0]}], [{"y": [3.0, 4.5]}]), 4)
    0.01
    """
    import numpy as np

    ratios = []
    for name in reference[0]:
        r, v = (np.concatenate([np.ravel(sample[name]) for sample in side]) for side in (reference, outputs))
        if r.dtype.kind == "f":
            ratios.append(10 ** (-sqnr_db(r, v) / 10))
    if not ratios:
        raise InputError("the model has no output of real numbers to measure noise on")
    return float(np.mean(ratios))
