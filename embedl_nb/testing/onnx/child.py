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
_LEVELS = {"eager": eager.failure, "compiled": compiled.failure}


def _run(payload: dict[str, Any]) -> dict[str, Any]:
    """Run the case in ``folder`` at ``level``; say why it fails, and which inputs were given as constants."""
    warnings.simplefilter("ignore")
    given = load_case(Path(payload["folder"]))
    case = frozen(given)
    return {
        "failure": _LEVELS[payload["level"]](case),
        "frozen": [name for name in given.inputs if name not in case.inputs],
    }


def main() -> None:
    """Serve until the parent hangs up."""
    serve({"run": _run})


if __name__ == "__main__":
    main()
