"""The child that asks LiteRT's GPU delegate: ``python -m embedl_nb.runtime.gpu_worker``.

It is started with the Vulkan driver in its environment, loads the delegate before LiteRT looks for it, and is asked
about one model after the other. Graphics drivers crash: whoever asks has a child of its own. Nothing here is timed.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError, MissingDependencyError
from embedl_nb.runtime import litert_c
from embedl_nb.runtime.invocation import Invocation
from embedl_nb.runtime.logs import own_log_since, own_log_size_bytes
from embedl_nb.runtime.samples import first_sample, random_inputs, save_outputs
from embedl_nb.runtime.serve import serve
from embedl_nb.runtime.session import CompiledModel, LoadedModel, SignatureInfo

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["delegate_path", "main"]

_GPU, _CPU = litert_c.GPU_ACCELERATOR, litert_c.CPU_ACCELERATOR
_VULKAN = "libvulkan.so.1"
_SEED = 0


def delegate_path() -> str:
    """Return the path of LiteRT's WebGPU delegate.

    Raises
    ------
    MissingDependencyError
        If ai-edge-litert is not installed or has none for this platform.
    """
    runtime = litert_c.library_path()
    path = runtime.with_name(f"libLiteRtWebGpuAccelerator{runtime.suffix}")
    if path.is_file():
        return str(path)
    raise MissingDependencyError(
        f"ai-edge-litert {litert_c.runtime_version()} has no GPU delegate for this platform",
        install="pip install 'ai-edge-litert>=2.3,<2.4' on Linux",
    )


def _load(payload: dict[str, Any]) -> dict[str, Any]:
    """Load what LiteRT will ask the system for by its bare name, from where it is."""
    if payload["vulkan_loader"]:
        try:
            ctypes.CDLL(_VULKAN)
        except OSError:
            ctypes.CDLL(payload["vulkan_loader"])
    ctypes.CDLL(delegate_path(), ctypes.RTLD_GLOBAL)
    return {}


class _Asked:
    """The model that was asked about last, as it was compiled for the GPU."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._path = ""
        self._compiled: CompiledModel | None = None

    def compile(self, path: str, *, with_cpu: bool) -> CompiledModel:
        """Compile the model at ``path`` anew."""
        self._stack.close()
        self._compiled = None
        loaded = LoadedModel(path)
        self._stack.callback(loaded.close)
        compiled = _compile(loaded, _GPU | _CPU if with_cpu else _GPU)
        self._stack.callback(compiled.close)
        self._path, self._compiled = path, compiled
        return compiled

    def get(self, path: str) -> CompiledModel:
        """Return the compiled model at ``path``."""
        if self._compiled is not None and self._path == path:
            return self._compiled
        return self.compile(path, with_cpu=True)


_asked = _Asked()


def _compile(model: LoadedModel, accelerators: int) -> CompiledModel:
    return CompiledModel(model, num_threads=1, runtime_options={}, accelerators=accelerators)


def _ask(payload: dict[str, Any]) -> dict[str, Any]:
    """Compile a model for the GPU, with the CPU's help or without; return whether that went, and all that was said."""
    start = own_log_size_bytes()
    try:
        compiled = _asked.compile(payload["model_path"], with_cpu=payload["with_cpu"])
    except EmbedlError as err:
        return {"is_compiled": False, "is_whole": False, "error": err.message, "log": own_log_since(start)}
    return {"is_compiled": True, "is_whole": compiled.is_all_off_cpu, "error": "", "log": own_log_since(start)}


def _compare(payload: dict[str, Any]) -> dict[str, Any]:
    """Run a model with the GPU and on the CPU alone, on the first sample of a file or on random values."""
    compiled = _asked.get(payload["model_path"])
    signature = compiled.model.signature(payload["signature_key"])
    path = payload["inputs_path"]
    inputs = first_sample(path) if path else random_inputs(signature, _SEED)
    on_gpu = _run(compiled, signature, inputs)
    with _on_cpu(compiled.model) as reference:
        on_cpu = _run(reference, signature, inputs)
    return {"gpu_path": save_outputs(on_gpu), "cpu_path": save_outputs(on_cpu)}


@contextmanager
def _on_cpu(model: LoadedModel) -> Iterator[CompiledModel]:
    with contextlib.closing(_compile(model, _CPU)) as compiled:
        yield compiled


def _run(compiled: CompiledModel, signature: SignatureInfo, inputs: Arrays) -> Arrays:
    with contextlib.closing(Invocation(compiled, signature, inputs)) as invocation:
        invocation.run_ns()
        return invocation.read()


def main() -> None:
    """Serve the commands until the parent hangs up."""
    serve({"load": _load, "ask": _ask, "compare": _compare})


if __name__ == "__main__":
    main()
