"""Reads where a model really ran: which delegate took how many operators of each subgraph, and why the rest fell back.

The evidence is what the runtime said when it applied delegates, never the flag that asked for them, and never that an
accelerator was registered. Several ``Replacing`` lines of one subgraph follow each other: each counts what the one
before has left, and its own kernels as one node each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from embedl_nb.device.adb.tool.delegates import delegate_facts
from embedl_nb.device.adb.tool.lines import Line, read_lines, unparsable
from embedl_nb.device.adb.tool.profile import ProfileRow, RowKind
from embedl_nb.device.adb.tool.sayings import SAYINGS, CauseKind
from embedl_nb.units import ComputeUnit

__all__ = [
    "Coverage",
    "Delegation",
    "ExplicitDelegate",
    "FallbackCause",
    "Replacement",
    "SubgraphPlacement",
    "parse_delegation",
]


class Coverage(StrEnum):
    """How much of a model a delegate took, as the older tool says in words."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What one delegate took of one subgraph.

    Attributes
    ----------
    delegate
        As printed: ``"LITERT_CL"``.
    unit
        Where it runs; None where that is not said.
    accelerator
        Which device of NNAPI or QNN, where it was named.
    num_replaced
        Operators that it took.
    num_nodes
        Of how many that were there then; None in the oldest builds.
    num_partitions
        Kernels of the delegate; None where what was printed leaves two possibilities: the printed number counts the
        parts that stay on the CPU as well.
    """

    delegate: str
    unit: ComputeUnit | None
    accelerator: str
    num_replaced: int
    num_nodes: int | None
    num_partitions: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgraphPlacement:
    """One subgraph.

    Attributes
    ----------
    index
        None where the build speaks of the whole graph.
    num_nodes
        Operators before any delegate; None where it was not printed.
    num_builtin
        Operators that no delegate took: the CPU's built-in kernels.
    """

    index: int | None
    name: str
    num_nodes: int | None
    replacements: tuple[Replacement, ...]
    num_builtin: int | None

    def num_on(self, unit: ComputeUnit) -> int | None:
        """Count the operators on ``unit``; None where that is not known."""
        if self.num_builtin is None or any(one.unit is None and one.num_replaced for one in self.replacements):
            return None
        delegated = sum(one.num_replaced for one in self.replacements if one.unit is unit)
        return delegated + (self.num_builtin if unit is ComputeUnit.CPU else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackCause:
    """One cause, as it was said.

    Attributes
    ----------
    unit
        The unit that it concerns; None where it could be any.
    operator
        The operator that it is about, where it is about one.
    said
        The runtime's line.
    """

    kind: CauseKind
    unit: ComputeUnit | None
    operator: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplicitDelegate:
    """What the older tool, or a delegate itself, says of one that was asked for; None where a number is not printed."""

    name: str
    coverage: Coverage
    num_replaced: int | None = None
    num_nodes: int | None = None
    num_kernels: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """Where a model ran, as far as it was said.

    Attributes
    ----------
    subgraphs
        In the order in which the runtime spoke of them; empty on builds that print no such lines (desktop).
    explicit
        The older tool's own summary, for each delegate that was asked for.
    backend
        Programming interface of the GPU: ``"opencl"``, ``"opengl"`` ...; empty where none was used or named.
    npu_vendor
        From the dispatch library that was loaded: ``"Qualcomm"``.
    causes
        Why operators or the whole model did not go where they were asked to, as it was said.
    unknown
        What the output does not tell, one sentence each.
    """

    subgraphs: tuple[SubgraphPlacement, ...]
    explicit: tuple[ExplicitDelegate, ...]
    backend: str
    npu_vendor: str
    causes: tuple[FallbackCause, ...]
    unknown: tuple[str, ...]

    @property
    def num_nodes(self) -> int | None:
        """Operators of all subgraphs; None where they were not counted."""
        counts = [one.num_nodes for one in self.subgraphs]
        return None if not counts or None in counts else sum(count for count in counts if count is not None)

    def num_on(self, unit: ComputeUnit) -> int | None:
        """Count the operators on ``unit`` over all subgraphs; None where that is not known."""
        counts = [one.num_on(unit) for one in self.subgraphs]
        return None if not counts or None in counts else sum(count for count in counts if count is not None)

    def coverage(self, unit: ComputeUnit) -> Coverage | None:
        """Return how much of the model ran on ``unit``; None where that is not known."""
        taken, of = self.num_on(unit), self.num_nodes
        if taken is not None and of is not None:
            return _coverage(taken, of)
        said = [one.coverage for one in self.explicit if _EXPLICIT_UNITS.get(one.name) is unit]
        return said[0] if len(said) == 1 and not self.subgraphs else None

    @property
    def replacements(self) -> tuple[Replacement, ...]:
        """What delegates took, over all subgraphs."""
        return tuple(one for subgraph in self.subgraphs for one in subgraph.replacements)

    def unit_of(self, row: ProfileRow) -> ComputeUnit | None:
        """Return where a row of the profile of the same process ran; None where that is not known."""
        if row.kind in (RowKind.OPERATOR, RowKind.OVERHEAD):
            return ComputeUnit.CPU
        taken = [one for one in self.replacements if one.num_replaced]
        if row.kind is RowKind.DELEGATE:
            named = {one.unit for one in taken if one.delegate == row.node_type}
            return named.pop() if len(named) == 1 else delegate_facts(row.node_type).unit
        # A kernel does not say whose it is.
        units = {one.unit for one in taken}
        return units.pop() if len(units) == 1 else None

    def causes_for(self, unit: ComputeUnit) -> tuple[FallbackCause, ...]:
        """Return the causes that concern ``unit``, and those that could concern any."""
        return tuple(cause for cause in self.causes if cause.unit in (None, unit))


def parse_delegation(text: str) -> Delegation:
    """Read what the runtime of one process said of delegates; it may have said nothing.

    Raises
    ------
    UnparsableOutputError
        If two lines of one subgraph do not follow each other: they are of two models or of two runs.
    """
    said = _Said(text)
    for line in read_lines(text):
        if line.is_whole:
            said.take(line)
    return said.finish()


_REPLACING = re.compile(
    r"Replacing (\d{1,9})(?: out of (\d{1,9}))? node\(s\) with delegate \((.{1,200}?)\) node"
    r"(?:, yielding (\d{1,9}) partitions(?: for (?:the whole graph|subgraph (\d{1,9})(?: \((.{0,1000})\))?))?)?\.?"
)
_QNN = re.compile(
    r"(TfLiteQnnDelegate) delegate: (\d{1,9}) nodes delegated out of (\d{1,9}) nodes with (\d{1,9}) partitions\."
)
_EXPLICIT = re.compile(
    r"Explicitly applied (.{1,60}) delegate, and the model graph will be "
    r"(?:(completely) executed by the delegate|partially executed by the delegate w/ (\d{1,9}) delegate kernels)\."
)
_NOT_TAKEN = re.compile(
    r"Though (.{1,60}) delegate is explicitly applied, the model graph will not be executed by the delegate\.?"
)
_SAID_CHARS = 500
_RESTORED = "Restored original execution plan after delegate application failure."
_BACKEND = re.compile(r"Initializ(?:ed|ing) (OpenCL|OpenGL|Vulkan|WebGPU|Metal)-based API(?: from .{1,40})?\.")
_ACCELERATOR = re.compile(r"NNAPI accelerator name: \[(.*)\]")
_EXTERNAL_OPTIONS = re.compile(r"External delegate options: \[(.*)\]")
_QNN_BACKEND = re.compile(r"backend_type:(\w{1,20})")
_DISPATCH_LIBRARY = re.compile(r"Loading shared library: .*libLiteRtDispatch_(\w{1,40})\.so")
_NNAPI_UNITS = {"nnapi-reference": ComputeUnit.CPU}
_QNN_UNITS = {"htp": ComputeUnit.NPU, "gpu": ComputeUnit.GPU}
_EXPLICIT_UNITS = {"GPU": ComputeUnit.GPU, "XNNPACK": ComputeUnit.CPU}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A ``Replacing`` line as printed; ``num_subsets`` counts the parts on the CPU as well."""

    line: Line
    delegate: str
    num_replaced: int
    num_nodes: int | None
    num_subsets: int | None


