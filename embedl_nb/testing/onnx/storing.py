"""A case as a folder (``model.onnx``, ``inputs.npz``, ``expected.npz``), for processes that did not load all cases."""

from __future__ import annotations

from pathlib import Path

from embedl_nb.runtime.arrays import load_arrays, save_arrays
from embedl_nb.testing.onnx.cases import Case

__all__ = ["load_case", "store_case"]


def store_case(case: Case, root: Path) -> Path:
    """Write a case that can be asked below ``root``; return its folder."""
    folder = root / case.kind / case.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    save_arrays(folder / "inputs.npz", case.inputs)
    save_arrays(folder / "expected.npz", case.expected)
    return folder


def load_case(folder: Path) -> Case:
    """Read what :func:`store_case` has written."""
    import onnx

    return Case(
        name=folder.name,
        kind=folder.parent.name,
        model=onnx.load(str(folder / "model.onnx")),
        inputs=load_arrays(folder / "inputs.npz"),
        expected=load_arrays(folder / "expected.npz"),
        category="",
    )
