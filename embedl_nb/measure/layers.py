"""From the profiler's events to layers: which operators of the model each event covers.

The runtime names an event by the kernel that ran ("Convolution (NHWC, F32) IGEMM"), not by the operator, and fuses,
drops and adds steps on its way. So the two ordered lists are aligned (see alignment.py) by what each kernel can run
(kernels.py). Operators without an event of their own go to the layer that swallowed them; what nothing explains is
listed, not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embedl_nb.measure.alignment import AlignmentCosts, align
from embedl_nb.measure.benchmark import Layer
from embedl_nb.measure.kernels import (
    ABSORBED_BY_CONSUMER,
    ABSORBED_BY_PRODUCER,
    HELPER_KERNELS,
    can_run,
    kernel_base,
)
from embedl_nb.measure.steps import Step, execution_order
from embedl_nb.model.operators import OperatorInfo, describe_operators
from embedl_nb.runtime.raw_run import EventKind, ProfiledEvent, RawRun

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedl_nb.model.graph import ModelGraph, Operator, Subgraph

    Array = NDArray[np.float64]

__all__ = ["LayerProfile", "build_layers"]

_MATCH, _EXACT = 10.0, 30.0
_DROP_OPERATOR, _DROP_ABSORBABLE = 4.0, 0.5
_DROP_EVENT, _DROP_HELPER = 5.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProfile:
    """What the profiled passes say about the model.

    Attributes
    ----------
    mean_ms
        Mean of the profiled inferences; None where there is no profile.
    unattributed_ms
        What of it no layer explains.
    unattributed_operators
        Operators that no layer covers.
    """

    layers: tuple[Layer, ...] = ()
    mean_ms: float | None = None
    unattributed_ms: float | None = None
    unattributed_operators: tuple[int, ...] = ()


@dataclass(slots=True)
class _Group:
    """One layer in the making: its events, and the operators they cover."""

    events: list[int]
    owner: int | None
    operators: list[int]


def build_layers(runs: Sequence[RawRun], graph: ModelGraph, *, subgraph_index: int) -> LayerProfile:
    """Build the layers from the profiles of all processes.

    Parameters
    ----------
    runs
        Processes whose sequence of events differs from the first one's are left out.
    subgraph_index
        Of the signature that was run.
    """
    import numpy as np

    profiled = [run for run in runs if run.events and run.profiled_ms]
    if not profiled:
        return LayerProfile()
    events = profiled[0].events
    alike = [run for run in profiled if [e.name for e in run.events] == [e.name for e in events]]
    starts_ms = np.median([[event.start_ms for event in run.events] for run in alike], axis=0)
    durations_ms = np.concatenate([[event.durations_ms for event in run.events] for run in alike], axis=1)
    mean_ms = float(np.mean(np.concatenate([run.profiled_ms for run in alike])))
    groups, unattributed = _cover(events, graph, graph.subgraphs[subgraph_index])
    infos = describe_operators(graph, subgraph_index=subgraph_index)
    layers = _layers(groups, events, infos, starts_ms=starts_ms, durations_ms=durations_ms, mean_ms=mean_ms)
    if alike[0].summary is not None:  # means of processes have no percentiles of inferences
        layers = tuple(replace(layer, p50_ms=None, p95_ms=None) for layer in layers)
    return LayerProfile(
        layers=layers,
        mean_ms=mean_ms,
        unattributed_ms=mean_ms - sum(layer.mean_ms for layer in layers),
        unattributed_operators=tuple(unattributed),
    )


def _cover(events: Sequence[ProfiledEvent], graph: ModelGraph, subgraph: Subgraph) -> tuple[list[_Group], list[int]]:
    """Return the layers and the operators that belong to none."""
    by_runtime = {
        event.node_index for event in events if event.node_index is not None and _names_operator(event, subgraph)
    }
    steps = execution_order(graph, subgraph, run_by_runtime=by_runtime)
    steps_of_events = _matched_steps(events, steps, subgraph)
    groups = _grouped(events, [None if step is None else steps[step].owner for step in steps_of_events])
    covered = {group.owner for group in groups}
    left = [operator for operator in subgraph.operators if operator.index not in covered]
    return groups, _absorb(left, groups, subgraph)


def _names_operator(event: ProfiledEvent, subgraph: Subgraph) -> bool:
    """Say whether the runtime itself names the operator of an event (a composite's parts carry other numbers)."""
    if event.kind is not EventKind.OPERATOR or event.subgraph_index != subgraph.index or event.node_index is None:
        return False
    operators = subgraph.operators
    return event.node_index < len(operators) and operators[event.node_index].type_name == event.name


def _matched_steps(events: Sequence[ProfiledEvent], steps: Sequence[Step], subgraph: Subgraph) -> list[int | None]:
    """Align events and steps; events of other subgraphs (a loop's body) stay without."""
    import numpy as np

    names = [kernel_base(event.name) for event in events]
    rows: dict[str, Array] = {}
    for step in steps:
        if step.operator not in rows:
            rows[step.operator] = np.array([_MATCH if can_run(name, step.operator) else -np.inf for name in names])
    gain = np.array([rows[step.operator] for step in steps], dtype=np.float32).reshape(len(steps), len(events))
    rows_of: dict[int, list[int]] = {}
    for row, step in enumerate(steps):
        rows_of.setdefault(step.owner, []).append(row)
    for column, event in enumerate(events):
        if event.node_index is not None and _names_operator(event, subgraph):
            gain[:, column] = -np.inf
            gain[rows_of[event.node_index], column] = _EXACT
        elif event.kind is EventKind.OPERATOR and event.subgraph_index != subgraph.index:
            gain[:, column] = -np.inf
    absorbable = ABSORBED_BY_PRODUCER | ABSORBED_BY_CONSUMER
    item_cost = [_DROP_ABSORBABLE if step.operator in absorbable else _DROP_OPERATOR for step in steps]
    event_cost = [_DROP_HELPER if name in HELPER_KERNELS else _DROP_EVENT for name in names]
    return align(AlignmentCosts(gain=gain, item_cost=np.array(item_cost), event_cost=np.array(event_cost)))


def _grouped(events: Sequence[ProfiledEvent], owners: Sequence[int | None]) -> list[_Group]:
    """Join the events of one operator; a helper without an operator joins the kernel that it prepares or finishes."""
    owners = _with_helpers(events, owners)
    groups: list[_Group] = []
    claimed: set[int] = set()
    for index, owner in enumerate(owners):
        if groups and owner is not None and groups[-1].owner == owner:
            groups[-1].events.append(index)
            continue
        # An operator is in one layer only: parts of it that ran later show without it.
        mine = owner if owner is not None and owner not in claimed else None
        if mine is not None:
            claimed.add(mine)
        groups.append(_Group(events=[index], owner=mine, operators=[] if mine is None else [mine]))
    return groups


def _with_helpers(events: Sequence[ProfiledEvent], owners: Sequence[int | None]) -> list[int | None]:
    result = list(owners)
    for index, event in enumerate(events):
        kernel = kernel_base(event.name)
        if result[index] is not None or event.kind is not EventKind.DELEGATE or kernel not in HELPER_KERNELS:
            continue
        before = index - 1 if index and events[index - 1].kind is EventKind.DELEGATE else None
        after = _next_matched(events, owners, index)
        if kernel == "Clamp" or after is None:  # an activation follows its operator, everything else prepares one
            result[index] = result[before] if before is not None else None
        else:
            result[index] = owners[after]
    return result


def _next_matched(events: Sequence[ProfiledEvent], owners: Sequence[int | None], index: int) -> int | None:
    """Return the next event with an operator, past helpers only and within the delegate."""
    for later in range(index + 1, len(events)):
        if events[later].kind is not EventKind.DELEGATE:
            return None
        if owners[later] is not None:
            return later
        if kernel_base(events[later].name) not in HELPER_KERNELS:
            return None
    return None


def _absorb(left: Sequence[Operator], groups: list[_Group], subgraph: Subgraph) -> list[int]:
    """Give operators without an event to the layer before or after that swallowed them; return those none did."""
    group_of = {operator: group for group in groups for operator in group.operators}
    producer = {tensor: operator for operator in subgraph.operators for tensor in operator.outputs}
    consumers: dict[int, list[Operator]] = {}
    for operator in subgraph.operators:
        for tensor in operator.inputs:
            consumers.setdefault(tensor, []).append(operator)
    waiting, taken = list(left), True
    while taken:  # a chain of them (reshape, reshape) is taken link by link
        taken, still = False, []
        for operator in waiting:
            before = [producer[tensor] for tensor in operator.inputs if tensor in producer]
            after = [consumer for tensor in operator.outputs for consumer in consumers.get(tensor, [])]
            group = _swallowing(operator, before, after, group_of)
            if group is None:
                still.append(operator)
                continue
            group.operators.append(operator.index)
            group_of[operator.index] = group
            taken = True
        waiting = still
    return [operator.index for operator in waiting]


def _swallowing(
    operator: Operator, before: Sequence[Operator], after: Sequence[Operator], group_of: dict[int, _Group]
) -> _Group | None:
    if operator.type_name in ABSORBED_BY_CONSUMER:
        neighbours = [*after, *before]
    elif operator.type_name in ABSORBED_BY_PRODUCER:
        neighbours = [*before, *after]
    else:
        return None
    return next((group_of[other.index] for other in neighbours if other.index in group_of), None)


def _layers(
    groups: Sequence[_Group],
    events: Sequence[ProfiledEvent],
    infos: Sequence[OperatorInfo],
    *,
    starts_ms: Array,
    durations_ms: Array,
    mean_ms: float,
) -> tuple[Layer, ...]:
    import numpy as np

    # The events of a layer stand side by side, and every event is in one layer. Percentiles one layer at a time would
    # take seconds for thousands of them.
    totals_ms = np.add.reduceat(durations_ms, [group.events[0] for group in groups], axis=0)
    means_ms = totals_ms.mean(axis=1)
    p50s_ms, p95s_ms = np.percentile(totals_ms, (50, 95), axis=1)
    layers = []
    for index, group in enumerate(groups):
        kernel = " + ".join(dict.fromkeys(events[event].name for event in group.events))
        info = infos[group.owner] if group.owner is not None else None
        layers.append(
            Layer(
                index=index,
                name=info.name if info else kernel,
                operator=info.operator if info else kernel_base(kernel),
                source=info.source if info else "",
                compute_unit=events[group.events[0]].compute_unit,
                start_ms=float(starts_ms[group.events[0]]),
                mean_ms=float(means_ms[index]),
                p50_ms=float(p50s_ms[index]),
                p95_ms=float(p95s_ms[index]),
                share=float(means_ms[index]) / mean_ms if mean_ms else 0.0,
                num_operators=len(group.operators),
                operator_indices=tuple(sorted(group.operators)),
                kernel=kernel,
            )
        )
    return tuple(layers)
