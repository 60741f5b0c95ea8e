"""The measured child: ``python -m embedl_nb.runtime.worker`` loads, compiles, runs and times models in LiteRT.

``run`` computes outputs for a caller who wants them (see running.py) and keeps models loaded; ``measure`` starts from
nothing and records each stage; ``built_in`` tells operators from what the CPU's delegate took (see built_in.py). Paths
to arrays come in and go out (see arrays.py), numbers as JSON.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.errors import InputError
from embedl_nb.runtime.arrays import by_sample, load_arrays
from embedl_nb.runtime.built_in import built_in_operators
from embedl_nb.runtime.invocation import Invocation
from embedl_nb.runtime.measuring import measure
from embedl_nb.runtime.raw_run import MeasureRequest
from embedl_nb.runtime.samples import save_outputs
from embedl_nb.runtime.serve import serve
from embedl_nb.runtime.session import CompiledModel, LoadedModel, refusals_explained
from embedl_nb.runtime.threads import resolve_num_threads

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["main"]

_KEPT_MODELS = 4


class _Models:
    """Compiled models that a repeated call finds ready, the least recently used leaving first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], tuple[LoadedModel, CompiledModel]] = OrderedDict()

    def get(self, path: str, num_threads: int) -> CompiledModel:
        """Return the model at ``path``, loaded anew if the file has changed."""
        try:
            stat = Path(path).stat()
        except OSError as err:
            raise InputError(f"there is no model file {path!r}") from err
        key = (path, stat.st_mtime_ns, stat.st_size, stat.st_ino, num_threads)
        if key not in self._kept:
            loaded = LoadedModel(path)
            try:
                self._kept[key] = loaded, CompiledModel(loaded, num_threads=num_threads, runtime_options={})
            except BaseException:
                loaded.close()
                raise
            if len(self._kept) > _KEPT_MODELS:
                _, (oldest_loaded, oldest_compiled) = self._kept.popitem(last=False)
                oldest_compiled.close()
                oldest_loaded.close()
        self._kept.move_to_end(key)
        return self._kept[key][1]


_models = _Models()


def _run(payload: dict[str, Any]) -> dict[str, Any]:
    """Compute the outputs of every sample in a file; what ``state`` names is handed from each to the next."""
    compiled = _models.get(payload["model_path"], resolve_num_threads(payload.get("num_threads")))
    signature = compiled.model.signature(payload.get("signature_key"))
    samples = by_sample(load_arrays(payload["inputs_path"]))
    if not samples:
        if signature.inputs:
            raise InputError(f"{payload['inputs_path']!r} holds no sample", hint="store arrays named like '0/input'")
        samples = {0: {}}  # a model that takes nothing has one sample of nothing
    outputs: Arrays = {}
    state, carried = payload.get("state", {}), dict[str, Any]()
    with refusals_explained(compiled.model.path), contextlib.ExitStack() as stack:
        invocation: Invocation | None = None
        for done, (index, given) in enumerate(samples.items(), start=1):
            inputs = {**given, **carried}
            if invocation is not None and invocation.fits(inputs):
                invocation.write(inputs)
            else:
                stack.close()
                invocation = Invocation(compiled, signature, inputs)
                stack.callback(invocation.close)
            invocation.run_ns()
            returned = invocation.read()
            carried = {taken: returned[name] for name, taken in state.items()}
            outputs.update({f"{index}/{name}": array for name, array in returned.items()})
            progress.emit("run", done=done, total=len(samples))
    return {"outputs_path": save_outputs(outputs)}


def _measure(payload: dict[str, Any]) -> dict[str, Any]:
    """Measure one model from its file on."""
    return measure(MeasureRequest.from_json(payload)).to_json()


def main() -> None:
    """Serve the commands until the parent hangs up."""
    serve({"run": _run, "measure": _measure, "built_in": built_in_operators})


if __name__ == "__main__":
    main()
