"""Keep operators away from a compiler that has no option for it, in a copy of the model in which it cannot read them.

In the copy their code is one that no compiler takes; everything else of them stays, so that afterwards only the code
has to be put back, in place, in the compiled file, whose offsets to bytecode must not move.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import flatbuffers

from embedl_nb.errors import CompileError
from embedl_nb.model.flatbuffer import parse
from embedl_nb.model.schema import operator_code, schema
from embedl_nb.model.writer import pack, unpack

__all__ = ["Copy", "copy_for_compiler", "put_back"]

_UNREADABLE = "DELEGATE"  # stands for no computation, and never is in a file
_FIELDS = (10, 4)  # an OperatorCode's code and its older field for small ones, as offsets into its vtable


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A model as the compiler gets it.

    Attributes
    ----------
    codes
        By place among its operator codes, the numbers (new field, old field) that are to be put back.
    """

    data: bytes
    codes: dict[int, tuple[int, int]]


def copy_for_compiler(
    data: bytes,
    *,
    names: Mapping[tuple[int, int], str],
    left_out: Iterable[int],
    subgraph_index: int,
    unreadable: str = _UNREADABLE,
) -> Copy:
    """Return the model with other tensor names, and with operators that the compiler will not take.

    Parameters
    ----------
    names
        By the indices of subgraph and tensor.
    left_out
        Operators of the subgraph.
    unreadable
        A code that the compiler never takes.
    """
    model = unpack(data)
    for (owner, tensor), name in names.items():
        model.subgraphs[owner].tensors[tensor].name = name.encode()
    places: dict[int, int] = {}
    codes: dict[int, tuple[int, int]] = {}
    for index in sorted(left_out):
        operator = model.subgraphs[subgraph_index].operators[index]
        if operator.opcodeIndex not in places:
            places[operator.opcodeIndex] = len(model.operatorCodes)
            codes[len(model.operatorCodes)] = _numbers(model.operatorCodes[operator.opcodeIndex])
            model.operatorCodes.append(_with_code(model.operatorCodes[operator.opcodeIndex], unreadable))
        operator.opcodeIndex = places[operator.opcodeIndex]
    return Copy(data=pack(model), codes=codes)


def put_back(compiled: bytes, codes: Mapping[int, tuple[int, int]], *, unreadable: str = _UNREADABLE) -> bytes:
    """Return what was compiled from a copy, with the operators that were left out as they are in the source.

    Parameters
    ----------
    codes, unreadable
        Of the copy (see :func:`copy_for_compiler`).

    Raises
    ------
    InputError
        If what was compiled is not a whole model.
    CompileError
        If the compiler has not kept them.
    """
    if not codes:
        return compiled
    parse(compiled, "the compiler's result")
    data = bytearray(compiled)
    model = schema().Model.GetRootAs(data, 0)
    for place, numbers in codes.items():
        code = model.OperatorCodes(place) if place < model.OperatorCodesLength() else None
        if code is None or _numbers_in(code) != (operator_code(unreadable),) * 2:
            raise CompileError(
                "the vendor's compiler returned a model without the operators that were kept from it",
                hint="cut the model before them, and ask about its parts",
            )
        packers = (flatbuffers.packer.int32, flatbuffers.packer.int8)
        for field, packer, number in zip(_FIELDS, packers, numbers, strict=True):
            packer.pack_into(data, code._tab.Pos + code._tab.Offset(field), number)
    return bytes(data)


def _numbers(code: Any) -> tuple[int, int]:
    return code.builtinCode, code.deprecatedBuiltinCode


def _numbers_in(code: Any) -> tuple[int, int]:
    return code.BuiltinCode(), code.DeprecatedBuiltinCode()


def _with_code(original: Any, name: str) -> Any:
    changed = copy.copy(original)
    changed.builtinCode = changed.deprecatedBuiltinCode = operator_code(name)
    return changed
