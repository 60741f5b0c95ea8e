"""Put ONNX's own backend tests to the importer: which pass, compiled and run in LiteRT, and why the others do not.

    python benchmarks/onnx_conformance.py            # all, about 25 minutes; goes on where it was stopped
    python benchmarks/onnx_conformance.py --write    # and rewrite docs/onnx-conformance.md
    python benchmarks/onnx_conformance.py --eager --kind node --operator Resize --failed

``--eager`` computes the imported graph in torch only. A case has a process of its own kind, so a crash or an endless
loop costs that case. Outputs are compared with the standard's: floats within 1e-3 of the value or 1e-4 of the largest.
"""

from __future__ import annotations

import argparse
import collections
import json
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onnx_peers import SIDES
from onnx_report import cause_of, page, summary

from embedl_nb.errors import EmbedlError
from embedl_nb.runtime.process import Child
from embedl_nb.testing.onnx.cases import KINDS, Case, load_cases
from embedl_nb.testing.onnx.child import MODULE
from embedl_nb.testing.onnx.storing import store_case

_CASE_LIMIT_S = 2000.0
_ROOT = Path(__file__).parents[1]


def run_cases(folders: list[Path], level: str, *, num_processes: int) -> Iterator[dict[str, Any]]:
    """Yield what became of each case, as it is done."""
    waiting: queue.SimpleQueue[Path] = queue.SimpleQueue()
    done: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for folder in folders:
        waiting.put(folder)
    for _ in range(num_processes):
        threading.Thread(target=_serve_cases, args=(waiting, done, level), daemon=True).start()
    for _ in folders:
        yield done.get()


def _serve_cases(waiting: queue.SimpleQueue[Path], done: queue.SimpleQueue[dict[str, Any]], level: str) -> None:
    child = None
    while True:
        try:
            folder = waiting.get_nowait()
        except queue.Empty:
            break
        if child is None or not child.is_alive:
            child = Child(MODULE, what="the process of a case")
        started = time.perf_counter()
        try:
            answer = child.request("run", {"folder": str(folder), "level": level}, timeout_s=_CASE_LIMIT_S)
        except EmbedlError as err:
            answer = {"failure": f"{type(err).__name__}: {err.message.splitlines()[0]}", "frozen": []}
        seconds = round(time.perf_counter() - started, 2)
        done.put({"case": f"{folder.parent.name}/{folder.name}", "seconds": seconds, **answer})
    if child is not None:
        child.close()


def main() -> int:
    """Run the cases asked for and print what became of each."""
    arguments = _arguments()
    level = "eager" if arguments.eager else "compiled"
    arguments.work.mkdir(parents=True, exist_ok=True)
    kept = arguments.work / f"{level}.jsonl"
    if arguments.fresh:
        kept.unlink(missing_ok=True)
    everything = load_cases(tuple(arguments.kind or KINDS))
    cases = [case for case in everything if not case.category and _is_wanted(case, arguments)]
    known = _read(kept)
    pending = [case for case in cases if arguments.again or _key(case) not in known]
    if arguments.report:
        pending = []
    elif arguments.retry:
        pending = [case for case in cases if known.get(_key(case), {}).get("failure")]
    random.Random(0).shuffle(pending)  # so that what is done when it is stopped tells of the whole
    folders = [store_case(case, arguments.work / "cases") for case in pending]
    commit = _commit()
    with kept.open("a", encoding="utf-8") as file:
        for outcome in run_cases(folders, level, num_processes=arguments.processes):
            print(_line(outcome), flush=True)
            file.write(json.dumps({**outcome, "commit": commit}) + "\n")
            file.flush()
    known = _read(kept)
    print(summary([known[_key(case)] for case in cases if _key(case) in known]))
    if arguments.write:
        _write(cases, everything, arguments)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eager", action="store_true", help="in torch only")
    parser.add_argument("--kind", choices=KINDS, action="append", help="which of ONNX's folders (default: all)")
    parser.add_argument("--name", default="", help="a part of the cases' names")
    parser.add_argument("--operator", action="append", help="cases whose graph calls this operator")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "embedl_nb-onnx-conformance")
    parser.add_argument("--fresh", action="store_true", help="forget what was found before")
    parser.add_argument("--again", action="store_true", help="run the cases asked for even if they were run before")
    parser.add_argument("--report", action="store_true", help="run nothing: tell what was found before")
    parser.add_argument("--write", action="store_true", help="rewrite the page and the tests' list of known failures")
    parser.add_argument("--retry", action="store_true", help="run those once more that failed")
    return parser.parse_args()


def _is_wanted(case: Case, arguments: argparse.Namespace) -> bool:
    is_called = not arguments.operator or bool(case.operators & set(arguments.operator))
    return is_called and arguments.name in case.name


def _key(case: Case) -> str:
    return f"{case.kind}/{case.name}"


def _commit() -> str:
    """Return which code is asked; the page says it beside the numbers, since not every case is run at once."""
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=_ROOT, capture_output=True, text=True)
    return told.stdout.strip() or "an unknown commit"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    outcomes = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {outcome["case"]: outcome for outcome in outcomes}


def _line(outcome: dict[str, Any]) -> str:
    said = "FAIL" if outcome["failure"] else "pass"
    return f"{said} {outcome['case']} ({outcome['seconds']} s) {outcome['failure']}"


def _write(cases: list[Case], everything: list[Case], arguments: argparse.Namespace) -> None:
    """Write the page, and the failures that the tests know of, from what was found at both levels."""
    eager, compiled = (_read(arguments.work / f"{level}.jsonl") for level in ("eager", "compiled"))
    outcomes = [compiled[_key(case)] for case in cases if _key(case) in compiled]
    categories = collections.Counter(case.category for case in everything if case.category)
    num_asked = collections.Counter(case.kind for case in cases)
    peers = {side: list(_read(arguments.work / f"{side}.jsonl").values()) for side in SIDES}
    text = page(
        outcomes, categories, num_asked=num_asked, peers={side: found for side, found in peers.items() if found}
    )
    (_ROOT / "docs" / "onnx-conformance.md").write_text(text, encoding="utf-8")
    known: dict[str, Any] = {
        level: {key: cause_of(outcome["failure"]) for key, outcome in sorted(found.items()) if outcome["failure"]}
        for level, found in (("eager", eager), ("compiled", compiled))
    }
    known["was_compiled"] = sorted(outcome["case"] for outcome in outcomes)
    path = _ROOT / "tests" / "integration" / "onnx_known_failures.json"
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
