"""Ask the LiteRT runtime of this machine what runs each operator: XNNPACK, a built-in kernel, or nothing.

In: a model. Out: a :class:`UnitAnswer`, from the profiler's events of one inference. Where the model does not run as a
whole, each distinct operator is asked about as a model of its own, so that one that cannot run hides no other.
"""

from __future__ import annotations

import platform
import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedl_nb import progress
from embedl_nb.device import machine
from embedl_nb.errors import BenchmarkError, InputError, RuntimeCrashedError, UnsupportedOperatorError
from embedl_nb.imports import version_of
from embedl_nb.model import LiteRTModel
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.graph import Operator, Subgraph
from embedl_nb.model.kinds import operator_kind
from embedl_nb.model.slicer import SIGNATURE_KEY, slice_operators
from embedl_nb.model.spec import Signature
from embedl_nb.model.writer import unpack
from embedl_nb.placement import kept
from embedl_nb.placement.answers import OperatorAnswer, Reason, UnitAnswer
from embedl_nb.runtime.pool import warm
from embedl_nb.runtime.refusals import INVOKE_PATTERN, refusal_line
from embedl_nb.runtime.running import WORKER, WORKER_NAME
from embedl_nb.units import ComputeUnit

__all__ = ["ask_cpu"]

_XNNPACK, _BUILT_IN, _BOTH = "XNNPACK", "built-in kernel", "XNNPACK and built-in kernels"
_NOT_TRIED = "not tried: its shape is open"
_TIMEOUT_S = 600.0
_ARM = "asked of this machine's processor: XNNPACK on a phone's may take an operator more or less"
# Recorded with ai-edge-litert 2.3.0: "Type FLOAT64 is unsupported by op Abs.", "Only float32, uint8, int16 and int8 are
# supported currently, got INT64.", "AddN only supports FLOAT32|INT32 now, got INT8."
_DTYPE = re.compile(r"Type \w+ is unsupported|\bonly\b.*\bsupport(?:s|ed)\b.*\bgot \w+", re.IGNORECASE)


def ask_cpu(model: LiteRTModel, *, signature_key: str | None = None) -> UnitAnswer:
    """Say what runs each operator on the CPU.

    Costs one inference of the model; where it does not run, a few ms for each distinct operator. What an inference of a
    model with fixed shapes has shown is kept, by the model's content, the runtime's version and this processor.

    Parameters
    ----------
    signature_key
        Which signature is asked about; the first by default.

    Raises
    ------
    UnknownNameError
        If the model has no such signature.
    """
    start = time.monotonic()
    signature = pick_signature(model.signatures, signature_key)
    key = kept.answer_key(ComputeUnit.CPU, model.sha256, signature.key, [platform.machine(), machine.cpu_name()])
    answer = kept.find(key)
    if answer is None:
        answer, is_final = _ask(model, signature)
        if is_final:
            answer = kept.keep(key, answer)
    return replace(answer, seconds=time.monotonic() - start)


def _ask(model: LiteRTModel, signature: Signature) -> tuple[UnitAnswer, bool]:
    """Return the answer, and whether asking again would give the same."""
    notes = [_ARM]
    asking = _Asking(model, signature, model.graph.subgraphs[signature.subgraph_index])
    is_final = all(-1 not in spec.shape for spec in signature.inputs)  # else the samples have a say
    try:
        operators = asking.as_a_whole()
    except (BenchmarkError, InputError, UnsupportedOperatorError) as err:
        notes.append(f"the model as a whole does not run ({err.message}); its operators were asked about one by one")
        operators = asking.one_by_one()
        is_final = False
    answer = UnitAnswer(
        unit=ComputeUnit.CPU,
        asked=f"LiteRT {version_of('ai-edge-litert')} on this machine",
        operators=operators,
        notes=tuple(notes),
    )
    return answer, is_final


