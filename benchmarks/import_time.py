"""What ``import embedl_nb`` adds to a bare interpreter, and how long ``%load_ext embedl_nb`` takes in a running shell.

Every sample is a fresh process; with and without alternate, and the figure is the difference of the medians. The shell
of a sample has started and run a cell before the extension is loaded. Limits: 30 ms and 50 ms.

    python benchmarks/import_time.py [--pairs 11]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

IMPORT_LIMIT_MS = 30.0
LOAD_LIMIT_MS = 50.0

_LOAD = """
import time
from ipykernel.zmqshell import ZMQInteractiveShell
shell = ZMQInteractiveShell()
shell.run_cell("ready = 1")
started = time.perf_counter()
shell.run_line_magic("load_ext", "embedl_nb")
print((time.perf_counter() - started) * 1e3)
"""


def process_ms(code: str) -> float:
    """Return how long a fresh interpreter takes to run ``code``."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - started) * 1e3


def load_ms() -> float:
    """Return how long the extension takes to load in a fresh shell."""
    done = subprocess.run([sys.executable, "-c", _LOAD], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> int:
    """Print both figures; exit 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=11)
    pairs = parser.parse_args().pairs
    process_ms("import embedl_nb")  # writes the bytecode, as an installation does
    bare, with_import, load = [], [], []
    for _ in range(pairs):
        bare.append(process_ms("pass"))
        with_import.append(process_ms("import embedl_nb"))
        load.append(load_ms())
    added_ms = statistics.median(with_import) - statistics.median(bare)
    median_load_ms = statistics.median(load)
    print(f"medians of {pairs} interleaved samples")
    print(f"bare interpreter       {statistics.median(bare):6.1f} ms")
    print(f"with import embedl_nb  {statistics.median(with_import):6.1f} ms")
    print(f"the import adds        {added_ms:6.1f} ms, limit {IMPORT_LIMIT_MS:.0f} ms")
    print(f"%load_ext embedl_nb    {median_load_ms:6.1f} ms, limit {LOAD_LIMIT_MS:.0f} ms")
    return int(added_ms > IMPORT_LIMIT_MS or median_load_ms > LOAD_LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
