"""Compile the whole zoo of tests/zoo on this machine, measure it, and write docs/zoo.md.

Each architecture is compiled with an empty cache, verified against its source and measured in one process. The table
is written anew after each of them; what fails is listed below it with its reason.

    python benchmarks/zoo.py [--only NAME ...] [--output docs/zoo.md]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("architecture", "kind", "parameters", "input", "operators", "size KiB", "compile s", "SQNR dB", "p50 ms")
HEAD = """# The zoo

Small versions of {number} architectures with random weights: each was compiled, run in the LiteRT runtime, and is equal
to its source. `python benchmarks/zoo.py` writes this page. Seconds to compile (export and verification included, the
converter's process warm after the first) and p50 were measured on this machine: {machine}. They depend on what else
ran there, and on sizes that were chosen to be small: they say nothing of the architectures as they are published.

"""


def main() -> int:
    """Compile, measure, write; 1 where an architecture does not compile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=None)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "zoo.md")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "zoo"))
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["EMBEDL_NB_HOME"] = home
        from zoo_families import ZOO

        rows: list[tuple[str, ...]] = []
        failures: list[str] = []
        for name in options.only or ZOO:
            try:
                rows.append(_row(ZOO[name]))
            except Exception as err:
                reason = next(iter(str(err).splitlines()), "")
                failures.append(f"- {name}: {type(err).__name__}: {reason[:400]}")
            print((failures or [""])[-1] if not rows or rows[-1][0] != name else " | ".join(rows[-1]), flush=True)
            options.output.write_text(_page(rows, failures), encoding="utf-8")
    return int(bool(failures))


def _row(entry: Any) -> tuple[str, ...]:
    import embedl_nb as enb

    module, inputs = entry.make()
    started = time.perf_counter()
    model = enb.compile(module, inputs, name=entry.name)
    seconds = time.perf_counter() - started
    assert model.parity is not None
    result = enb.benchmark(model, processes=1, profile=False)
    shapes = ", ".join("x".join(map(str, spec.shape)) for spec in model.signatures[0].inputs)
    return (
        entry.name,
        entry.kind,
        f"{sum(parameter.numel() for parameter in module.parameters()):,}",
        shapes,
        str(len(model.operators)),
        f"{model.size_bytes / 1024:.0f}",
        f"{seconds:.1f}",
        f"{min(output.sqnr_db for output in model.parity.outputs):.0f}",
        f"{result.latency.p50_ms:.3f}",
    )


def _page(rows: list[tuple[str, ...]], failures: list[str]) -> str:
    from embedl_nb.device import machine

    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    below = "\n\n## Not compiled\n\n" + "\n".join(failures) if failures else ""
    return (
        HEAD.format(number=len(rows), machine=f"{machine.cpu_name()}, {machine.num_usable_cores()} cores")
        + table
        + below
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
