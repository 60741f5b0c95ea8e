"""The child that runs cases: ``python -m embedl_nb.testing.onnx.child``. What a case does to it ends nothing else."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from embedl_nb.runtime.serve import serve
from embedl_nb.testing.onnx import compiled, eager
from embedl_nb.testing.onnx.freezing import frozen
from embedl_nb.testing.onnx.storing import load_case

__all__ = ["MODULE", "main"]

MODULE = "embedl_nb.testing.onnx.child"


def _run(payload: dict[str, Any]) -> dict[str, Any]:
    """Run the case in ``folder``; say why it fails, and which inputs were given as constants.

    What is wrong in torch already is not compiled, nor is anything where ``level`` is "eager".
    """
    warnings.simplefilter("ignore")
    given = load_case(Path(payload["folder"]))
    case = frozen(given)
    said = eager.failure(case)
    if not said and payload["level"] == "compiled":
        said = compiled.failure(case)
    return {"failure": said, "frozen": [name for name in given.inputs if name not in case.inputs]}


def main() -> None:
    """Serve until the parent hangs up."""
    serve({"run": _run})


if __name__ == "__main__":
    main()
