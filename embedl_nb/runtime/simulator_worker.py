"""The child that runs an NPU's bytecode in Qualcomm's simulator: ``python -m embedl_nb.runtime.simulator_worker``.

It is started with Qualcomm's libraries on the loader's path. In: a context binary, as a LiteRT model holds it, the
name of one of its graphs, and arrays. Out: arrays. The simulator is somebody else's native code and may crash or hang:
whoever asks has a child of its own. Nothing here is timed, for a simulator's time says nothing of a phone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.errors import BenchmarkError
from embedl_nb.runtime.arrays import by_sample, load_arrays
from embedl_nb.runtime.samples import save_outputs
from embedl_nb.runtime.serve import serve

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["main"]

_PROVIDER = "QNNExecutionProvider"
_QUIET = 3
_OPSET, _IR_VERSION = 17, 10


class _Opened:
    """The graph that was run last; a context binary may be large, so that there is one at a time."""

    def __init__(self) -> None:
        self._graph: dict[str, Any] = {}
        self._session: Any = None
        self._is_registered = False

    def get(self, graph: dict[str, Any], simulator: dict[str, Any]) -> Any:
        """Return a session for a graph."""
        if self._graph != graph:
            self._graph, self._session = {}, None
            self._session = self._open(graph, simulator)
            self._graph = graph
        return self._session

    def _open(self, graph: dict[str, Any], simulator: dict[str, Any]) -> Any:
        import onnxruntime

        if not self._is_registered:
            onnxruntime.register_execution_provider_library(_PROVIDER, simulator["provider_path"])
            self._is_registered = True
        devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == _PROVIDER]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        options.add_provider_for_devices(devices[:1], simulator["options"])
        path = Path(graph["context_path"]).with_suffix(".onnx")
        path.write_bytes(_wrapped(graph))
        return onnxruntime.InferenceSession(str(path), options)


_opened = _Opened()


def _wrapped(graph: dict[str, Any]) -> bytes:
    """Return an ONNX model of one node, which stands for a graph in a context binary.

    The compiler has changed tensors' names, so that they are matched by position, as LiteRT does it on a phone. No name
    here may therefore be one of the binary's; those hold no semicolon.
    """
    from onnx import helper

    inputs, outputs = _ends("inputs", graph["inputs"]), _ends("outputs", graph["outputs"])
    node = helper.make_node(
        "EPContext",
        [end.name for end in inputs],
        [end.name for end in outputs],
        name=graph["name"],
        domain="com.microsoft",
        main_context=1,
        embed_mode=0,
        ep_cache_context=Path(graph["context_path"]).name,
        source=_PROVIDER,
        partition_name=graph["name"],
    )
    model = helper.make_model(
        helper.make_graph([node], graph["name"], inputs, outputs),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)],
        ir_version=_IR_VERSION,
    )
    content: bytes = model.SerializeToString()
    return content


def _ends(kind: str, types: list[tuple[str, list[int]]]) -> list[Any]:
    import numpy as np
    from onnx import helper

    return [
        helper.make_tensor_value_info(f"{kind};{place}", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
        for place, (dtype, shape) in enumerate(types)
    ]


def _run(payload: dict[str, Any]) -> dict[str, Any]:
    """Compute the outputs of every sample in a file; inputs and outputs are named by their position."""
    graph, samples = payload["graph"], by_sample(load_arrays(payload["inputs_path"]))
    outputs: dict[str, Array] = {}
    try:
        session = _opened.get(graph, payload["simulator"])
        for done, (index, given) in enumerate(samples.items(), start=1):
            returned = session.run(None, {f"inputs;{name}": array for name, array in given.items()})
            outputs.update({f"{index}/{place}": array for place, array in enumerate(returned)})
            progress.emit("rehearsal", done=done, total=len(samples))
    except Exception as err:  # onnxruntime's errors have no class in common
        said = str(err).strip() or type(err).__name__
        raise BenchmarkError(
            f"Qualcomm's simulator refuses {graph['name']}: {said.splitlines()[0][:300]}",
            hint="its log says more",
        ) from err
    return {"outputs_path": save_outputs(outputs)}


def main() -> None:
    """Serve the command until the parent hangs up."""
    serve({"run": _run})


if __name__ == "__main__":
    main()
