"""The child that lowers Keras and TensorFlow models: ``python -m embedl_nb.compiler.keras.keras_child``.

It reads files (never the kernel: reading one imports TensorFlow and may run into native code), computes their
reference, and converts. What TensorFlow says while it works goes to this process's log.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.runtime.serve import serve

if TYPE_CHECKING:
    from embedl_nb.compiler.keras.binding import ArraySamples
    from embedl_nb.compiler.keras.files import Opened

__all__ = ["main"]

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
_import_error: ImportError | None = None
try:
    import tensorflow  # noqa: F401 - takes seconds, which begin now
except ImportError as err:
    _import_error = err


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read: kept from computing its reference until it is lowered."""

    compile_id: str
    opened: Opened
    samples: dict[str, ArraySamples]


_kept: _Read | None = None


def _reference(payload: dict[str, Any]) -> dict[str, Any]:
    """Read the model at ``path`` and run each signature on the given samples, or on made-up ones.

    Answers with what is known of the samples, which are in ``folder`` with the outputs.
    """
    global _kept
    from embedl_nb.compiler.keras.tracing import run
    from embedl_nb.runtime.arrays import save_arrays

    _kept = None
    read = _read(payload)
    parts, folder = [], Path(payload["folder"])
    for index, entry in enumerate(read.opened.entries):
        samples = read.samples[entry.key]
        progress.emit("export", f"running {payload['name']} on its example inputs")
        golden = run(entry, samples)
        save_arrays(folder / f"inputs_{index}.npz", samples.arrays())
        save_arrays(folder / f"golden_{index}.npz", golden)
        parts.append({"key": entry.key, "is_made_up": samples.is_made_up, "notes": list(samples.notes)})
    _kept = read
    return {"parts": parts}


def _lower(payload: dict[str, Any]) -> dict[str, Any]:
    """Lower the model at ``path``, or the graphs that the kernel has saved in ``graphs``, into ``output_path``."""
    global _kept
    from embedl_nb.compiler.keras.files import load_graphs
    from embedl_nb.compiler.keras.lowering import lower
    from embedl_nb.compiler.keras.tracing import trace

    kept, _kept = _kept, None
    if "graphs" in payload:
        _must_import()
        traced = load_graphs(Path(payload["graphs"]), payload["entries"])
    else:
        read = kept if kept is not None and kept.compile_id == payload["id"] else _read(payload)
        progress.emit("lower", "tracing the model")
        opened = read.opened
        traced = tuple(trace(opened.subject, entry, read.samples[entry.key]) for entry in opened.entries)
    output = Path(payload["output_path"])
    output.write_bytes(lower(traced, name=payload["name"], scratch=output.parent))
    return {"steps": []}


def _read(payload: dict[str, Any]) -> _Read:
    from embedl_nb.compiler.keras.binding import Given, bind
    from embedl_nb.compiler.keras.files import open_model
    from embedl_nb.compiler.keras.tracing import check_weights
    from embedl_nb.runtime.arrays import load_arrays

    _must_import()
    path = Path(payload["path"])
    progress.emit("export", f"reading {path.name}")
    given = Given.unpacked(load_arrays(Path(payload["folder"]) / "given.npz"), payload["given"])
    opened = open_model(path, given)
    check_weights(payload["name"], opened.variables)
    by_key = given.of(tuple(entry.key for entry in opened.entries))
    samples = {entry.key: bind(entry.inputs, by_key[entry.key], name=payload["name"]) for entry in opened.entries}
    return _Read(payload["id"], opened, samples)


def _must_import() -> None:
    if _import_error is not None:
        from embedl_nb.errors import CompileError

        raise CompileError(
            f"TensorFlow cannot be imported: {_import_error}", hint="reinstall it: pip install 'embedl-nb[keras]'"
        ) from _import_error


def main() -> None:
    """Serve compiles until the parent hangs up."""
    serve({"reference": _reference, "lower": _lower})


if __name__ == "__main__":
    main()
