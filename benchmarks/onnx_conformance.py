"""Put ONNX's own backend tests to the importer and say which pass.

python benchmarks/onnx_conformance.py --eager [--kind node] [--name resize] [--operator Resize] [--failed]
"""

from __future__ import annotations

import argparse
import collections
import sys
import time

from embedl_nb.testing.onnx import eager
from embedl_nb.testing.onnx.cases import KINDS, load_cases


def main() -> int:
    """Run the cases asked for and print what became of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eager", action="store_true", help="in torch only")
    parser.add_argument("--kind", choices=KINDS, action="append", help="which of ONNX's folders (default: all)")
    parser.add_argument("--name", default="", help="a part of the cases' names")
    parser.add_argument("--operator", action="append", help="cases whose graph calls this operator")
    parser.add_argument("--failed", action="store_true", help="list only those that fail")
    arguments = parser.parse_args()
    cases = [
        case
        for case in load_cases(tuple(arguments.kind or KINDS))
        if not case.category
        and arguments.name in case.name
        and (not arguments.operator or case.operators & set(arguments.operator))
    ]
    passed: collections.Counter[str] = collections.Counter()
    total: collections.Counter[str] = collections.Counter()
    for case in cases:
        started = time.perf_counter()
        said = eager.failure(case)
        seconds = time.perf_counter() - started
        total[case.kind] += 1
        passed[case.kind] += not said
        if said or not arguments.failed:
            print(f"{'FAIL' if said else 'pass'} {case.kind}/{case.name} ({seconds:.2f} s) {said}", flush=True)
    for kind, number in total.items():
        print(f"{kind}: {passed[kind]} of {number}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
