"""Which cell of a notebook runs now, as far as the front end says it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Execution", "current_execution"]


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of one cell.

    Attributes
    ----------
    cell_id
        The same each time that the cell is run; ``""`` where the front end does not name its cells.
    message_id
        Of this run; ``""`` outside a kernel.
    """

    cell_id: str
    message_id: str


def current_execution() -> Execution:
    """Return what runs now."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "get_parent"):
        return Execution("", "")
    parent = shell.get_parent()
    return Execution(parent.get("metadata", {}).get("cellId", ""), parent.get("header", {}).get("msg_id", ""))
