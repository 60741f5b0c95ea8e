"""What does the run monitor cost what it watches? The same benchmark in a real kernel, with it and without, by turns.

    python benchmarks/monitor_speed.py [--pairs 5] [--iterations 30000]

Prints p50 and duration of both sides, and the time that the kernel spends in the monitor: opening it, taking events,
sending, closing. Limit: 1 % of the run, for the median of the pairs; it exits with 1 where that is broken. The ratios
of both sides are noise around 1 on a machine that does something else. What a page draws is not in it: it draws on the
machine that the browser is on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

from embedl_nb.testing import models

LIMIT = 0.01
PATIENCE_S = 600

# In the kernel: one benchmark, seen by a monitor or by nobody; [p50 ms, seconds, seconds in the monitor].
_READY = """
import json, time
import embedl_nb as enb
from embedl_nb import progress
from embedl_nb.widgets import run_monitor

spent = [0.0]

def timed(act):
    def call(*given, **named):
        started = time.perf_counter()
        try:
            return act(*given, **named)
        finally:
            spent[0] += time.perf_counter() - started
    return call

run_monitor.open_monitor = timed(run_monitor.open_monitor)
for name in ("on_event", "finish"):
    setattr(run_monitor.RunMonitor, name, timed(getattr(run_monitor.RunMonitor, name)))

def measured(model, iterations):
    spent[0], started = 0.0, time.perf_counter()
    result = enb.benchmark(model, processes=2, iterations=iterations, num_threads=1, profile=False)
    return [result.latency.p50_ms, time.perf_counter() - started, spent[0]]

def unseen(model, iterations):
    with progress.showing_alone(lambda event: None):
        return measured(model, iterations)
"""


def main() -> int:
    """Print the pairs and the medians; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=30_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="embedl_nb-") as folder:
        model = str(models.write(Path(folder), models.conv_relu(), name="net"))
        pairs = measured_pairs(model, arguments.pairs, arguments.iterations)
    for what, place in (("p50, ms", 0), ("run, s", 1)):
        on, off = (statistics.median(side[place] for side in sides) for sides in zip(*pairs, strict=True))
        ratio = statistics.median(seen[place] / unseen[place] for seen, unseen in pairs)
        print(f"median {what}: with the monitor {on:.4f}, without {off:.4f}; median ratio of a pair {ratio:.4f}")
    share = statistics.median(seen[2] / seen[1] for seen, _ in pairs)
    print(f"time in the monitor: {share:.3%} of the run (limit {LIMIT:.0%})")
    return int(share > LIMIT)


def measured_pairs(model: str, num_pairs: int, iterations: int) -> list[tuple[list[float], list[float]]]:
    """Return what was measured with and without, pair by pair; the order changes with each, the first is not kept."""
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    pairs = []
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
        said_by(client, _READY)
        for number in range(num_pairs + 1):
            order = ("measured", "unseen") if number % 2 else ("unseen", "measured")
            code = {name: f"print(json.dumps({name}({model!r}, {iterations})))" for name in order}
            sides = {name: json.loads(said_by(client, code[name])) for name in order}
            if number:
                pairs.append((sides["measured"], sides["unseen"]))
                print(f"pair {number}: with {sides['measured']}, without {sides['unseen']}", flush=True)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return pairs


def said_by(client: Any, code: str) -> str:
    """Run ``code`` in the kernel and return what it prints."""
    said: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            said.append(message["content"]["text"])

    reply = client.execute_interactive(code, timeout=PATIENCE_S, output_hook=hear)["content"]
    assert reply["status"] == "ok", "\n".join(reply["traceback"])
    return "".join(said)


if __name__ == "__main__":
    sys.exit(main())
