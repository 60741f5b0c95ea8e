"""A real adb, its server and virtual phones: what a phone on a cable does, these do."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder
from embedl_nb.testing.virtual_phone import AdbServer, Crash, Faults, VirtualPhone, adb_server

TMP = "/data/local/tmp"
PATIENCE_S = 60.0
EXACTLY = "--min_secs=0 --warmup_min_secs=0"


@dataclass(frozen=True)
class Adb:
    """The adb program, which speaks to one server about one phone."""

    server: AdbServer
    phone: VirtualPhone

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        server = self.server
        command = [str(server.adb_path), "-H", server.host, "-P", str(server.port), "-s", self.phone.address, *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        return self("shell", command)

    def state(self) -> str:
        return self("get-state").stdout.strip() or self("get-state").stderr.strip()


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    with adb_server() as server:
        yield server


@pytest.fixture
def phone_with(server: AdbServer) -> Iterator[Callable[..., Adb]]:
    """Start a phone with faults and connect to it."""
    phones: list[VirtualPhone] = []

    def start(name: str = "Samsung Galaxy S24", **faults: object) -> Adb:
        phone = VirtualPhone(name, faults=Faults(**faults)).__enter__()
        phones.append(phone)
        server.connect(phone)
        return Adb(server, phone)

    yield start
    for phone in phones:
        server.disconnect(phone)
        phone.__exit__(None, None, None)


@pytest.fixture(scope="module")
def adb(server: AdbServer) -> Iterator[Adb]:
    """A phone with nothing wrong, for tests that do not break it."""
    with VirtualPhone() as phone:
        server.connect(phone)
        yield Adb(server, phone)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def with_tool(adb: Adb, tmp_path: Path, model: bytes | None = None) -> str:
    """Push the tool and a model; returns the command's beginning."""
    (tmp_path / "benchmark_model").write_bytes(b"any bytes")
    path = models.write(tmp_path, model or models.conv_relu())
    adb.shell(f"mkdir -p {TMP}/nb")
    pushed = adb("push", str(tmp_path / "benchmark_model"), str(path), f"{TMP}/nb/")
    assert pushed.returncode == 0, pushed.stderr
    return f"cd {TMP}/nb && chmod 755 benchmark_model && ./benchmark_model --graph={path.name}"


def test_adb_connects_and_lists_the_phone_under_a_virtual_name(adb: Adb) -> None:
    listed = adb("devices", "-l").stdout
    assert f"{adb.phone.address}" in listed
    assert "device product:e1q model:virtual_Galaxy_S24 device:e1q" in listed
    assert adb.state() == "device"


def test_the_shell_gives_exit_codes_and_keeps_its_streams_apart(adb: Adb) -> None:
    said = adb.shell("echo out; echo err >&2; cat /nowhere; exit 7")
    assert said.returncode == 7
    assert said.stdout == "out\n"
    assert said.stderr == "err\ncat: /nowhere: No such file or directory\n"
    assert adb("exec-out", "echo out; echo err >&2").stdout == "out\nerr\n"


def test_a_phone_without_shell_v2_frames_prints_both_streams_as_one(adb: Adb) -> None:
    said = adb("shell", "-x", "echo out; echo err >&2; exit 7")
    assert (said.returncode, said.stdout) == (0, "out\nerr\n")


def test_properties_say_that_it_is_virtual_and_what_the_catalog_knows(adb: Adb) -> None:
    said = adb.shell("getprop ro.embedl_nb.virtual; getprop ro.product.model; getprop ro.soc.model; getprop no.such")
    assert said.stdout == "1\nvirtual Galaxy S24\nSM8650\n\n"


