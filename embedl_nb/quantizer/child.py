"""The quantizing child: ``python -m embedl_nb.quantizer.child`` observes, applies, refines and compares.

Requests hold paths and small JSON; arrays go through files. engine.py is the other side. The quantizer library takes
most of a second to import: a thread does that while the first samples already run.
"""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

from embedl_nb.model.writer import write_file
from embedl_nb.quantizer.statistics import Observation
from embedl_nb.runtime.arrays import by_sample, load_arrays, save_arrays, take_arrays
from embedl_nb.runtime.serve import serve

__all__ = ["main"]


class _Current:
    """The observation that is under way; at most one, since a child has one caller."""

    observation: Observation | None = None

    def replace(self, observation: Observation | None) -> None:
        if self.observation is not None:
            self.observation.close()
        self.observation = observation

    def get(self) -> Observation:
        if self.observation is None:
            raise RuntimeError("no observation is under way")
        return self.observation


_current = _Current()


def _observe_begin(payload: dict[str, Any]) -> dict[str, Any]:
    _current.replace(None)  # before the next one takes its memory
    _current.replace(
        Observation(payload["model_path"], signature_key=payload["signature_key"], histograms=payload["histograms"])
    )
    return {"signature_key": _current.get().signature.key}


def _observe_add(payload: dict[str, Any]) -> dict[str, Any]:
    samples = by_sample(take_arrays(payload["samples_path"]))
    _current.get().add(list(samples.values()))
    return {}


def _observe_end(payload: dict[str, Any]) -> dict[str, Any]:
    try:
        names, arrays = _current.get().result()
        save_arrays(payload["output_path"], arrays)
    finally:
        _current.replace(None)
    return {"names": names}


def _observe_drop(_: dict[str, Any]) -> dict[str, Any]:
    _current.replace(None)
    return {}


def _apply(payload: dict[str, Any]) -> dict[str, Any]:
    from embedl_nb.quantizer import apply as applying

    applying.apply(payload["model_path"], payload["rules"], payload["ranges"], payload["output_path"])
    return {"size_bytes": Path(payload["output_path"]).stat().st_size}


def _choices(payload: dict[str, Any]) -> dict[str, Any]:
    from embedl_nb.quantizer import apply as applying

    return {"choices": applying.choices(payload["rules"], payload["operators"])}


def _named_recipes(_: dict[str, Any]) -> dict[str, Any]:
    from embedl_nb.quantizer import apply as applying

    return {"recipes": applying.named_recipes()}


def _equalize(payload: dict[str, Any]) -> dict[str, Any]:
    from embedl_nb.quantizer.refine import equalize

    content = equalize(
        Path(payload["float_path"]).read_bytes(), _samples(payload), signature_key=payload["signature_key"]
    )
    write_file(payload["output_path"], content)
    return {}


def _refine(payload: dict[str, Any]) -> dict[str, Any]:
    from embedl_nb.quantizer.refine import refine

    content = refine(
        Path(payload["float_path"]).read_bytes(),
        Path(payload["quantized_path"]).read_bytes(),
        _samples(payload),
        signature_key=payload["signature_key"],
        rounding=payload["rounding"],
        is_bias_corrected=payload["is_bias_corrected"],
    )
    write_file(payload["output_path"], content)
    return {}


def _compare_layers(payload: dict[str, Any]) -> dict[str, Any]:
    from embedl_nb.quantizer.layers import compare_layers

    rows = compare_layers(
        Path(payload["float_path"]).read_bytes(),
        Path(payload["quantized_path"]).read_bytes(),
        _samples(payload),
        signature_key=payload["signature_key"],
    )
    return {"rows": rows}


def _samples(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return list(by_sample(load_arrays(payload["samples_path"])).values())


HANDLERS = {
    "observe_begin": _observe_begin,
    "observe_add": _observe_add,
    "observe_end": _observe_end,
    "observe_drop": _observe_drop,
    "apply": _apply,
    "choices": _choices,
    "named_recipes": _named_recipes,
    "equalize": _equalize,
    "refine": _refine,
    "compare_layers": _compare_layers,
}


def main() -> None:
    """Serve until the parent hangs up."""
    threading.Thread(target=importlib.import_module, args=("embedl_nb.quantizer.apply",), daemon=True).start()
    serve(HANDLERS)


if __name__ == "__main__":
    main()
