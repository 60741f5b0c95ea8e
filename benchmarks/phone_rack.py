"""Many virtual phones measured at once: whether every result is right and recorded, and nothing is left behind.

    python benchmarks/phone_rack.py [--phones 32]

Phones of different names, one adb server, one ``enb.benchmark(model, "adb://*", golden=...)``. Each phone's outputs are
compared with the source's, each result with the phone that it says it is of and with what the run store (its own,
MLflow on SQLite) gives back; then threads and descriptors are counted. Ends with 1 where something is not in order.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

import embedl_nb as enb
from embedl_nb.device.adb.tool.binary import CHECKER_VARIABLE
from embedl_nb.device.catalog.facts import phones
from embedl_nb.measure.benchmark import OutputState
from embedl_nb.measure.benchmarks import Benchmarks
from embedl_nb.model import LiteRTModel
from embedl_nb.runtime.pool import close_all
from embedl_nb.runtime.running import run_samples
from embedl_nb.testing import models
from embedl_nb.testing.virtual_phone import ARM64_PROGRAM, VirtualPhone, virtual_rack
from embedl_nb.testing.virtual_phone.benchmark_tool import LEGACY_MARK


def main() -> int:
    """Measure one phone, then all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phones", type=int, default=32)
    num_phones = parser.parse_args().phones
    with tempfile.TemporaryDirectory(prefix="embedl_nb-home-") as home:
        os.environ |= {"EMBEDL_NB_HOME": home, CHECKER_VARIABLE: f"{home}/older"}
        Path(home, "older").write_bytes(ARM64_PROGRAM + LEGACY_MARK)
        model = models.write(Path(home), models.conv_relu(), name="net")
        first, _, _ = measured(model, 1)
        enb.runs()  # the recorder stays on purpose, and has started by now
        before = resources()
        result, virtual, seconds = measured(model, num_phones)
        wrongs = [*wrong(result, virtual), *unrecorded([*first, *result])]
        if resources() > before:
            wrongs.append(f"(threads, descriptors) grew from {before} to {resources()}")
    print(result)
    print(f"{num_phones} phones in {seconds:.0f} s on {os.cpu_count()} cores: {len(result)} right, {len(wrongs)} wrong")
    print("\n".join(wrongs))
    return int(bool(wrongs))


def measured(model: Path, num_phones: int) -> tuple[Benchmarks, dict[str, VirtualPhone], float]:
    """Measure so many phones at once; also returns each by its address, and the seconds it took."""
    names = list(dict.fromkeys(phone.name for phone in phones()))
    rack = [VirtualPhone(name) for name in names[:: len(names) // num_phones][:num_phones]]
    signature = LiteRTModel.open(model).signatures[0]
    spec = signature.inputs[0]
    sample = np.random.default_rng(0).normal(size=spec.shape).astype(spec.dtype)
    expected = next(iter(run_samples(model, {f"0/{spec.name}": sample}).values()))
    with virtual_rack(*rack) as addresses:
        started = time.monotonic()
        result = enb.benchmark(
            model,
            "adb://*",
            inputs=sample,
            golden={signature.outputs[0].name: expected},
            num_threads=1,
            processes=1,
            iterations=20,
            warmup=1,
            profile=False,
        )
        seconds = time.monotonic() - started
        assert isinstance(result, Benchmarks)
        left = [str(path) for phone in rack for path in phone.root.rglob("model.tflite")]
        assert left == [], left
    return result, dict(zip(addresses, rack, strict=True)), seconds


def wrong(result: Benchmarks, virtual: dict[str, VirtualPhone]) -> Iterator[str]:
    """Say which phones have no right result of their own."""
    yield from (f"{address}: {error}" for address, error in result.errors.items())
    yield from (f"{address} is lost" for address in virtual.keys() - result.results.keys() - result.errors.keys())
    for address, each in result.results.items():
        if each.device.address != address:
            yield f"{address} has the result of {each.device.address}"
        if each.outputs.state is not OutputState.MATCH or each.latency.n != 20 or each.latency.p50_ms <= 0:
            yield f"{address} is not right: {each}"
    if doubled := [name for name, count in Counter(each.device.name for each in result).items() if count > 1]:
        yield f"several results are of {', '.join(doubled)}"


def unrecorded(results: list[enb.Benchmark]) -> Iterator[str]:
    """Say which results the store does not give back as they were."""
    recorded = set(enb.runs()["run_id"])
    if len(recorded) != len(results):
        yield f"{len(recorded)} runs are recorded, of {len(results)}"
    for each in results:
        if each.run_id is None or enb.load(each.run_id) != each:
            yield f"{each.device.name} is not recorded as it was"


def resources() -> tuple[int, int]:
    """Return how many threads and descriptors this process has, once its warm workers are ended."""
    close_all()
    return threading.active_count(), psutil.Process().num_fds()


if __name__ == "__main__":
    sys.exit(main())
