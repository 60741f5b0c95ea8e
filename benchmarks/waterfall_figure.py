"""How long a waterfall of 1,000 layers takes to build, and how large it is.

Limits: 0.3 s and 1 MB of JSON. Run as ``python benchmarks/waterfall_figure.py [num_layers]``; it exits with 1 where a
limit is broken. The first figure of a process also loads plotly, which is printed apart.
"""

from __future__ import annotations

import statistics
import sys
import time

from embedl_nb.charts import draw
from embedl_nb.testing.results import fake_benchmark

LIMIT_S = 0.3
LIMIT_BYTES = 1_000_000
REPEATS = 5


def main(num_layers: int = 1000) -> int:
    """Print both figures and return the exit code."""
    result = fake_benchmark(num_layers)

    def build_s() -> float:
        started = time.perf_counter()
        draw("waterfall", result)
        return time.perf_counter() - started

    first_s = build_s()
    median_s = statistics.median(build_s() for _ in range(REPEATS))
    figure = draw("waterfall", result)
    num_bytes = len(figure.to_json().encode())
    svg_bytes = len(draw("waterfall_svg", result).encode())
    print(f"waterfall of {num_layers} layers")
    print(f"  built in {median_s:.3f} s (median of {REPEATS}; the first, with plotly's import, {first_s:.3f} s)")
    print(f"  limit {LIMIT_S} s")
    print(f"  JSON {num_bytes / 1e6:.3f} MB, limit {LIMIT_BYTES / 1e6:.0f} MB; as SVG {svg_bytes / 1e3:.0f} kB")
    return int(median_s > LIMIT_S or num_bytes > LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
