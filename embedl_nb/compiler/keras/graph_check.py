"""Look through a SavedModel before TensorFlow loads it: its graph must compute tensors and do nothing else.

Loading runs initializers, and the reference runs the signatures. Operators that call Python, read or write files or
open data sets have no place in either; saving and restoring may stand where only the saver gets to.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from embedl_nb.errors import InputError
from embedl_nb.units import format_bytes

__all__ = ["refuse_untrusted_graph"]

_CHECK_ORIGIN = "check where the model comes from; LiteRT has no such operator, so export the part without it"
_REFUSED = re.compile(
    r"(Eager)?PyFunc(Stateless)?|ReadFile|WriteFile|MatchingFiles|PrintV2|DebugIdentity.*|InitializeTableFromTextFile.*|"
    r"\w*Dataset(V\d+)?|\w*Reader(V\d+)?|InfeedEnqueue.*|Raw\w*Socket\w*|Rpc\w*|FileSystem\w*|LoadDataset|SaveDataset.*"
)
_SAVER = re.compile(r"Save(V2|Slices)?|Restore(V2|Slice)?|MergeV2Checkpoints|ShardedFilename|LoadAndRemapMatrix")
_SAVER_FUNCTION = re.compile(r"__inference__traced_(save|restore)_.*")
_MAX_GRAPH_BYTES = 2**31 - 1


def refuse_untrusted_graph(folder: Path) -> None:
    """Raise unless the SavedModel in ``folder`` is safe to load.

    Raises
    ------
    InputError
        If it is damaged, or its graph can do more than compute; the operator is named.
    """
    for graph in _graphs(folder):
        functions = {function.signature.name: function.node_def for function in graph.graph_def.library.function}
        for nodes in (graph.graph_def.node, *functions.values()):
            _refuse(folder, nodes, _REFUSED)
        for name, nodes in functions.items():
            if not _SAVER_FUNCTION.fullmatch(name):
                _refuse_saver(folder, nodes)
        _refuse_saver(folder, _reachable(graph))


def _graphs(folder: Path) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    file = folder / "saved_model.pb"
    try:
        size = file.stat().st_size
        if size > _MAX_GRAPH_BYTES:
            raise InputError(f"{file} is {format_bytes(size)}, more than a SavedModel's graph can be")
        saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    except (OSError, DecodeError) as err:
        raise InputError(
            f"{file} is no readable SavedModel: {err}", hint="export it again: model.export(path)"
        ) from err
    if not saved.meta_graphs:
        raise InputError(f"{file} holds no graph", hint="export it again: model.export(path)")
    return saved.meta_graphs


def _refuse(folder: Path, nodes: Any, pattern: re.Pattern[str]) -> None:
    for node in nodes:
        if pattern.fullmatch(node.op):
            raise InputError(
                f"the graph of {folder} has the operator {node.op} ({node.name!r}), which does more than compute; it "
                "is refused",
                hint=_CHECK_ORIGIN,
            )


def _refuse_saver(folder: Path, nodes: Any) -> None:
    """Refuse saving and restoring, and calls of functions that do."""
    _refuse(folder, nodes, _SAVER)
    for node in nodes:
        for attribute in node.attr.values():
            called = [attribute.func.name, *(each.name for each in attribute.list.func)]
            if any(_SAVER_FUNCTION.fullmatch(name) for name in called):
                raise InputError(
                    f"the graph of {folder} saves or restores files in {node.name!r}; it is refused", hint=_CHECK_ORIGIN
                )


def _reachable(graph: Any) -> list[Any]:
    """Return the nodes of the main graph that signatures and initializers need; the saver's own nodes are no such."""
    nodes = {node.name: node for node in graph.graph_def.node}
    pending = [
        tensor.name
        for signature in graph.signature_def.values()
        for tensor in signature.outputs.values()
        if tensor.name
    ]
    for collection in graph.collection_def.values():
        pending += collection.node_list.value
    found: dict[str, Any] = {}
    while pending:
        name = pending.pop().lstrip("^").split(":")[0]
        if name in nodes and name not in found:
            found[name] = nodes[name]
            pending += nodes[name].input
    return list(found.values())