class _Asking:
    """One signature's operators."""

    def __init__(self, model: LiteRTModel, signature: Signature, subgraph: Subgraph) -> None:
        self._model, self._signature, self._subgraph = model, signature, subgraph
        self._cut: Any = None

    def as_a_whole(self) -> tuple[OperatorAnswer, ...]:
        """Return what one inference of the model shows."""
        progress.emit("cpu", f"running {self._model.name}")
        built_in = _built_in(
            self._model.path, self._signature.key or None, self._subgraph.index, inputs_path=self._samples()
        )["operators"]
        are_bodies_mixed = any(index >= len(self._subgraph.operators) for index in built_in)
        return tuple(
            self._seen(operator, built_in, are_bodies_mixed=are_bodies_mixed) for operator in self._subgraph.operators
        )

    def _samples(self) -> str | None:
        """Return samples of the signature that is asked about, which tell what an open dimension may be."""
        path = self._model.samples_path
        is_theirs = self._signature == self._model.signatures[0]
        return str(path) if is_theirs and path is not None and path.is_file() else None

    def _seen(self, operator: Operator, built_in: list[int], *, are_bodies_mixed: bool) -> OperatorAnswer:
        if operator.code == "STABLEHLO_COMPOSITE" and are_bodies_mixed:
            return self._alone(operator)  # the bodies of composites are numbered on, whichever they are of
        by = _BUILT_IN if operator.index in built_in else _XNNPACK
        return OperatorAnswer(index=operator.index, runs=True, by=by)

    def one_by_one(self) -> tuple[OperatorAnswer, ...]:
        """Return what each operator shows as a model of its own, asking once about those that are the same."""
        known: dict[str, OperatorAnswer] = {}
        answers = []
        for operator in self._subgraph.operators:
            progress.emit("cpu", done=operator.index, total=len(self._subgraph.operators))
            kind = operator_kind(self._tree(), self._subgraph, operator)
            if kind not in known:
                known[kind] = self._alone(operator)
            answers.append(replace(known[kind], index=operator.index))
        return tuple(answers)

    def _alone(self, operator: Operator) -> OperatorAnswer:
        part = slice_operators(self._tree(), operator.index, subgraph_index=self._subgraph.index)
        try:
            with tempfile.TemporaryDirectory(prefix="embedl_nb-cpu-") as folder:
                path = Path(folder) / f"{operator.type_name.replace('/', '_')[:100]}.tflite"
                path.write_bytes(part.data)
                seen = _built_in(path, SIGNATURE_KEY, 0)
        except InputError:
            # Its output's shape depends on values, which the runtime returns to nobody but an operator that follows;
            # XNNPACK takes fixed shapes only.
            return OperatorAnswer(index=operator.index, runs=True, by=_BUILT_IN)
        except (BenchmarkError, UnsupportedOperatorError) as err:
            refused = _refused(operator, err)
            is_about_the_size = refused.reason in (Reason.FORM, Reason.UNKNOWN) and self._is_open(operator)
            if is_about_the_size and not isinstance(err, RuntimeCrashedError):
                return OperatorAnswer(index=operator.index, runs=True, by=_NOT_TRIED)
            return refused
        by = _XNNPACK if not seen["operators"] else _BOTH if seen["num_delegated_steps"] else _BUILT_IN
        return OperatorAnswer(index=operator.index, runs=True, by=by)

    def _is_open(self, operator: Operator) -> bool:
        tensors = [self._subgraph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
        return any(-1 in tensor.shape for tensor in tensors)

    def _tree(self) -> Any:
        if self._cut is None:
            self._cut = unpack(self._model.content())
        return self._cut


def _built_in(
    path: Path, signature_key: str | None, subgraph_index: int, *, inputs_path: str | None = None
) -> dict[str, Any]:
    request = {
        "model_path": str(path),
        "signature_key": signature_key,
        "subgraph_index": subgraph_index,
        "inputs_path": inputs_path,
    }
    with warm(WORKER, what=WORKER_NAME) as child:
        return child.request("built_in", request, timeout_s=_TIMEOUT_S)


def _refused(operator: Operator, err: BenchmarkError | UnsupportedOperatorError) -> OperatorAnswer:
    line = refusal_line(err.details)
    if isinstance(err, UnsupportedOperatorError):
        reason = Reason.UNSUPPORTED_OPERATOR
    elif _DTYPE.search(line):
        reason = Reason.DTYPE
    elif INVOKE_PATTERN.pattern.search(line):
        # It was made ready, and stumbled over made-up values: an index out of range, say.
        return OperatorAnswer(index=operator.index, runs=True, by=_BUILT_IN)
    else:
        reason = Reason.FORM if line else Reason.UNKNOWN
    return OperatorAnswer(index=operator.index, runs=False, reason=reason, evidence=line or err.message)
