"""Ask a vendor's compiler what the NPU of its chip does with a model, once for each model, chip and SDK."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from embedl_nb import cache, progress
from embedl_nb.device.catalog import Chip
from embedl_nb.errors import EmbedlError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.graph import Operator
from embedl_nb.model.spec import Signature
from embedl_nb.placement.answers import OperatorAnswer, Reason, UnitAnswer
from embedl_nb.placement.npu.compiling import Compiled, Compiler
from embedl_nb.placement.npu.log import Refusal
from embedl_nb.placement.npu.sdk import Sdk, find_sdk
from embedl_nb.placement.npu.vendors import Vendor
from embedl_nb.placement.records import answer_from_record, answer_to_record
from embedl_nb.runtime.logs import ChildLog
from embedl_nb.units import ComputeUnit, format_bytes

__all__ = ["ask_vendor"]

_VERSION = 4  # raised when an answer is made in another way from the same compile
_LOG = "compiler.log"
_OPEN_SHAPES = "an NPU needs fixed shapes, and this model has open dimensions: compile it for the size that you use"
_DROPPED = "left out: nothing reads its result"


def ask_vendor(model: LiteRTModel, chip: Chip, vendor: Vendor, *, signature: Signature, timeout_s: float) -> UnitAnswer:
    """Say what the NPU of ``chip`` would do with each operator of a signature (see :func:`~.asking.ask_npu`)."""
    start = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="embedl_nb-npu-"))
    said: list[str] = []
    try:
        chip_name = vendor.chip_name(chip)
        sdk = find_sdk(vendor, chip_name)
        key = _key(model, signature, chip, sdk)
        entry = cache.find(key)
        if entry is None:
            with cache.locked(key, timeout_s=timeout_s):
                entry = cache.find(key)  # another process may have been at it
                if entry is None:
                    progress.emit("npu", f"compiling {model.name} for {chip}")
                    compiler = Compiler(
                        sdk, model, signature, chip_name=chip_name, work=work, timeout_s=timeout_s, said=said
                    )
                    answer, data = _answer(compiler, chip, sdk)
                    entry = _kept(key, answer, data, said)
        answer = _answer_in(entry)
    except EmbedlError as err:
        answer = _not_checked(chip, vendor, err.message, err.hint, said)
    except OSError as err:
        room = "free some space, or set TMPDIR and EMBEDL_NB_HOME to other folders"
        answer = _not_checked(chip, vendor, f"there was no place for what {vendor.compiler} makes: {err}", room, said)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return dataclasses.replace(answer, seconds=time.monotonic() - start)


def _not_checked(chip: Chip, vendor: Vendor, why: str, next_step: str, said: list[str]) -> UnitAnswer:
    return UnitAnswer(
        unit=ComputeUnit.NPU,
        asked=f"{vendor.compiler} for {chip.part}",
        not_checked=why,
        next_step=next_step,
        log_path=_log_of_failure(said),
    )


def _key(model: LiteRTModel, signature: Signature, chip: Chip, sdk: Sdk) -> str:
    parts = ("npu", _VERSION, model.sha256, signature.subgraph_index, signature.key, chip.part, sdk.digest)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _answer(compiler: Compiler, chip: Chip, sdk: Sdk) -> tuple[UnitAnswer, bytes]:
    """Compile, and return the answer that the result holds together with the compiled model."""
    start = time.monotonic()
    compiled = compiler.compile()
    refusals = _refusals(compiler, compiled)
    operators = tuple(_of_operator(operator, compiled, refusals) for operator in compiler.subgraph.operators)
    causes = [refusals[each.index].cause for each in operators if not each.runs and each.index in refusals]
    if any(each.reason is Reason.DYNAMIC_SHAPE for each in operators):
        causes.append(_OPEN_SHAPES)
    version = compiled.log.sdk_version if compiled.log else ""
    vendor, chip_name = sdk.vendor, sdk.vendor.chip_name(chip)
    short = f" ({vendor.sdk_name} {'.'.join(version.split('.')[:3])})" if version else ""
    is_renamed = chip_name.replace("_", " ").casefold() not in chip.part.casefold()
    under = f", which it calls {chip_name}" if is_renamed else ""
    answer = UnitAnswer(
        unit=ComputeUnit.NPU,
        asked=f"{vendor.compiler}{short} for {chip.part}{under}",
        operators=operators,
        cause="; ".join(cause for cause in dict.fromkeys(causes) if cause),
        partitions=compiled.result.partitions if compiled.result else (),
        notes=tuple(_notes(vendor, operators)),
        facts=tuple(_facts(compiled, version, sdk, time.monotonic() - start)),
    )
    return answer, compiled.data


def _notes(vendor: Vendor, operators: tuple[OperatorAnswer, ...]) -> Iterator[str]:
    if not vendor.is_seen:
        yield f"this way of asking was never seen with {vendor.name}'s own libraries: read its log before relying on it"
        if any(each.reason is Reason.UNKNOWN for each in operators):
            yield f"LiteRT's plugin for {vendor.name} does not say why it leaves an operator"


def _facts(compiled: Compiled, version: str, sdk: Sdk, seconds: float) -> Iterator[tuple[str, str]]:
    if version:
        yield sdk.vendor.sdk_name, version
    yield "libraries", sdk.package
    if compiled.result and compiled.result.bytecode_bytes:
        sizes = compiled.result.bytecode_bytes
        yield "bytecode", " + ".join(format_bytes(size) for size in sizes)
        yield "artifact", format_bytes(len(compiled.data))
    yield "compile", f"{seconds:.2f} s (measured)"


def _refusals(compiler: Compiler, compiled: Compiled) -> dict[int, Refusal]:
    """Return the compiler's own refusal of each operator of the source; of a composite, the first in its body."""
    log, found = compiled.log, dict[int, Refusal]()
    if log is None:
        return found
    for refusal in log.refusals:
        for index in compiler.origins.named(refusal.outputs):
            found.setdefault(index, refusal)
    remaining = compiled.result.remaining if compiled.result else {o.index for o in compiler.subgraph.operators}
    for operator in compiler.subgraph.operators:
        if words := {"CUSTOM": log.custom, "STABLEHLO_COMPOSITE": log.composite}.get(operator.code):
            found[operator.index] = _without_number(operator, Reason.UNSUPPORTED_OPERATOR, words)
    silent = [compiler.subgraph.operators[i] for i in sorted(remaining - found.keys() - compiled.left_out.keys())]
    # What was said without naming anybody is in the order of the operators, as far as it can be told.
    said = log.unnumbered
    if len(set(said)) == 1:
        said = said[:1] * len(silent)
    if len(said) == len(silent):
        found |= {o.index: _without_number(o, *words) for o, words in zip(silent, said, strict=True)}
    return found


