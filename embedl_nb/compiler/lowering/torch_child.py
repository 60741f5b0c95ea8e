"""The child that lowers: ``python -m embedl_nb.compiler.lowering.torch_child`` makes a ``.tflite`` of a ``.pt2`` file.

Its imports (torch, litert-torch) take seconds and begin at once, while the kernel still exports; it stays warm for the
next compile. Whatever the converter's native code does ends this process, not the kernel.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from embedl_nb import progress
from embedl_nb.compiler.explaining.trying import try_script
from embedl_nb.runtime.serve import serve

__all__ = ["main"]

_SIGNATURE = "serving_default"
_import_error: ImportError | None = None
os.environ["LITERT_TORCH_SHOW_PROGRESS"] = "n"
try:
    import litert_torch  # noqa: F401 - takes seconds, which begin now
except ImportError as err:
    _import_error = err


@dataclass(frozen=True, slots=True)
class _Signature:
    """What litert-torch asks of a signature."""

    name: str
    flat_arg_names: list[str]


def _lower(payload: dict[str, Any]) -> dict[str, Any]:
    """Lower the exported program at ``program_path`` into ``output_path``; names of inputs and outputs come along.

    ``signatures`` may hold several programs instead, each with its names and its ``signature_key``. ``is_local`` asks
    for the quicker way of decomposing (see decompose.py). ``module_names`` has the names that a source gives its
    modules, by path.
    """
    if _import_error is not None:
        from embedl_nb.errors import CompileError

        raise CompileError(
            f"litert-torch cannot be imported: {_import_error}", hint="reinstall it: pip install 'embedl-nb[torch]'"
        ) from _import_error
    from litert_torch import fx_infra

    from embedl_nb.compiler.explaining.lowering_errors import lowering_error
    from embedl_nb.compiler.lowering.bits import lower_bit_casts
    from embedl_nb.compiler.lowering.composites import list_composites_once
    from embedl_nb.compiler.lowering.decompose import Rounds
    from embedl_nb.compiler.lowering.open_sizes import install

    fx_infra.silence_torch_logs()
    list_composites_once()
    lower_bit_casts()
    install()
    rounds = Rounds(is_local=payload["is_local"])
    while True:
        progress.emit("lower", "reading the exported program")
        signatures = payload.get("signatures", [payload])
        steps: list[str] = []
        programs = [_read(signature, steps) for signature in signatures]
        try:
            _convert(programs, signatures, rounds, payload["output_path"])
        except MemoryError:
            raise
        except Exception as err:
            if rounds.num_local:  # the shorter way must never be why a model does not compile
                progress.emit("lower", "trying once more, decomposing the whole program")
                rounds = Rounds(is_local=False)
                continue
            raise lowering_error(err, rounds.program) from err
        return {"steps": steps, "num_local_rounds": rounds.num_local}


def _read(signature: dict[str, Any], steps: list[str]) -> Any:
    """Load one program and do to it what is done before lowering; ``steps`` takes what that was."""
    import torch

    from embedl_nb.compiler.lowering.fold import fold_batch_norms
    from embedl_nb.compiler.lowering.interface_graph import give_interface
    from embedl_nb.compiler.lowering.names import shorten_module_stacks
    from embedl_nb.compiler.lowering.quantized import ready_quantization
    from embedl_nb.compiler.lowering.unsigned import carry_unsigned

    program = torch.export.load(signature["program_path"])
    carry_unsigned(program)
    steps += give_interface(program, signature)
    if num_folded := fold_batch_norms(program):
        steps.append(f"{num_folded} BatchNorm folded")
    steps += ready_quantization(program)
    shorten_module_stacks(program, signature.get("module_names", {}))
    return program


def _convert(programs: list[Any], signatures: list[dict[str, Any]], rounds: Any, output_path: str) -> None:
    """Do what ``litert_torch.convert`` does after its own export, with its own passes in its own order."""
    from litert_torch._convert import litert_converter

    from embedl_nb.compiler.lowering.quantized import integer_kernels

    setting = integer_kernels(programs)
    prepared = []
    for program, signature in zip(programs, signatures, strict=True):
        progress.emit("lower", "decomposing operators")
        prepared.append(_prepared(program, signature, rounds))
    progress.emit("lower", "converting to LiteRT")
    named = [_Signature(each.get("signature_key", _SIGNATURE), list(each["input_names"])) for each in signatures]
    exporter = litert_converter.exported_programs_to_flatbuffer(prepared, named, quant_config=setting)
    exporter.to_file(output_path)


def _prepared(program: Any, signature: dict[str, Any], rounds: Any) -> Any:
    from litert_torch import fx_infra
    from litert_torch._convert import core

    from embedl_nb.compiler.lowering.decompose import with_rounds
    from embedl_nb.compiler.lowering.open_sizes import decompositions as open_decompositions
    from embedl_nb.compiler.lowering.rewrites import (
        decompositions,
        drop_aliases,
        drop_assertions,
        lower_broadcasts,
        move_constants,
        part_reshapes,
        recognise_gelus,
    )

    drop_aliases(program)
    recognise_gelus(program)
    program = with_rounds(program, rounds)
    table = fx_infra.decomp.pre_convert_decomp()
    table.update(decompositions())
    if program.range_constraints:
        table.update(open_decompositions())
    program = fx_infra.safe_run_decompositions(program, table, can_skip=False)
    drop_assertions(program)
    program = core._run_convert_passes(program)
    move_constants(program)
    lower_broadcasts(program)
    part_reshapes(program)
    _name_outputs(program, signature["output_names"])
    return program


def _name_outputs(program: Any, names: list[str]) -> None:
    """Let the program return a dict: litert-torch takes the names of the outputs from it."""
    from torch.utils import _pytree

    signature = program.module_call_graph[0].signature
    if signature is not None and signature.out_spec.num_leaves == len(names):
        signature.out_spec = _pytree.tree_structure(dict.fromkeys(names, 0))


def _list(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the exported program at ``program_path`` as lines, for a search for the piece that fails."""
    import torch

    from embedl_nb.compiler.explaining.listing import list_program

    return list_program(torch.export.load(payload["program_path"]), payload.get("module_names", {}))


def main() -> None:
    """Serve compiles, and the searches after failed ones, until the parent hangs up."""
    serve({"lower": _lower, "list": _list, "try": try_script})


if __name__ == "__main__":
    main()
