"""Which operators of a model run as built-in kernels on the CPU, seen from the profiler's events of one inference.

What no event of an operator is seen of was taken over by XNNPACK, the CPU's delegate, which reports steps of its own.
Runs in a child process only.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import BenchmarkError, OutOfMemoryError, SignatureMismatchError
from embedl_nb.runtime.invocation import Invocation
from embedl_nb.runtime.litert_c import EventType
from embedl_nb.runtime.samples import first_sample
from embedl_nb.runtime.session import CompiledModel, LoadedModel, RawEvent, SignatureInfo, refusals_explained

if TYPE_CHECKING:
    import numpy as np

__all__ = ["built_in_operators"]

# Of a model of which nothing is known: zeros, and where it divides by one of them, ones.
_FILLINGS = (0, 1)


def built_in_operators(payload: dict[str, Any]) -> dict[str, Any]:
    """Run a signature of the model at ``model_path`` once.

    On the first sample at ``inputs_path``, where there is one that fits, else on made-up values, with 1 for each open
    dimension.

    Returns
    -------
    dict
        ``operators``: indices in the signature's subgraph of those that ran as built-in kernels; indices from the
        number of its operators on are of bodies of composites. ``num_delegated_steps``: what the delegate reported.

    Raises
    ------
    UnsupportedOperatorError, InputError, BenchmarkError
        If the runtime refuses it or fails; what it said is in ``details``.
    """
    loaded = LoadedModel(payload["model_path"])
    with closing(loaded):
        signature = loaded.signature(payload["signature_key"])
        with (
            refusals_explained(loaded.path),
            closing(CompiledModel(loaded, num_threads=1, runtime_options={}, profile=True)) as compiled,
        ):
            events = _events(compiled, signature, payload.get("inputs_path"))
    subgraph = payload["subgraph_index"]
    steps = [event for event in events if event.type == EventType.DELEGATE_PROFILED_OPERATOR]
    operators = {e.node_index for e in events if e.type == EventType.OPERATOR and e.subgraph_index == subgraph}
    return {"operators": sorted(operators), "num_delegated_steps": len(steps)}


def _events(compiled: CompiledModel, signature: SignatureInfo, inputs_path: str | None) -> tuple[RawEvent, ...]:
    attempts = [_inputs(signature, filling) for filling in _FILLINGS]
    if inputs_path is not None:
        attempts.insert(0, first_sample(inputs_path))
    for place, inputs in enumerate(attempts, start=1):
        try:
            with closing(Invocation(compiled, signature, inputs)) as invocation:
                with compiled.profiling():
                    invocation.run_ns()
                return compiled.events()
        except OutOfMemoryError:
            raise
        except (BenchmarkError, SignatureMismatchError):
            if place == len(attempts):
                raise
    raise AssertionError("unreachable")  # the last attempt returns or raises


def _inputs(signature: SignatureInfo, filling: int) -> dict[str, np.ndarray[Any, Any]]:
    import numpy as np

    return {
        tensor.name: np.full([1 if size < 0 else size for size in tensor.shape], filling, tensor.kind.array_dtype)
        for tensor in signature.inputs
    }
