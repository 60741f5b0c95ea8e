"""Compile a model for a chip's NPU until there is a result: an operator that makes the whole compile fail is left out.

The compiler names such an operator in most cases, by partition and position; where it does not (it crashes), the
shortest beginning of the model that still fails tells. Time is limited for all runs together.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from embedl_nb import progress
from embedl_nb.errors import CompileError, EmbedlError, InputError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.graph import Subgraph
from embedl_nb.model.kinds import operator_kind
from embedl_nb.model.spec import Signature
from embedl_nb.model.writer import unpack
from embedl_nb.placement.answers import Reason
from embedl_nb.placement.npu.leaving_out import copy_for_compiler, put_back
from embedl_nb.placement.npu.log import CompilerLog, parse_log
from embedl_nb.placement.npu.origins import Origins, renamings
from embedl_nb.placement.npu.result import CompiledResult, divided, read_result
from embedl_nb.placement.npu.sdk import Sdk
from embedl_nb.placement.npu.tool import ToolRun, run_tool
from embedl_nb.runtime.death import signal_name

__all__ = ["Compiled", "Compiler", "LeftOut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Why an operator was kept from the compiler."""

    reason: Reason
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What came of it.

    Attributes
    ----------
    data
        The compiled model; empty where the compiler took nothing.
    result
        None where the compiler took nothing.
    log
        What the last run said; None where there was nothing to ask the compiler.
    """

    data: bytes
    result: CompiledResult | None
    log: CompilerLog | None
    left_out: dict[int, LeftOut]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    run: ToolRun
    log: CompilerLog
    data: bytes
    result: CompiledResult | None

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.log.selected_nothing


class Compiler:
    """A vendor's compiler, for one signature of a model and one chip.

    Parameters
    ----------
    chip_name
        The chip, as the vendor's plugin calls it: ``"SM8650"``.
    work
        A folder of its own.
    timeout_s
        For all runs together.
    said
        Takes what each run has said, also where it fails.
    """

    def __init__(
        self,
        sdk: Sdk,
        model: LiteRTModel,
        signature: Signature,
        *,
        chip_name: str,
        work: Path,
        timeout_s: float,
        said: list[str],
    ) -> None:
        self._sdk, self._model, self._chip_name, self._work, self._said = sdk, model, chip_name, work, said
        self._vendor = sdk.vendor
        self._key = signature.key
        self._given = model.path
        self.subgraph = model.graph.subgraphs[signature.subgraph_index]
        self._names = renamings(model.graph, self.subgraph)
        self.origins = Origins(model.graph, self.subgraph, self._names)
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s

    def compile(self) -> Compiled:
        """Return the compiled model, with what had to be left out.

        Raises
        ------
        CompileError
            If the compiler does not know the chip, takes too long, or fails whatever is left out.
        EmbedlError
            If it cannot be run at all.
        """
        self._model.content()  # the answer is kept under the hash that the file had when it was opened
        left_out = _open_shapes(self.subgraph)
        if left_out and self._vendor.takes_whole:
            return self._nothing(left_out)
        rounds: list[dict[int, LeftOut]] = []
        while len(left_out) < len(self.subgraph.operators):
            attempt = self._attempt(left_out)
            if attempt.is_done:
                return self._without_wrongly_accused(attempt, left_out, rounds[:-1])
            self._check_hope(attempt)
            refused = self._of_types(attempt.log.refused_types, left_out)
            if refused and self._vendor.takes_whole:
                return self._nothing(refused)
            rounds.append(
                refused or self._named_culprit(attempt.log, left_out) or self._sought_culprit(attempt, left_out)
            )
            progress.emit("npu", f"trying again without {', '.join(sorted(self._types(rounds[-1])))}")
            left_out |= rounds[-1]
        return Compiled(data=b"", result=None, log=None, left_out=left_out)

    def _nothing(self, culprits: dict[int, LeftOut]) -> Compiled:
        """Return what comes of a model with operators that a compiler does not take which takes all or none."""
        types = ", ".join(sorted(self._types(culprits)))
        others = LeftOut(
            reason=Reason.COMPILER_FAILURE,
            evidence=f"{self._vendor.compiler} takes a model whole or not at all, and it does not take {types}",
        )
        left_out = {operator.index: others for operator in self.subgraph.operators} | culprits
        return Compiled(data=b"", result=None, log=None, left_out=left_out)

    def _of_types(self, refused: dict[str, str], left_out: dict[int, LeftOut]) -> dict[int, LeftOut]:
        """Return the operators of kinds that the compiler names as such."""
        return {
            operator.index: LeftOut(reason=Reason.UNSUPPORTED_OPERATOR, evidence=refused[operator.code])
            for operator in self.subgraph.operators
            if operator.code in refused and operator.index not in left_out
        }

    def _without_wrongly_accused(
        self, attempt: _Attempt, left_out: dict[int, LeftOut], earlier: list[dict[int, LeftOut]]
    ) -> Compiled:
        """Give operators back that were left out before the last ones, where it was not they that failed.

        The compiler names the operator that it was made to join with the one that it cannot make.
        """
        for accused in earlier:
            if self._deadline - time.monotonic() < 3 * attempt.run.seconds:
                break
            without = {index: why for index, why in left_out.items() if index not in accused}
            again = self._attempt(without)
            if again.is_done:
                attempt, left_out = again, without
        return Compiled(data=attempt.data, result=attempt.result, log=attempt.log, left_out=left_out)

    def _attempt(self, left_out: Iterable[int]) -> _Attempt:
        self._given, codes = self._copy(left_out)
        result_path = self._work / "result.tflite"
        result_path.unlink(missing_ok=True)
        run = self._run(result_path, "apply")
        log = parse_log(run.litert, run.vendor)
        self._check_chip(log)
        try:
            data = put_back(result_path.read_bytes(), codes, unreadable=self._vendor.unreadable)
            result = read_result(data, self.subgraph, self.origins, self._key)
        except (FileNotFoundError, InputError):  # nothing, or half of it: its log says why
            data, result = b"", None
        if result is not None and not result.partitions:
            data = b""
        return _Attempt(run=run, log=log, data=data, result=result)

    def _copy(self, left_out: Iterable[int]) -> tuple[Path, dict[int, tuple[int, int]]]:
        """Return the file to compile (the model's own where it will do), and the codes to put back afterwards."""
        if not left_out and not self._names:
            return self._model.path, {}
        made = copy_for_compiler(
            self._model.content(),
            names=self._names,
            left_out=left_out,
            subgraph_index=self.subgraph.index,
            unreadable=self._vendor.unreadable,
        )
        path = self._work / "model.tflite"
        path.write_bytes(made.data)
        return path, made.codes

    def _run(self, result_path: Path, command: str) -> ToolRun:
        run = run_tool(
            self._sdk,
            self._given,
            result_path,
            command=command,
            chip_name=self._chip_name,
            subgraph_index=self.subgraph.index,
            timeout_s=self._deadline - time.monotonic(),
        )
        self._said.append(run.log)
        if run.timed_out:
            raise CompileError(
                f"{self._vendor.compiler} was not done with {self._model.name} for {self._chip_name} after "
                f"{self._timeout_s:g} s and was stopped",
                hint="give it more time, or a smaller part of the model",
            )
        return run

    def _check_chip(self, log: CompilerLog) -> None:
        """Raise where the compiler does not know the chip, or takes it for another."""
        if log.unknown_soc or log.soc not in ("", self._chip_name):
            why = log.unknown_soc or f"it takes it for {log.soc}"
            raise CompileError(
                f"{self._vendor.compiler} does not know the chip {self._chip_name} ({why}), and none stands in for "
                "another",
                hint=f"upgrade it: pip install --upgrade {self._sdk.package.split()[0]} ai-edge-litert",
            )

    def _check_hope(self, attempt: _Attempt) -> None:
        """Raise where leaving operators out would not help."""
        if not attempt.log.is_ready:
            why = attempt.log.unloadable or self._ending(attempt)
            raise EmbedlError(
                f"the libraries of {self._sdk.package} do not load in LiteRT: {why}",
                hint=self._sdk.reinstall,
            )

    def _named_culprit(self, log: CompilerLog, left_out: dict[int, LeftOut]) -> dict[int, LeftOut]:
        """Return the operator that the log names and all that are alike; nothing where it names none."""
        if log.culprit is None:
            return {}
        result_path = self._work / "divided.tflite"
        self._run(result_path, "partition")
        try:
            partition = divided(result_path.read_bytes(), self.origins)[log.culprit.partition]
            found = partition[log.culprit.position] - left_out.keys()
        except (FileNotFoundError, InputError, IndexError):
            return {}
        return self._alike(found, log.culprit.evidence)

    def _sought_culprit(self, failed: _Attempt, left_out: dict[int, LeftOut]) -> dict[int, LeftOut]:
        """Return the last operator of the shortest beginning of the model that fails."""
        refused = {index for refusal in failed.log.refusals for index in self.origins.named(refusal.outputs)}
        given = [o.index for o in self.subgraph.operators if o.index not in left_out and o.index not in refused]
        if not given or not self._attempt({*left_out, *given}).is_done:
            raise CompileError(
                f"{self._ending(failed)} on {self._model.name} for {self._chip_name}, whichever operators it is given",
                hint=f"its log may say more; is there room on the disk? If so: {self._sdk.reinstall}",
            )
        succeeds, fails, last = 0, len(given), failed
        while fails - succeeds > 1:
            middle = (succeeds + fails) // 2
            progress.emit("npu", f"looking for the operator that the compiler fails on, among {fails - succeeds}")
            attempt = self._attempt({*left_out, *given[middle:]})
            if attempt.is_done:
                succeeds = middle
            else:
                fails, last = middle, attempt
        evidence = f"{self._ending(last)} as soon as this operator is added to those before it"
        return self._alike(frozenset(given[fails - 1 : fails]), evidence)

    def _alike(self, indices: Iterable[int], evidence: str) -> dict[int, LeftOut]:
        """Return operators of the same kind on the same shapes, on which the compiler would fail the same way."""
        tree = unpack(self._model.content())
        kinds = {operator_kind(tree, self.subgraph, self.subgraph.operators[index]) for index in indices}
        return {
            operator.index: LeftOut(reason=Reason.COMPILER_FAILURE, evidence=evidence)
            for operator in self.subgraph.operators
            if operator_kind(tree, self.subgraph, operator) in kinds
        }

    def _ending(self, attempt: _Attempt) -> str:
        signal = signal_name(attempt.run.returncode)
        how = f"was ended by {signal}" if signal else f"ended with exit code {attempt.run.returncode}"
        said = f" ({attempt.log.failed})" if attempt.log.failed else ""
        return f"{self._vendor.compiler} {how}{said}"

    def _types(self, indices: Iterable[int]) -> set[str]:
        return {self.subgraph.operators[index].type_name for index in indices}


def _open_shapes(subgraph: Subgraph) -> dict[int, LeftOut]:
    """Return the operators that the compiler must not see: it would take a dimension that may vary for 1, silently."""
    open_tensors = {tensor.index: tensor for tensor in subgraph.tensors if -1 in tensor.shape}
    found = {}
    for operator in subgraph.operators:
        touched = [open_tensors[i] for i in (*operator.inputs, *operator.outputs) if i in open_tensors]
        if touched:
            evidence = f"{touched[0].name or 'a tensor'} has the open shape {touched[0].shape}, and was kept from the "
            evidence += "compiler, which takes every open dimension for 1"
            found[operator.index] = LeftOut(reason=Reason.DYNAMIC_SHAPE, evidence=evidence)
    return found
