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
    code
        What was run, which tells cells apart where they have no name.
    """

    cell_id: str
    message_id: str
    code: str = ""

    def is_again(self, other: Execution) -> bool:
        """Say whether this is another run of the same cell; of one without a name, as far as its code says that."""
        is_same_cell = self.cell_id == other.cell_id if self.cell_id else not other.cell_id and self.code == other.code
        return is_same_cell and self.message_id != other.message_id


def current_execution() -> Execution:
    """Return what runs now."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or not hasattr(shell, "get_parent"):
        return Execution("", "")
    parent = shell.get_parent()
    return Execution(
        parent.get("metadata", {}).get("cellId", ""),
        parent.get("header", {}).get("msg_id", ""),
        parent.get("content", {}).get("code", ""),
    )
