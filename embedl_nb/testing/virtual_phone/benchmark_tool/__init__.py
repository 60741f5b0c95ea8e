"""LiteRT 2.2's ``benchmark_model``, as far as its command line and its output go; the measuring is this package's own.

Written from the rules of its format, not from the parser in ``embedl_nb.device.adb.tool``, and held against recorded
output, so that the two do not just agree with each other. Of the older tool there is what gives outputs: legacy.py.
"""

from __future__ import annotations

from embedl_nb.testing.virtual_phone.benchmark_tool.legacy import LEGACY_MARK, run_legacy
from embedl_nb.testing.virtual_phone.benchmark_tool.running import run_benchmark

__all__ = ["LEGACY_MARK", "run_benchmark", "run_legacy"]
