"""The older ``benchmark_model``, as far as it runs a model on inputs from files and writes its outputs to one.

Inputs are raw bytes, one file each, by the order of the model; outputs are written one after the other into one file.
The model is run by this package's worker, and what comes out is what the phone's silicon makes of it.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import ModelGraph
from embedl_nb.model.spec import Signature
from embedl_nb.runtime.arrays import join_samples
from embedl_nb.runtime.dtypes import element_type_named, from_bytes, to_bytes
from embedl_nb.runtime.running import run_samples
from embedl_nb.testing.virtual_phone.faults import Miscomputed
from embedl_nb.testing.virtual_phone.programs import Call

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["LEGACY_MARK", "run_legacy"]

LEGACY_MARK = b"BenchmarkTfLiteModel"
"""What a pushed program holds that is the older tool: the name of its class."""
_FLAGS = frozenset(
    {
        *("graph", "num_runs", "min_secs", "max_secs", "warmup_runs", "warmup_min_secs", "num_threads", "use_gpu"),
        *("gpu_precision_loss_allowed", "signature_to_run_for", "input_layer", "input_layer_shape"),
        *("input_layer_value_files", "output_filepath"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    graph: ModelGraph
    signature: Signature
    shapes: tuple[tuple[int, ...], ...]
    files: tuple[str, ...]

    @property
    def num_operators(self) -> int:
        return len(self.graph.subgraphs[self.signature.subgraph_index].operators)


async def run_legacy(call: Call) -> int:
    """Run the tool and return its exit code."""
    flags = dict(argument.removeprefix("--").partition("=")[::2] for argument in call.args)
    await call.out("INFO: STARTING!\n")
    if unknown := [f"--{name}={value}" for name, value in flags.items() if name not in _FLAGS]:
        await call.out(f"WARN: Unconsumed cmdline flags: {' '.join(unknown)}\n")
    await call.out(f"INFO: Log parameter values verbosely: [0]\nINFO: Graph: [{flags.get('graph', '')}]\n")
    if "gpu_precision_loss_allowed" in flags:
        await call.out(f"INFO: Allow lower precision in gpu: [{flags['gpu_precision_loss_allowed'] == 'true':d}]\n")
    try:
        work = _work(call, flags)
        await call.out(f"INFO: Loaded model {flags['graph']}\n")
        if flags.get("use_gpu") == "true" and not await _applied(call, work):
            return await _fail(call, "Failed to apply GPU delegate.")
        outputs = await call.handset.loop.blocking(lambda: _outputs(call, flags, work))
        _save(call, flags.get("output_filepath", ""), outputs)
    except (EmbedlError, OSError, ValueError) as err:
        return await _fail(call, str(err).splitlines()[0])
    phases = ((flags.get("warmup_runs", "1"), "count=0"), (flags.get("num_runs", "50"), "count=1 curr=1500"))
    await call.out("INFO: Initialized session in 2.5ms.\n")
    for least, counted in phases:
        limits = "at least 0 seconds but terminate if exceeding 86400 seconds"
        await call.out(f"INFO: Running benchmark for at least {least} iterations and {limits}.\nINFO: {counted}\n\n")
    times = "Init: 2500, First inference: 0, Warmup (avg): 0, Inference (avg): 1500"
    await call.out(f"INFO: Inference timings in us: {times}\n")
    return 0


def _work(call: Call, flags: dict[str, str]) -> _Work:
    model = call.handset.files.here(call.path(flags["graph"]))
    graph = read_model(model)
    shapes = [tuple(map(int, shape.split(","))) for shape in flags["input_layer_shape"].split(":")]
    files = [item.partition(":")[2] for item in flags["input_layer_value_files"].split(",")]
    signature = pick_signature(graph.signatures, flags.get("signature_to_run_for") or None)
    if not len(signature.inputs) == len(shapes) == len(files):
        raise ValueError(f"Inputs mismatch: Model inputs #:{len(shapes)} expected: {len(signature.inputs)}")
    return _Work(graph=graph, signature=signature, shapes=tuple(shapes), files=tuple(files))


async def _applied(call: Call, work: _Work) -> bool:
    faults, of = call.handset.faults, work.num_operators
    if not faults.gpu_works:
        return False
    operators = work.graph.subgraphs[work.signature.subgraph_index].operators
    taken = sum(operator.type_name not in faults.gpu_refuses for operator in operators)
    replacing = f"Replacing {taken} out of {of} node(s) with delegate (TfLiteGpuDelegateV2) node"
    extent = "completely executed" if taken == of else "partially executed"
    await call.out(
        "INFO: Created TensorFlow Lite delegate for GPU.\n"
        f"VERBOSE: {replacing}, yielding 1 partitions for the whole graph.\n"
        "INFO: Initialized OpenCL-based API.\nINFO: Created 1 GPU delegate kernels.\n"
        f"INFO: Explicitly applied GPU delegate, and the model graph will be {extent} by the delegate"
        f"{'' if taken == of else ' w/ 1 delegate kernels'}.\n"
    )
    return True


def _outputs(call: Call, flags: dict[str, str], work: _Work) -> list[bytes]:
    files, sample = call.handset.files, {}
    for spec, shape, name in zip(work.signature.inputs, work.shapes, work.files, strict=True):
        kind, path = element_type_named(spec.dtype, tensor=spec.name), files.here(call.path(name))
        if not path.is_file():
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        sample[spec.name] = from_bytes(path.read_bytes(), kind, shape)
    model = files.here(call.path(flags["graph"]))
    came = run_samples(model, join_samples([sample]), signature_key=work.signature.key or None)
    wrong = call.handset.faults.outputs
    return [
        to_bytes(_made_of(came[f"0/{spec.name}"], wrong), element_type_named(spec.dtype, tensor=spec.name))
        for spec in work.signature.outputs
    ]


def _made_of(array: Array, wrong: Miscomputed | str | None) -> Array:
    import numpy as np

    match wrong and Miscomputed(wrong):
        case Miscomputed.NAN:
            return np.full_like(array, np.nan if array.dtype.kind in "fc" else 0)
        case Miscomputed.SWAPPED:
            return np.ravel(array)[::-1].reshape(array.shape)
        case Miscomputed.CONSTANT:
            return np.full_like(array, np.ravel(array)[0] if array.size else 0)
    return array


def _save(call: Call, name: str, outputs: list[bytes]) -> None:
    if name:
        writer = call.handset.files.writer(call.path(name))
        writer.write(b"".join(outputs))
        writer.close()


async def _fail(call: Call, why: str) -> int:
    await call.out(f"ERROR: {why}\nERROR: Benchmarking failed.\n")
    return 1