def test_a_file_of_3_mb_comes_back_as_it_was_pushed(adb: Adb, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "model").write_bytes(content)
    assert adb("push", str(tmp_path / "model"), f"{TMP}/model").returncode == 0
    assert (adb.phone.root / "data/local/tmp/model").read_bytes() == content
    assert adb("pull", f"{TMP}/model", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back").read_bytes() == content


def test_files_can_be_pushed_into_a_folder_listed_hashed_and_removed(adb: Adb, tmp_path: Path) -> None:
    for name in ("a b.bin", "c.bin"):
        (tmp_path / name).write_bytes(b"same")
    adb.shell(f"mkdir -p {TMP}/folder")
    adb("push", str(tmp_path / "a b.bin"), str(tmp_path / "c.bin"), f"{TMP}/folder/")
    assert [line.split()[-1] for line in adb("ls", f"{TMP}/folder").stdout.splitlines()[2:]] == ["b.bin", "c.bin"]
    hashes = adb.shell(f"cd {TMP}/folder && sha256sum *").stdout.splitlines()
    assert [line.split("  ")[1] for line in hashes] == ["a b.bin", "c.bin"]
    assert len({line.split()[0] for line in hashes}) == 1
    assert adb.shell(f"rm -rf {TMP}/folder && ls {TMP}/folder").returncode == 1


def test_what_is_missing_or_not_ours_is_refused_as_phones_do(adb: Adb, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert "No such file or directory" in adb("pull", f"{TMP}/none", str(tmp_path / "back")).stderr
    assert "remote couldn't create file: Read-only" in adb("push", str(tmp_path / "file"), "/system/file").stderr
    assert adb.shell("cat /sys/class/power_supply/battery/current_now").stderr.endswith("Permission denied\n")
    assert adb.shell(f"rm {TMP}/../../../proc/meminfo").returncode == 1
    assert adb.shell("no_such_program").returncode == 127


@pytest.mark.litert
def test_the_tool_really_runs_the_pushed_model(adb: Adb, tmp_path: Path) -> None:
    command = with_tool(adb, tmp_path)
    run = adb.shell(f"{command} --num_runs=12 {EXACTLY}")
    assert run.returncode == 0, run.stderr
    counts = [line for line in run.stdout.splitlines() if line.startswith("INFO: count=")]
    assert [line.split()[1] for line in counts] == ["count=1", "count=12"]
    assert "(12 runs)" in run.stderr
    assert "Replacing 1 out of 1 node(s) with delegate (TfLiteXNNPackDelegate)" in run.stderr


@pytest.mark.litert
def test_a_file_that_is_no_model_fails_as_the_tool_does(adb: Adb, tmp_path: Path) -> None:
    run = adb.shell(f"{with_tool(adb, tmp_path, b'no model at all')} {EXACTLY} 2>&1")
    assert run.returncode == 1
    assert run.stdout.splitlines()[-1] == "ERROR: Benchmarking failed."


@pytest.mark.litert
def test_a_gpu_that_is_not_there_is_silently_the_cpu(phone_with: Callable[..., Adb], tmp_path: Path) -> None:
    adb = phone_with("Google Pixel 7")
    command = f"{with_tool(adb, tmp_path)} --num_runs=3 {EXACTLY} --use_gpu=true"
    on_cpu = adb.shell(command)
    assert on_cpu.returncode == 0
    assert "GPU accelerator could not be loaded and registered." in on_cpu.stderr
    assert "(TfLiteXNNPackDelegate)" in on_cpu.stderr
    adb.phone.faults = Faults(gpu_works=True)
    assert "Replacing 1 out of 1 node(s) with delegate (LITERT_CL)" in adb.shell(command).stderr


@pytest.mark.litert
def test_a_profiled_run_has_tables_and_says_which_flags_it_does_not_know(adb: Adb, tmp_path: Path) -> None:
    flags = f"--num_runs=4 {EXACTLY} --use_profiler=true --report_peak_memory_footprint=true --enable_op_profiling=true"
    run = adb.shell(f"{with_tool(adb, tmp_path)} {flags} 2>&1")
    assert "WARN: Unconsumed cmdline flags: --enable_op_profiling=true\n" in run.stdout
    rows = [line.split() for line in run.stdout.splitlines() if line.endswith("[Delegate]:0")]
    assert len(rows) == 2
    assert rows[0][-2] == "5"  # four runs and the warm-up
    assert "Peak memory:" in run.stdout


@pytest.mark.litert
def test_seconds_that_were_asked_for_are_run(adb: Adb, tmp_path: Path) -> None:
    run = adb.shell(f"{with_tool(adb, tmp_path)} --num_runs=1 --min_secs=0.05 --warmup_min_secs=0 --warmup_runs=2")
    counts = [int(line.split("=")[1].split()[0]) for line in run.stdout.splitlines() if "count=" in line]
    assert counts[0] == 2
    assert counts[1] > 50


def push(adb: Adb, folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")
        adb("push", str(folder / name), f"{TMP}/nb/")


@pytest.mark.litert
def test_a_model_for_an_npu_runs_where_its_library_is_and_fails_elsewhere(
    phone_with: Callable[..., Adb], tmp_path: Path
) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4))
    y = builder.operator("CUSTOM", [x], builder.tensor("y", (1, 4)), custom_name="DISPATCH_OP")
    adb = phone_with(npu_works=True)
    command = with_tool(adb, tmp_path, builder.build({"y": y}))
    command += f" --num_runs=3 {EXACTLY} --use_npu=true --dispatch_library_path=. 2>&1"
    without = adb.shell(command)
    assert without.returncode == 1
    assert "No dispatch library found in ." in without.stdout
    assert "ERROR: Encountered unresolved custom op: DISPATCH_OP." in without.stdout
    push(adb, tmp_path, "libLiteRtDispatch_Qualcomm.so")
    alone = adb.shell(command)
    assert alone.returncode == 1
    assert "Loading shared library: ./libLiteRtDispatch_Qualcomm.so" in alone.stdout
    assert "No usable Dispatch runtime found" in alone.stdout
    push(adb, tmp_path, "libQnnHtp.so", "libQnnSystem.so", "libQnnHtpV75Stub.so", "libQnnHtpV75Skel.so")
    assert adb.shell(command).returncode == 1
    with_library = adb.shell(command.replace("./bench", "LD_LIBRARY_PATH=. ADSP_LIBRARY_PATH=. ./bench"))
    assert with_library.returncode == 0
    assert "Replacing 1 out of 1 node(s) with delegate (DispatchDelegate)" in with_library.stdout
    assert "INFO: count=3 " in with_library.stdout


@pytest.mark.litert
def test_work_heats_a_phone_up(phone_with: Callable[..., Adb], tmp_path: Path) -> None:
    adb = phone_with(celsius_per_busy_s=1e6)
    assert "Thermal Status: 0\n" in adb.shell("dumpsys thermalservice").stdout
    assert adb.shell(f"{with_tool(adb, tmp_path)} --num_runs=3 {EXACTLY}").returncode == 0
    assert "Thermal Status: 6\n" in adb.shell("dumpsys thermalservice").stdout


@pytest.mark.litert
def test_a_cable_that_is_pulled_in_a_run_leaves_no_process(phone_with: Callable[..., Adb], tmp_path: Path) -> None:
    adb = phone_with()
    command = with_tool(adb, tmp_path)
    server = adb.server
    words = [str(server.adb_path), "-P", str(server.port), "-s", adb.phone.address, "shell"]
    long_run = f"{command} --num_runs=100000000 {EXACTLY}"
    before = workers()  # this process's warm ones, which other tests started
    with subprocess.Popen([*words, long_run], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as caller:
        assert eventually(lambda: len(workers() - before) == 1)
        adb.phone.unplug()
        assert caller.wait(PATIENCE_S) != 0
    assert eventually(lambda: not workers() - before)
    assert eventually(lambda: adb.phone.num_running == 0)


def workers() -> set[int]:
    """Return the process numbers of this process's children that measure."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if _measures(child)}


def _measures(child: psutil.Process) -> bool:
    try:
        return "embedl_nb.runtime.worker" in child.cmdline()
    except psutil.NoSuchProcess:
        return False


def test_an_unauthorized_phone_works_once_its_owner_accepts(phone_with: Callable[..., Adb]) -> None:
    adb = phone_with(unauthorized=True)
    assert f"{adb.phone.address}\tunauthorized" in adb("devices").stdout
    assert "unauthorized" in adb.shell("echo hi").stderr
    adb.phone.faults = Faults()
    assert eventually(lambda: adb.state() == "device")
    assert adb.shell("echo hi").stdout == "hi\n"


def test_a_phone_in_recovery_says_so(phone_with: Callable[..., Adb]) -> None:
    assert phone_with(mode="recovery").state() == "recovery"


def test_a_cable_that_is_pulled_in_a_push_leaves_no_half_file(phone_with: Callable[..., Adb], tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(os.urandom(3_000_000))
    adb = phone_with(unplug_after_pushed_bytes=1_000_001)
    assert adb("push", str(tmp_path / "model"), f"{TMP}/model").returncode != 0
    assert not (adb.phone.root / "data/local/tmp/model").exists()
    assert adb.shell("echo hi").returncode != 0
    adb.phone.faults = Faults()
    adb.phone.plug_in()
    server = adb.server
    assert eventually(lambda: "connected" in server.connect(adb.phone) and adb.state() == "device")
    assert adb("push", str(tmp_path / "model"), f"{TMP}/model").returncode == 0


def test_a_cable_that_is_pulled_in_a_pull_or_in_output_cuts_both(
    phone_with: Callable[..., Adb], tmp_path: Path
) -> None:
    adb = phone_with()
    (adb.phone.root / "data/local/tmp/file").write_bytes(os.urandom(2_000_000))
    adb.phone.faults = Faults(unplug_after_pulled_bytes=700_000)
    assert adb("pull", f"{TMP}/file", str(tmp_path / "back")).returncode != 0
    adb = phone_with(unplug_after_output_bytes=5)
    said = adb.shell("echo 123456789; echo more")
    assert said.stdout == "12345"
    assert said.returncode != 0


def test_a_full_phone_refuses_what_does_not_fit(phone_with: Callable[..., Adb], tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(bytes(3_000_000))
    adb = phone_with(storage_bytes=1_000_000)
    pushed = adb("push", str(tmp_path / "model"), f"{TMP}/model")
    assert "write failed: No space left on device" in pushed.stderr
    assert not (adb.phone.root / "data/local/tmp/model").exists()
    assert adb.shell("df").stdout.splitlines()[1].split()[3] == str(1_000_000 // 1024)


@pytest.mark.parametrize(
    ("faults", "code", "said"),
    [
        ({"no_exec": True}, 126, "/system/bin/sh: ./benchmark_model: can't execute: Permission denied"),
        ({"missing_library": "libx.so"}, 1, 'CANNOT LINK EXECUTABLE "./benchmark_model": library "libx.so" not found'),
        ({"crash": Crash.SEGMENTATION_FAULT}, 139, "Segmentation fault"),
        ({"crash": Crash.ABORT}, 134, "Aborted"),
        ({"crash": Crash.ILLEGAL_INSTRUCTION}, 132, "compiled with dotprod enabled"),
        ({"crash": Crash.KILLED}, 137, "Killed"),
    ],
)
def test_the_tool_fails_the_way_it_was_told_to(
    phone_with: Callable[..., Adb], tmp_path: Path, faults: dict[str, object], code: int, said: str
) -> None:
    adb = phone_with(**faults)
    run = adb.shell(with_tool(adb, tmp_path))
    assert run.returncode == code
    assert said in run.stderr


def test_a_program_that_hangs_outlives_its_caller_and_can_be_killed(
    phone_with: Callable[..., Adb], tmp_path: Path
) -> None:
    adb = phone_with(hang=True)
    command = with_tool(adb, tmp_path)
    server = adb.server
    words = [str(server.adb_path), "-P", str(server.port), "-s", adb.phone.address, "shell", command]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as caller:
        assert eventually(lambda: adb.shell("pidof benchmark_model").returncode == 0)
        caller.kill()
    pid = adb.shell("pidof benchmark_model").stdout.strip()
    assert adb.shell("ls -l /proc/*/exe").stdout.endswith(f"/proc/{pid}/exe -> {TMP}/nb/benchmark_model\n")
    assert adb.shell(f"kill -9 {pid}").returncode == 0
    assert eventually(lambda: adb.shell("pidof benchmark_model").returncode == 1)
    assert eventually(lambda: adb.phone.num_running == 0)


def test_a_phone_leaves_no_thread_file_or_descriptor_behind(server: AdbServer) -> None:
    def numbers() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    before = numbers()
    with VirtualPhone() as phone:
        server.connect(phone)
        assert Adb(server, phone).shell("echo hi").stdout == "hi\n"
    server.disconnect(phone)
    assert numbers() == before
    assert not phone.root.exists()
