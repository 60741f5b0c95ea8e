"""Several virtual phones at once: one that fails, one that hangs and is interrupted, all of a server."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import embedl_nb as enb
from embedl_nb import progress
from embedl_nb.errors import EmbedlWarning
from embedl_nb.testing import models
from embedl_nb.testing.virtual_phone import Faults, VirtualPhone, virtual_rack

pytest.importorskip("adbutils", reason="adbutils brings the adb server of these tests")
pytestmark = pytest.mark.litert

SHORT = {"iterations": 5, "warmup": 1, "num_threads": 1, "processes": 1, "profile": False}
VARIABLES = ("ADB_SERVER_SOCKET", "EMBEDL_NB_BENCHMARK_MODEL")


@pytest.fixture(scope="module")
def rack() -> Iterator[tuple[tuple[VirtualPhone, ...], tuple[str, ...]]]:
    phones = (VirtualPhone("Samsung Galaxy S24"), VirtualPhone("Google Pixel 7"), VirtualPhone("moto g75 5G"))
    before = [os.environ.get(name) for name in VARIABLES]
    with virtual_rack(*phones) as addresses:
        yield phones, addresses
    assert [os.environ.get(name) for name in VARIABLES] == before


@pytest.fixture
def phones(rack: tuple[tuple[VirtualPhone, ...], tuple[str, ...]]) -> Iterator[tuple[VirtualPhone, ...]]:
    yield rack[0]
    for phone in rack[0]:
        phone.faults = Faults()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return models.write(tmp_path, models.conv_relu(), name="net")


def test_a_phone_without_room_is_named_and_the_others_are_measured(
    rack: tuple[tuple[VirtualPhone, ...], tuple[str, ...]], phones: tuple[VirtualPhone, ...], model: Path
) -> None:
    addresses = rack[1]
    phones[1].faults = Faults(storage_bytes=1 << 20)
    server = os.environ["ADB_SERVER_SOCKET"].removeprefix("tcp:")
    result = enb.benchmark(model, f"adb://*?server={server}", **SHORT)
    assert set(result.results) == {f"{address}?server={server}" for address in (addresses[0], addresses[2])}
    assert list(result.errors) == [f"{addresses[1]}?server={server}"]
    assert {each.device.name for each in result} == {"virtual Galaxy S24", "virtual moto g75 5G"}
    assert {each.provenance for each in result} == {"virtual"}


def test_a_phone_that_is_plugged_in_again_meanwhile_is_measured(
    rack: tuple[tuple[VirtualPhone, ...], tuple[str, ...]], phones: tuple[VirtualPhone, ...], model: Path
) -> None:
    phones[0].faults = Faults(unplug_after_output_bytes=4000)

    def plug_in(event: progress.Event) -> None:
        if any(job.event.stage == "lost" for job in event.jobs):
            phones[0].faults = Faults()
            phones[0].plug_in()

    with progress.listening(plug_in), pytest.warns(EmbedlWarning, match="was lost and came back"):
        result = enb.benchmark(model, rack[1][:2], **SHORT)
    assert list(result.results) == list(rack[1][:2])
    assert result.errors == {}


def test_an_interrupt_ends_what_runs_on_the_phones_and_frees_them(
    rack: tuple[tuple[VirtualPhone, ...], tuple[str, ...]], phones: tuple[VirtualPhone, ...], model: Path
) -> None:
    for phone in phones:
        phone.faults = Faults(hang=True)

    def interrupt() -> None:
        until = time.monotonic() + 60
        while min(phone.num_running for phone in phones) < 1 and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        enb.benchmark(model, rack[1], **SHORT)
    assert [phone.num_running for phone in phones] == [0, 0, 0]
    assert [list(phone.root.rglob("model.tflite")) for phone in phones] == [[], [], []]
    for phone in phones:
        phone.faults = Faults()
    assert len(enb.benchmark(model, rack[1], **SHORT)) == 3