@dataclass(slots=True)
class _Said:
    """Collects what was said of delegates."""

    text: str
    lines: dict[tuple[int | None, str], list[_Line]] = field(default_factory=dict)
    explicit: list[ExplicitDelegate] = field(default_factory=list)
    backends: list[str] = field(default_factory=list)
    causes: list[FallbackCause] = field(default_factory=list)
    accelerator: str = ""
    qnn_backend: str = ""
    npu_vendor: str = ""
    has_xnnpack: bool = False
    is_listing: bool = False

    def take(self, line: Line) -> None:
        """Note what a line says of delegates."""
        text = line.text
        if found := _REPLACING.fullmatch(text):
            key = (int(found[5]) if found[5] else None, found[6] or "")
            self._add(key, line, found)
        elif text.startswith("Replacing ") and " node(s) with delegate" in text:
            raise unparsable("said what a delegate replaces in words that cannot be read", self.text, line=line)
        elif found := _QNN.fullmatch(text):
            taken, of, kernels = (int(number) for number in found.groups()[1:])
            self.explicit.append(
                ExplicitDelegate(
                    name=found[1],
                    coverage=_coverage(taken, of),
                    num_replaced=taken,
                    num_nodes=of,
                    num_kernels=kernels,
                )
            )
        elif found := _EXPLICIT.fullmatch(text):
            coverage = Coverage.COMPLETE if found[2] else Coverage.PARTIAL
            num_kernels = int(found[3]) if found[3] else None
            self.explicit.append(ExplicitDelegate(name=found[1], coverage=coverage, num_kernels=num_kernels))
        elif found := _BACKEND.fullmatch(text):
            self.backends.append(found[1].lower())
        elif found := _ACCELERATOR.fullmatch(text):
            self.accelerator = found[1]
        elif found := _EXTERNAL_OPTIONS.fullmatch(text):
            backend = _QNN_BACKEND.search(found[1])
            self.qnn_backend = backend[1] if backend else ""
        elif found := _DISPATCH_LIBRARY.fullmatch(text):
            self.npu_vendor = found[1]
        elif text == "Created TensorFlow Lite XNNPACK delegate for CPU.":
            self.has_xnnpack = True
        else:
            self._take_cause(line)

    def finish(self) -> Delegation:
        """Put together what was said and what was not."""
        subgraphs = tuple(self._subgraph(key, lines) for key, lines in self.lines.items())
        backends = list(dict.fromkeys(self.backends + list(self._named_backends())))
        return Delegation(
            subgraphs=subgraphs,
            explicit=tuple(self.explicit),
            backend=backends[0] if len(backends) == 1 else "",
            npu_vendor=self.npu_vendor,
            causes=tuple(self.causes),
            unknown=tuple(self._unknown(subgraphs, backends)),
        )

    def _add(self, key: tuple[int | None, str], line: Line, found: re.Match[str]) -> None:
        num_replaced = int(found[1])
        num_subsets = int(found[4]) if found[4] else None
        num_nodes = int(found[2]) if found[2] else None
        if num_subsets == 1 and num_nodes is None:
            num_nodes = num_replaced  # one part, the delegate's: nothing is left
        if num_nodes is not None and num_replaced > num_nodes:
            raise unparsable("said that a delegate replaces more than there is", self.text, line=line)
        self.lines.setdefault(key, []).append(
            _Line(line=line, delegate=found[3], num_replaced=num_replaced, num_nodes=num_nodes, num_subsets=num_subsets)
        )

    def _take_cause(self, line: Line) -> None:
        if found := _NOT_TAKEN.fullmatch(line.text):
            self.explicit.append(ExplicitDelegate(name=found[1], coverage=Coverage.NONE))
        if line.text == _RESTORED:
            self.lines.clear()  # what had been replaced is undone
        if line.text == "Following operations are not supported by GPU delegate:":
            self.is_listing = True
            return
        for saying in SAYINGS:
            if (saying.is_listed and not self.is_listing) or not (found := saying.pattern.fullmatch(line.text)):
                continue
            if saying.cause is not None:
                operator = found.groupdict().get("operator") or ""
                self.causes.append(
                    FallbackCause(kind=saying.cause, unit=saying.unit, operator=operator, said=line.text[:_SAID_CHARS])
                )
                self.is_listing = self.is_listing and saying.is_listed
            return

    def _subgraph(self, key: tuple[int | None, str], lines: list[_Line]) -> SubgraphPlacement:
        replacements = []
        for position, one in enumerate(lines):
            following = lines[position + 1] if position + 1 < len(lines) else None
            unit, accelerator = self._unit(one.delegate)
            replacements.append(
                Replacement(
                    delegate=one.delegate,
                    unit=unit,
                    accelerator=accelerator,
                    num_replaced=one.num_replaced,
                    num_nodes=one.num_nodes,
                    num_partitions=self._num_partitions(one, following),
                )
            )
        num_nodes = lines[0].num_nodes
        num_builtin = None if num_nodes is None else num_nodes - sum(one.num_replaced for one in lines)
        if num_builtin is not None and num_builtin < 0:
            raise unparsable("said that delegates replace more than there is", self.text, line=lines[-1].line)
        return SubgraphPlacement(
            index=key[0], name=key[1], num_nodes=num_nodes, replacements=tuple(replacements), num_builtin=num_builtin
        )

    def _num_partitions(self, one: _Line, following: _Line | None) -> int | None:
        if one.num_nodes is not None and following is not None and following.num_nodes is not None:
            # Each kernel of the delegate is one node for whoever comes next.
            partitions = following.num_nodes - (one.num_nodes - one.num_replaced)
            if not 1 <= partitions <= one.num_replaced:
                raise unparsable("applied delegates twice to one subgraph", self.text, line=following.line)
            return partitions
        return _from_subsets(one)

    def _unit(self, delegate: str) -> tuple[ComputeUnit | None, str]:
        if delegate == "TfLiteNnapiDelegate":
            return _NNAPI_UNITS.get(self.accelerator), self.accelerator
        if delegate == "TfLiteQnnDelegate":
            return _QNN_UNITS.get(self.qnn_backend), self.qnn_backend
        if delegate == "DispatchDelegate" and any(cause.kind is CauseKind.DISPATCH for cause in self.causes):
            return None, ""
        return delegate_facts(delegate).unit, ""

    def _named_backends(self) -> Iterator[str]:
        for lines in self.lines.values():
            for one in lines:
                if backend := delegate_facts(one.delegate).backend:
                    yield backend

    def _unknown(self, subgraphs: tuple[SubgraphPlacement, ...], backends: list[str]) -> Iterator[str]:
        if not subgraphs:
            by = " (XNNPACK was created for the CPU)" if self.has_xnnpack else ""
            yield f"this build does not say which operators a delegate took{by}"
        for one in (one for subgraph in subgraphs for one in subgraph.replacements):
            if one.delegate == "DispatchDelegate":
                yield (
                    "what the NPU's delegate took could not run"
                    if one.unit is None
                    else "an operator of the NPU's delegate stands for many of the model before it was compiled"
                )
            elif one.unit is None and one.num_replaced:
                yield f"which unit {one.delegate} runs on: {delegate_facts(one.delegate).unknown_because}"
            if one.num_partitions is None:
                yield f"the partitions of {one.delegate} cannot be told from those left to the CPU"
        if len(backends) > 1:
            yield f"more than one GPU backend was named: {', '.join(backends)}"


def _coverage(num_taken: int, num_nodes: int) -> Coverage:
    if num_taken == 0:
        return Coverage.NONE
    return Coverage.COMPLETE if num_taken == num_nodes else Coverage.PARTIAL


def _from_subsets(one: _Line) -> int | None:
    """Tell the delegate's parts from the CPU's, which alternate; None where two ways to count them are possible."""
    if one.num_replaced == one.num_nodes:
        return 1
    if one.num_subsets is None or one.num_nodes is None:
        return None
    num_left = one.num_nodes - one.num_replaced
    possible = {
        delegated
        for delegated in (one.num_subsets // 2, one.num_subsets - one.num_subsets // 2)
        if 1 <= delegated <= one.num_replaced and one.num_subsets - delegated <= num_left
    }
    return possible.pop() if len(possible) == 1 else None
