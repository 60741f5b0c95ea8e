"""Long names, such as those of layers, cut to what a cell of a table or a label of a chart has room for."""

from __future__ import annotations

__all__ = ["shortened"]


def shortened(name: str, longest: int) -> str:
    """Return a name of at most ``longest`` characters: what is left out is in the middle, and more is kept of the end.

    >>> shortened("encoder.layers.11.attention.output", 20)
    'encode…ention.output'
    """
    if len(name) <= longest:
        return name
    num_first = longest // 3
    return f"{name[:num_first]}…{name[num_first + 1 - longest :]}"
