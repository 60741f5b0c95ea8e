"""What the outputs should be: the model run by onnxruntime in a child process, which never sees more than data.

The kernel's side. In: a model and its samples. Out: arrays, and a note where onnxruntime did not run the model and
ONNX's own reference implementation did. A model in float16 is run in float32, as it is compiled.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.onnx.reading import Model
from embedl_nb.compiler.onnx.widening import widened
from embedl_nb.errors import BenchmarkError, CompileError, OutOfMemoryError, RuntimeCrashedError, RuntimeTimeoutError
from embedl_nb.runtime.arrays import save_arrays, take_arrays
from embedl_nb.runtime.pool import prewarm, warm

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]

__all__ = ["get_ready", "reference_outputs"]

_CHILD, _WHO = "embedl_nb.compiler.onnx.reference_child", "onnxruntime"
_TIMEOUT_S = 600.0
_LOW = {"float16", "bfloat16"}


def get_ready() -> None:
    """Start the child without waiting for it."""
    prewarm(_CHILD, what=_WHO)


def reference_outputs(model: Model, inputs: Arrays) -> tuple[dict[str, np.ndarray[Any, Any]], tuple[str, ...]]:
    """Return the outputs of every sample as ``"<sample>/<output name>"``, and notes on how they were computed.

    Raises
    ------
    CompileError
        If neither onnxruntime nor ONNX's reference implementation runs the model.
    OutOfMemoryError
        If memory ran out.
    """
    with tempfile.TemporaryDirectory(prefix="embedl_nb-") as folder:
        payload: dict[str, Any] = {
            "model_path": str(_model_file(model, Path(folder))),
            "inputs_path": str(Path(folder) / "inputs.npz"),
            "outputs_path": str(Path(folder) / "outputs.npz"),
            "output_names": list(model.outputs),
        }
        save_arrays(payload["inputs_path"], inputs)
        try:
            refusal = _run(payload, "run")
        except RuntimeCrashedError as err:
            refusal = err.message
        except RuntimeTimeoutError as err:
            raise CompileError(
                f"onnxruntime did not finish {model.name} within {_TIMEOUT_S:g} s",
                hint="give smaller or fewer example inputs",
                details=err.details,
            ) from err
        notes: tuple[str, ...] = ()
        if refusal:
            second = _run_again(model, payload, refusal)
            notes = (f"the reference is ONNX's own implementation: onnxruntime does not run the model ({second})",)
        return take_arrays(payload["outputs_path"]), notes


def _run_again(model: Model, payload: dict[str, Any], refusal: str) -> str:
    try:
        second = _run(payload, "run_slowly")
    except OutOfMemoryError:
        raise
    except BenchmarkError as err:
        second = err.message
    if second:
        raise CompileError(
            f"{model.name} has no reference to compare with: onnxruntime says {refusal}; ONNX's own implementation "
            f"says {second}",
            hint="check the model with onnx.checker.check_model(path, full_check=True)",
            details=f"{refusal}\n{second}",
        )
    return refusal


def _run(payload: dict[str, Any], command: str) -> str:
    """Return why the model could not be run, "" where its outputs are written."""
    with warm(_CHILD, what=_WHO) as child:
        return str(child.request(command, payload, timeout_s=_TIMEOUT_S)["refusal"])


def _model_file(model: Model, folder: Path) -> Path:
    """Return a file that the child can read; external data is where the model's own file is."""
    if _LOW & set(model.low_floats()):
        proto = widened(model)
    elif model.path is not None:
        return model.path
    else:
        proto = model.proto
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path
