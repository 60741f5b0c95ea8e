"""How often a comparison of a model with itself calls a difference, which is never there.

Limit: 5 % of 400 trials. Each trial is ``enb.compare(model, model)`` of a tiny model, measured in turns on this machine
as it is, with 3 processes of each; nothing is recorded. The processes of all trials, in the order in which they ran,
are then compared in other ways as well: with more processes, and measured apart, one after the other or with minutes
in between. Run as ``python benchmarks/compare_a_against_a.py [num_trials]``; it takes about 1.6 s a trial and
exits with 1 where a limit is broken.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence

from embedl_nb.analysis import Comparison, compare_results
from embedl_nb.analysis.noise import Verdict, judge
from embedl_nb.measure.benchmark import Latency
from embedl_nb.measure.plan import MeasureOptions
from embedl_nb.measure.statistics import summarize
from embedl_nb.measure.turns import measure_in_turns, turns
from embedl_nb.testing import models

LIMIT = 0.05
PROCESSES = 3
OPTIONS = MeasureOptions.checked(
    compute_unit="cpu",
    allow_fallback=True,
    num_threads=1,
    processes=PROCESSES,
    iterations=50,
    warmup=10,
    profile=False,
    runtime_options=None,
)
Process = Sequence[float]
Pick = tuple[list[int], list[int]]


def main(num_trials: int = 400) -> int:
    """Print a row a way of comparing and return the exit code."""
    began = time.perf_counter()
    verdicts, processes = _live(num_trials)
    took_s = time.perf_counter() - began
    medians = [statistics.median(process) for process in processes]
    spread = statistics.stdev(medians) / statistics.fmean(medians)
    median_ms = statistics.median(medians)
    print(f"{len(processes)} processes in {took_s:.0f} s, median {median_ms:.4f} ms, spread {spread:.1%}")
    print(f"{'A against A':50} {'trials':>6} {'different':>9} {'none':>6} {'cannot tell':>11} {'half width':>10}")
    kept = _row(f"measured in turns, {PROCESSES} processes of each, live", verdicts)
    for count in (2, 4, 6, 8):
        picks = _in_turns(len(processes), count, num_trials)
        kept &= _row(f"in turns, {count} of each, resampled", _resampled(processes, picks, are_interleaved=True))
    minutes = round(took_s / len(processes) * 500 / 60, 1)
    for count, gap in itertools.product((3, 6), (0, 500)):
        picks = _apart(len(processes), count, gap, num_trials)
        when = f"{minutes} min between" if gap else "one after the other"
        kept &= _row(f"apart, {count} of each, {when}, resampled", _resampled(processes, picks, are_interleaved=False))
    print(f"limit: {LIMIT:.0%} of the trials called different")
    return int(not kept)


def _live(num_trials: int) -> tuple[list[Verdict], list[Process]]:
    """Compare a model with itself, again and again."""
    verdicts: list[Verdict] = []
    processes: list[Process] = []
    with tempfile.TemporaryDirectory() as folder:
        path = models.write(folder, models.fully_connected(num_inputs=768, num_outputs=512))
        for _ in range(num_trials):
            results = measure_in_turns([path, path], options=OPTIONS)
            comparison = compare_results(results)
            assert isinstance(comparison, Comparison)
            verdicts.append(comparison.verdict)
            left = [iter(result.latency.samples_ms) for result in results]
            processes += [next(left[place]) for place in turns(2, PROCESSES)]
    return verdicts, processes


def _resampled(processes: Sequence[Process], picks: Sequence[Pick], *, are_interleaved: bool) -> list[Verdict]:
    def latency(places: list[int]) -> Latency:
        return summarize([processes[place] for place in places])

    return [judge(latency(first), latency(second), are_interleaved=are_interleaved) for first, second in picks]


def _in_turns(total: int, count: int, num_trials: int) -> list[Pick]:
    order = list(turns(2, count))
    places = [[number for number, whose in enumerate(order) if whose == model] for model in (0, 1)]
    return _spread(total, 2 * count, num_trials, places)


def _apart(total: int, count: int, gap: int, num_trials: int) -> list[Pick]:
    gap = min(gap, max(0, total - 2 * count))
    return _spread(
        total, gap + 2 * count, num_trials, [list(range(count)), [count + gap + number for number in range(count)]]
    )


def _spread(total: int, span: int, num_trials: int, places: list[list[int]]) -> list[Pick]:
    """Place as many trials as asked for evenly over all processes; they overlap where they must."""
    room = max(0, total - span)
    starts = [round(number * room / max(1, num_trials - 1)) for number in range(num_trials)]
    return [([start + each for each in places[0]], [start + each for each in places[1]]) for start in starts]


def _row(name: str, verdicts: Sequence[Verdict]) -> bool:
    counts = Counter(verdict.is_different for verdict in verdicts)
    width: Callable[[Verdict], float] = lambda verdict: (verdict.ci95[1] / verdict.ci95[0]) ** 0.5 - 1  # noqa: E731
    half = statistics.median(width(verdict) for verdict in verdicts if verdict.ci95)
    share = f"{counts[True]} {counts[True] / len(verdicts):.1%}"
    print(f"{name:50} {len(verdicts):6} {share:>9} {counts[False]:6} {counts[None]:11} {half:10.1%}", flush=True)
    return counts[True] <= LIMIT * len(verdicts)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
