"""What our part of a phone's benchmark costs, on a virtual phone: the time besides the tool's own, and a push.

    python benchmarks/phone_speed.py [--rounds 5]

Overhead: a whole benchmark (one process, no profile, the model already there) against the same command line given to
``adb shell``; goal 1.5 s at most. Push: 100 MB to the phone against ``adb push``, whose program's start is counted;
goal 0.9 of its speed. Both sides are interleaved, medians are quoted. A virtual phone's link is this machine's
loopback: a real cable is slower, for both sides.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from embedl_nb.device import open_device
from embedl_nb.device.adb.phone import AdbPhone, Channel
from embedl_nb.device.adb.running import run_on_phone
from embedl_nb.device.adb.server import which_server
from embedl_nb.runtime.raw_run import MeasureRequest
from embedl_nb.testing import models
from embedl_nb.testing.virtual_phone import ARM64_PROGRAM, AdbServer, VirtualPhone, adb_server

OVERHEAD_GOAL_S, PUSH_GOAL, PUSHED_BYTES = 1.5, 0.9, 100 * 10**6


def seconds(work: object, *arguments: object) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    work(*arguments)  # type: ignore[operator]
    return time.perf_counter() - started


def adb(server: AdbServer, phone: VirtualPhone, *arguments: str) -> None:
    """Run the adb program."""
    start = [str(server.adb_path), "-H", server.host, "-P", str(server.port), "-s", phone.address]
    subprocess.run([*start, *arguments], check=True, capture_output=True)


def overheads_s(server: AdbServer, virtual: VirtualPhone, folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Return the times of whole runs, and of the tool alone through ``adb shell``."""
    address = f"adb://{virtual.address}?server={server.host}:{server.port}"
    tool = folder / "benchmark_model"
    tool.write_bytes(ARM64_PROGRAM)
    request = MeasureRequest(
        model_path=str(models.write(folder, models.conv_relu())),
        iterations=200,
        warmup=1,
        num_threads=1,
        profile=False,
    )

    def whole() -> str:
        phone = open_device(address)
        assert isinstance(phone, AdbPhone)
        with phone.lease():
            return run_on_phone(phone, request, tool_path=tool, keep_model=True).plain.command

    command = whole()  # the model and the tool are there from now on
    ours, alone = [], []
    for _ in range(rounds):
        ours.append(seconds(whole))
        alone.append(seconds(adb, server, virtual, "shell", command))
    return ours, alone


def pushes_s(server: AdbServer, virtual: VirtualPhone, folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Return the times of our pushes, and of adb's."""
    big = folder / "big.bin"
    big.write_bytes(os.urandom(PUSHED_BYTES))
    channel = Channel(which_server(f"{server.host}:{server.port}"), virtual.address, address=virtual.address)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(seconds(channel.push, big, "/data/local/tmp/ours.bin"))
        theirs.append(seconds(adb, server, virtual, "push", str(big), "/data/local/tmp/theirs.bin"))
    return ours, theirs


def main() -> int:
    """Print both sides; 1 where a goal is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name, adb_server() as server, VirtualPhone() as virtual:
        server.connect(virtual)
        ours, alone = overheads_s(server, virtual, Path(name), rounds)
        pushed, by_adb = pushes_s(server, virtual, Path(name), rounds)
    overhead = statistics.median(a - b for a, b in zip(ours, alone, strict=True))
    speed = statistics.median(b / a for a, b in zip(pushed, by_adb, strict=True))
    print(f"load of this machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
    print(f"whole run {statistics.median(ours):.2f} s, tool alone {statistics.median(alone):.2f} s")
    print(f"overhead  {overhead:.2f} s   (goal {OVERHEAD_GOAL_S})")
    print(f"push      {PUSHED_BYTES / 1e6 / statistics.median(pushed):.0f} MB/s, adb push", end=" ")
    print(f"{PUSHED_BYTES / 1e6 / statistics.median(by_adb):.0f} MB/s: {speed:.2f} of it   (goal {PUSH_GOAL})")
    return int(overhead > OVERHEAD_GOAL_S or speed < PUSH_GOAL)


if __name__ == "__main__":
    sys.exit(main())
