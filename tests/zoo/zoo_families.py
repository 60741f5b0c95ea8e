"""The whole zoo: importing the families fills the table."""

from __future__ import annotations

import zoo_language  # noqa: F401
import zoo_pictures  # noqa: F401
import zoo_signals  # noqa: F401
import zoo_written  # noqa: F401
from zoo_table import ZOO, Architecture

__all__ = ["ZOO", "Architecture"]
