"""The child that computes what an ONNX model should return: ``python -m embedl_nb.compiler.onnx.reference_child``.

onnxruntime is native code that reads a file of unknown origin: it may end this process, not the kernel. No library of
custom operators is ever loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from embedl_nb.compiler.one_line import one_line
from embedl_nb.runtime.arrays import by_sample, load_arrays, save_arrays
from embedl_nb.runtime.serve import serve

__all__ = ["main"]

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, by the import: its builds report to their maker otherwise
_import_error: ImportError | None = None
try:
    import onnxruntime
except ImportError as err:
    _import_error = err

_FATAL = 4  # onnxruntime's least talkative level
# Its integer kernels overflow on CPUs without VNNI: quantized operators are computed as the standard says, in floats.
_EXACT = ("session.disable_quant_qdq", "session.x64quantprecision")
_Arrays = dict[str, np.ndarray[Any, Any]]


def _run(payload: dict[str, Any]) -> dict[str, Any]:
    """Run the model at ``model_path`` by onnxruntime; the answer says why where it cannot."""
    if _import_error is not None:
        return {"refusal": f"it cannot be imported: {_import_error}"}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    for setting in _EXACT:
        options.add_session_config_entry(setting, "1")
    try:
        session = onnxruntime.InferenceSession(payload["model_path"], options, providers=["CPUExecutionProvider"])
        dtypes = {entry.name: _numpy_dtype(entry.type) for entry in session.get_inputs()}
        _on_every_sample(payload, dtypes, lambda inputs: session.run(payload["output_names"], inputs))
    except MemoryError:
        raise
    except Exception as err:
        return {"refusal": one_line(err)}
    return {"refusal": ""}


def _run_slowly(payload: dict[str, Any]) -> dict[str, Any]:
    """Run the model by ONNX's own implementation of its operators, in Python."""
    from onnx.reference import ReferenceEvaluator

    try:
        evaluator = ReferenceEvaluator(payload["model_path"])
        _on_every_sample(payload, {}, lambda inputs: evaluator.run(payload["output_names"], dict(inputs)))
    except MemoryError:
        raise
    except Exception as err:
        return {"refusal": one_line(err)}
    return {"refusal": ""}


def _on_every_sample(
    payload: dict[str, Any], dtypes: Mapping[str, np.dtype[Any]], run: Callable[[_Arrays], Any]
) -> None:
    outputs: _Arrays = {}
    for number, sample in by_sample(load_arrays(payload["inputs_path"])).items():
        inputs = {name: array.astype(dtypes.get(name, array.dtype)) for name, array in sample.items()}
        returned = run(inputs)
        outputs |= {
            f"{number}/{name}": np.asarray(array) for name, array in zip(payload["output_names"], returned, strict=True)
        }
    save_arrays(payload["outputs_path"], outputs)


def _numpy_dtype(kind: str) -> np.dtype[Any]:
    """Return the dtype that onnxruntime calls ``tensor(float)``."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name))


def main() -> None:
    """Serve until the parent hangs up."""
    serve({"run": _run, "run_slowly": _run_slowly})


if __name__ == "__main__":
    main()
