"""A result describes itself once, as a View; this package turns it into text, HTML and a notebook's MIME bundle."""

from __future__ import annotations

from embedl_nb.display.mixin import Displayable
from embedl_nb.display.result_set import ResultSet
from embedl_nb.display.view import Fact, Table, View

__all__ = ["Displayable", "Fact", "ResultSet", "Table", "View"]
