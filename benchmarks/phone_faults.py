"""Every fault of a virtual phone at random moments of ``enb.benchmark``: a table of what the user gets.

    python benchmarks/phone_faults.py [--moments 200] [--seed 1] [--only "hang"]

Each benchmark either finishes or ends with one error of this package that names the phone and says what to do; the
phone is clean and free afterwards, and the run store (its own, MLflow on SQLite) holds what finished and nothing else.
Ends with 1 where that is not so.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from itertools import cycle, islice
from random import Random

import psutil

from embedl_nb.testing.phone_faults import KINDS, Trial, faulty_phone, store_is_whole, trials


def main() -> int:
    """Print the table; 1 where something was not in order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(KINDS), action="append")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="embedl_nb-home-") as home:
        os.environ["EMBEDL_NB_HOME"] = home
        return run(list(islice(cycle(options.only or KINDS), options.moments)), Random(options.seed))


def run(kinds: list[str], rng: Random) -> int:
    """Try each, and say what came of it."""
    started, done = time.monotonic(), list[Trial]()
    with faulty_phone() as rack:
        before = resources()
        for number, trial in enumerate(trials(rack, kinds, rng), 1):
            done.append(trial)
            for wrong in trial.wrongs:
                print(f"{number}. {trial.kind} -> {trial.outcome}: {wrong}", flush=True)
            if number == min(len(KINDS), len(kinds)):
                before = resources()  # what is kept on purpose, such as the recorder, is there by now
        wrongs = list(store_is_whole(done))
        if resources() > before:
            wrongs.append(f"(threads, descriptors) grew from {before} to {resources()}")
    print_table(done)
    for wrong in wrongs:
        print(wrong)
    num_wrong = sum(bool(trial.wrongs) for trial in done) + len(wrongs)
    num_finished = sum(trial.run_id is not None for trial in done)
    print(
        f"{len(done)} moments in {time.monotonic() - started:.0f} s: {num_finished} finished and are recorded, ", end=""
    )
    print(f"{len(done) - num_finished} ended with one error, {num_wrong} not in order")
    return int(num_wrong > 0)


def resources() -> tuple[int, int]:
    """Return how many threads and descriptors this process has."""
    return threading.active_count(), psutil.Process().num_fds()


def print_table(done: list[Trial]) -> None:
    """Print how often each fault had each outcome."""
    counts = Counter((trial.kind, trial.outcome) for trial in done)
    outcomes = sorted({outcome for _, outcome in counts}, key=lambda each: (each != "finished", each))
    print(f"| fault | {' | '.join(outcomes)} |\n|{' --- |' * (len(outcomes) + 1)}")
    for kind in dict.fromkeys(trial.kind for trial in done):
        print(f"| {kind} | {' | '.join(str(counts[kind, outcome] or '') for outcome in outcomes)} |")


if __name__ == "__main__":
    sys.exit(main())
