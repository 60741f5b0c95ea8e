"""Benchmark -> treemap of the layers' time (plotly): modules of the source model, in them their operators.

An area is time in ms; its colour is the compute unit. Layers without a module are grouped by their operator.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec, plain
from embedl_nb.charts.palette import NEUTRAL, TEXT, colour_of, is_hatched
from embedl_nb.charts.timeline import REMAINDER_NAME, caption, profiled, remainder_of, title
from embedl_nb.measure.benchmark import Benchmark, Layer
from embedl_nb.units import Provenance

__all__ = ["treemap_figure"]

_DIGITS = 5
_HEIGHT_PX = 460
_MOST_DEPTH = 4
_INNER = "rgba(127,127,127,0.08)"


@dataclass(slots=True)
class _Node:
    """A box: a module, or a layer in it."""

    label: str
    parent: str
    time_ms: float = 0.0  # of a layer; a module's is the sum of those in it
    unit: str = ""
    layers: list[int] = field(default_factory=list)


def treemap_figure(result: Any) -> Any:
    """Draw the time of each module and operator as an area.

    Parameters
    ----------
    result
        A Benchmark that was measured with ``profile=True``.

    Returns
    -------
    plotly.graph_objects.Figure
        One treemap, areas in ms; hatched where it was not measured. What no layer explains is a box of its own.

    Raises
    ------
    InputError
        If ``result`` is no Benchmark or has no layers.
    """
    benchmark = profiled(result)
    nodes = _nodes(benchmark)
    ids = list(nodes)
    parents = {node.parent for node in nodes.values()}
    trace: Spec = {
        "type": "treemap",
        "ids": ids,
        "labels": [plain(node.label) for node in nodes.values()],
        "parents": [node.parent for node in nodes.values()],
        "values": [round(node.time_ms, _DIGITS) for node in nodes.values()],
        # Given the totals, plotly would draw nothing where rounding makes the parts exceed the whole.
        "branchvalues": "remainder",
        "customdata": [[_words(node)] for node in nodes.values()],
        "texttemplate": "%{label}<br>%{value:.3~f} ms",
        "hovertemplate": "<b>%{label}</b><br>%{value:.4~f} ms, %{percentRoot:.1%}<br>%{customdata[0]}<extra></extra>",
        "marker": _look(nodes, parents, benchmark.provenance),
        # On its own plotly writes as if the page were white.
        "textfont": {"color": [TEXT if name in parents else "#ffffff" for name in ids]},
        "tiling": {"pad": 2},
        "pathbar": {"visible": True},
        "sort": True,
    }
    layout: Spec = {
        "height": canvas.HEAD_PX + _HEIGHT_PX,
        "margin": {"l": 8, "r": 8, "t": canvas.HEAD_PX - 24, "b": 8},
    }
    heading = f"{title(benchmark)}: time by module"
    return canvas.build([trace], title=heading, caption=_caption(benchmark), layout=layout)


def _caption(benchmark: Benchmark) -> str:
    units = ", ".join(dict.fromkeys(layer.compute_unit for layer in benchmark.layer_table))
    return f"{caption(benchmark)}; area is time in ms, colour is the unit ({units})"


def _nodes(benchmark: Benchmark) -> dict[str, _Node]:
    """Return every box by its id, parents first; those have no time of their own."""
    root = _Node(label=benchmark.model_name, parent="")
    nodes = {"model": root}
    counts = Counter(tuple(_path(layer)) for layer in benchmark.layer_table)
    for place, layer in enumerate(benchmark.layer_table):
        path = _path(layer)
        # A module of one layer is that layer's box, not a box around it.
        *modules, last = [*path, layer.operator] if counts[tuple(path)] > 1 else path
        parent = "model"
        for part in modules[:_MOST_DEPTH]:
            name = f"{parent}/{part}"
            nodes.setdefault(name, _Node(label=part, parent=parent))
            parent = name
        # A number keeps apart what runs twice in one module.
        nodes[f"{parent}/#{place}"] = _Node(
            label=last if last == layer.operator else f"{last} {layer.operator}",
            parent=parent,
            time_ms=layer.mean_ms,
            unit=layer.compute_unit,
            layers=[layer.index],
        )
    remainder = remainder_of(benchmark)
    if remainder is not None:
        nodes[f"model/{REMAINDER_NAME}"] = _Node(
            label=REMAINDER_NAME, parent="model", time_ms=remainder.length_ms, unit=REMAINDER_NAME
        )
    for node in nodes.values():
        if node.unit:
            _tell_parents(nodes, node)
    return nodes


def _tell_parents(nodes: dict[str, _Node], leaf: _Node) -> None:
    parent = leaf.parent
    while parent:
        nodes[parent].layers += leaf.layers
        parent = nodes[parent].parent


def _path(layer: Layer) -> list[str]:
    """Return the way to the layer's module: numbers stay with the name before them, ``features.4``."""
    if not layer.source:
        return [layer.operator]
    parts: list[str] = []
    for part in layer.source.split("."):
        if part.isdigit() and parts:
            parts[-1] += f".{part}"
        else:
            parts.append(part)
    return parts


def _look(nodes: dict[str, _Node], parents: set[str], provenance: Provenance) -> Spec:
    colours = [
        _INNER if name in parents else NEUTRAL if node.unit == REMAINDER_NAME else colour_of(node.unit)
        for name, node in nodes.items()
    ]
    look: Spec = {"colors": colours, "line": {"width": 1, "color": "rgba(127,127,127,0.4)"}}
    if is_hatched(provenance):
        shapes = ["" if name in parents else "/" for name in nodes]
        look["pattern"] = {"shape": shapes, "size": 6, "solidity": 0.3, "fillmode": "overlay"}
    return look


def _words(node: _Node) -> str:
    if node.unit == REMAINDER_NAME:
        return "belongs to no layer: gaps and copies in between"
    if node.unit:
        return f"layer #{node.layers[0]} on {plain(node.unit)}"
    return f"{len(node.layers)} layers"