def _without_number(operator: Operator, reason: Reason, words: str) -> Refusal:
    return Refusal(index=operator.index, outputs=(), reason=reason, evidence=words)


def _of_operator(operator: Operator, compiled: Compiled, refusals: dict[int, Refusal]) -> OperatorAnswer:
    index = operator.index
    if index in compiled.left_out:
        left_out = compiled.left_out[index]
        return OperatorAnswer(index=index, runs=False, reason=left_out.reason, evidence=left_out.evidence)
    if compiled.result and index in compiled.result.dropped:
        return OperatorAnswer(index=index, runs=True, by=_DROPPED)
    if compiled.result and index not in compiled.result.remaining:
        return OperatorAnswer(index=index, runs=True)
    if index in refusals:
        refusal = refusals[index]
        return OperatorAnswer(index=index, runs=False, reason=refusal.reason, evidence=refusal.evidence)
    return OperatorAnswer(index=index, runs=False, reason=Reason.UNKNOWN)


def _kept(key: str, answer: UnitAnswer, data: bytes, said: list[str]) -> cache.Entry:
    """Put an answer with its artifact and its log where the next asker finds it."""
    folder = Path(tempfile.mkdtemp(prefix="embedl_nb-npu-"))
    (folder / cache.MODEL).write_bytes(data)
    (folder / _LOG).write_text("\n".join(said), encoding="utf-8")
    built = cache.write_meta(folder, {"sha256": hashlib.sha256(data).hexdigest(), "answer": answer_to_record(answer)})
    published = cache.publish(key, built)
    if published is None:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return built
    shutil.rmtree(folder, ignore_errors=True)
    return published


def _answer_in(entry: cache.Entry) -> UnitAnswer:
    answer = answer_from_record(entry.meta["answer"])
    return dataclasses.replace(
        answer, artifact=entry.model_path if answer.partitions else None, log_path=entry.folder / _LOG
    )


def _log_of_failure(said: list[str]) -> Path | None:
    if not said:
        return None
    log = ChildLog("npu")
    with contextlib.suppress(OSError):  # a full disk costs the log, not the answer
        os.write(log.fd, "\n".join(said).encode())
    log.close()
    return log.path
