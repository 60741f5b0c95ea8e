"""Ask a warm worker for a model's outputs: arrays in, arrays out, no file left behind.

The parent's side of the worker's ``run`` command, for everybody who wants outputs and no times.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.runtime.arrays import save_arrays, take_arrays
from embedl_nb.runtime.pool import warm

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["WORKER", "WORKER_NAME", "run_samples"]

WORKER, WORKER_NAME = "embedl_nb.runtime.worker", "the LiteRT runtime"
"""The module that the child runs, and who it is in an error's sentence."""

_TIMEOUT_S = 600.0


def run_samples(
    model_path: str | Path,
    inputs: Mapping[str, Array],
    *,
    signature_key: str | None = None,
    state: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> dict[str, Array]:
    """Return a model's outputs on every sample, as ``"<sample>/<output name>"``.

    Parameters
    ----------
    model_path
        The ``.tflite`` file.
    inputs
        Arrays named ``"<sample>/<input name>"``, in the dtypes of the file.
    signature_key
        None for the model's only or first one.
    state
        By output the input that takes it in the next sample, whatever that sample holds there.
    timeout_s
        For all samples together, s.

    Raises
    ------
    InputError, UnsupportedOperatorError, BenchmarkError
        If the runtime refuses the model or the samples, crashes, hangs or runs out of memory.
    """
    with tempfile.TemporaryDirectory(prefix="embedl_nb-") as folder, warm(WORKER, what=WORKER_NAME) as child:
        inputs_path = Path(folder) / "inputs.npz"
        save_arrays(inputs_path, inputs)
        request = {
            "model_path": str(model_path),
            "signature_key": signature_key,
            "inputs_path": str(inputs_path),
            "state": dict(state or {}),
        }
        answer = child.request("run", request, timeout_s=timeout_s)
    return take_arrays(answer["outputs_path"])
