"""The virtual phone's side of adb's protocol, spoken to byte by byte, also by those who do not speak it."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.testing.virtual_phone import Faults, VirtualPhone
from embedl_nb.testing.virtual_phone.heat import Heat
from embedl_nb.testing.virtual_phone.protocol import MAX_PAYLOAD, Command, Packet, ProtocolError, read_packet

HEADER = struct.Struct("<6I")
PATIENCE_S = 30.0
NUM_PHONES = 32


class Host:
    """An adb server, as far as these tests need one."""

    def __init__(self, phone: VirtualPhone) -> None:
        name, port = phone.address.rsplit(":", 1)
        self.socket = socket.create_connection((name, int(port)), timeout=PATIENCE_S)
        self.last_id = 0

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, command: Command, arg0: int = 0, arg1: int = 0, data: bytes = b"") -> None:
        self.socket.sendall(Packet(command, arg0, arg1, data).encode())

    def receive(self) -> tuple[Command, int, int, bytes]:
        command, arg0, arg1, length, _check, magic = HEADER.unpack(self._exactly(HEADER.size))
        assert magic == command ^ 0xFFFFFFFF
        return Command(command), arg0, arg1, self._exactly(length)

    def is_hung_up_on(self) -> bool:
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def greet(self, *, max_payload: int = MAX_PAYLOAD) -> bytes:
        self.send(Command.CNXN, 0x01000001, max_payload, b"host::features=shell_v2,cmd,stat_v2")
        command, _version, _size, banner = self.receive()
        assert command is Command.CNXN
        return banner

    def open(self, service: str) -> tuple[int, int]:
        self.last_id += 1
        self.send(Command.OPEN, self.last_id, 0, service.encode() + b"\0")
        while True:  # earlier streams may still have something to say
            command, theirs, mine, _data = self.receive()
            if mine == self.last_id:
                assert command is Command.OKAY
                return mine, theirs

    def everything(self, mine: int, theirs: int) -> bytes:
        """Read a stream until the phone closes it."""
        data = b""
        while True:
            command, _theirs, to, part = self.receive()
            if to == mine and command is Command.CLSE:
                return data
            if to == mine and command is Command.WRTE:
                data += part
                self.send(Command.OKAY, mine, theirs)

    def shell(self, command: str) -> bytes:
        return self.everything(*self.open(f"shell:{command}"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data


@pytest.fixture(scope="module")
def phone() -> Iterator[VirtualPhone]:
    with VirtualPhone() as phone:
        yield phone


@pytest.fixture
def host(phone: VirtualPhone) -> Iterator[Host]:
    with Host(phone) as host:
        host.greet()
        yield host


async def parsed(data: bytes) -> Packet:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_packet(reader)


def test_a_packet_is_read_back_as_it_was_written() -> None:
    packet = Packet(Command.WRTE, 1, 2, b"data")
    assert asyncio.run(parsed(packet.encode())) == packet


@pytest.mark.parametrize(
    "header",
    [
        (Command.WRTE, 0, 0, 0, 0, 0),
        (0x12345678, 0, 0, 0, 0, 0x12345678 ^ 0xFFFFFFFF),
        (Command.WRTE, 0, 0, MAX_PAYLOAD + 1, 0, Command.WRTE ^ 0xFFFFFFFF),
    ],
)
def test_what_is_no_packet_is_refused_before_its_data_is_read(header: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError):
        asyncio.run(parsed(HEADER.pack(*header)))


def test_the_phone_greets_with_its_name_and_what_it_can_do(phone: VirtualPhone) -> None:
    with Host(phone) as host:
        assert host.greet() == (
            b"device::ro.product.name=e1q;ro.product.model=virtual Galaxy S24;ro.product.device=e1q;"
            b"features=shell_v2,cmd,stat_v2"
        )


def test_an_unknown_service_is_closed_and_the_connection_lives_on(host: Host) -> None:
    for service in ("reboot:", "tcp:80", "shell,v2,pty:", "shell:", "", "jdwp:1"):
        host.send(Command.OPEN, 77, 0, service.encode() + b"\0")
        assert host.receive()[:3] == (Command.CLSE, 0, 77)
    assert host.shell("echo hi") == b"hi\n"


def test_output_comes_no_faster_than_it_is_acknowledged(host: Host, phone: VirtualPhone) -> None:
    (phone.root / "data/local/tmp/two").write_bytes(bytes(2 * MAX_PAYLOAD))
    mine, theirs = host.open("exec:cat /data/local/tmp/two; echo end")
    assert len(host.receive()[3]) == MAX_PAYLOAD
    host.socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        host.receive()
    host.socket.settimeout(PATIENCE_S)
    host.send(Command.OKAY, mine, theirs)
    assert host.everything(mine, theirs) == bytes(MAX_PAYLOAD) + b"end\n"


def test_an_old_host_gets_small_packets(phone: VirtualPhone) -> None:
    (phone.root / "data/local/tmp/some").write_bytes(bytes(10_000))
    with Host(phone) as host:
        host.greet(max_payload=4096)
        _mine, _theirs = host.open("exec:cat /data/local/tmp/some")
        assert len(host.receive()[3]) == 4096


def test_frames_carry_both_streams_and_the_exit_code(host: Host) -> None:
    data = host.everything(*host.open("shell,v2,TERM=xterm,raw:echo out; echo err >&2; exit 300"))
    assert data == b"\1\4\0\0\0out\n\2\4\0\0\0err\n\3\1\0\0\0" + bytes([300 & 0xFF])


def test_two_streams_of_one_connection_do_not_wait_for_each_other(host: Host) -> None:
    host.open("shell:sleep 30")
    assert host.shell("echo hi") == b"hi\n"


def sync(host: Host, *requests: bytes, size: int) -> bytes:
    mine, theirs = host.open("sync:")
    host.send(Command.WRTE, mine, theirs, b"".join(requests))
    data = b""
    while len(data) < size:
        command, _theirs, _mine, part = host.receive()
        if command is Command.WRTE:
            data += part
            host.send(Command.OKAY, mine, theirs)
    return data


def request(name: bytes, argument: bytes) -> bytes:
    return name + struct.pack("<I", len(argument)) + argument


def test_version_1_of_stat_and_several_requests_in_one_packet(host: Host, phone: VirtualPhone) -> None:
    (phone.root / "data/local/tmp/five").write_bytes(b"12345")
    answers = sync(host, request(b"STAT", b"/data/local/tmp/five"), request(b"STAT", b"/none"), size=32)
    assert answers[:4] == answers[16:20] == b"STAT"
    assert struct.unpack("<I", answers[8:12]) == (5,)
    assert answers[20:] == bytes(12)


def test_a_file_arrives_whole_however_its_bytes_are_cut(host: Host, phone: VirtualPhone) -> None:
    content = os.urandom(150_000)
    chunks = [content[start : start + 65536] for start in range(0, len(content), 65536)]
    sent = request(b"SEND", b"/data/local/tmp/new/cut,33261") + b"".join(request(b"DATA", chunk) for chunk in chunks)
    sent += struct.pack("<4sI", b"DONE", 1_700_000_000)
    mine, theirs = host.open("sync:")
    randomly, at = random.Random(1), 0
    answers = []
    while at < len(sent):
        size = randomly.choice((1, 7, 3000, 70_000))
        host.send(Command.WRTE, mine, theirs, sent[at : at + size])
        at += size
        answers.append(host.receive())
    answers.append(host.receive())
    assert [data for command, *_, data in answers if command is Command.WRTE] == [struct.pack("<4sI", b"OKAY", 0)]
    pushed = phone.root / "data/local/tmp/new/cut"
    assert pushed.read_bytes() == content
    assert (pushed.stat().st_mode & 0o777, int(pushed.stat().st_mtime)) == (0o777, 1_700_000_000)


@pytest.mark.parametrize(
    "sent",
    [
        request(b"SEND", b"/data/local/tmp/link,41471") + struct.pack("<4sI", b"DONE", 0),
        request(b"SEND", b"/data/local/tmp/x,not a mode") + struct.pack("<4sI", b"DONE", 0),
        request(b"SEND", b"/data/local/tmp/../../../../outside,33188") + struct.pack("<4sI", b"DONE", 0),
        request(b"SEND", b"/data/local/tmp/x,33188") + struct.pack("<4sI", b"DATA", 65537),
        request(b"SEND", b"/data/local/tmp/x\0y,33188") + struct.pack("<4sI", b"DONE", 0),
        struct.pack("<4sI", b"RECV", 0xFFFFFFFF),
        request(b"RECV", b"/data/local/tmp"),
        request(b"RECV", b"/data/local/tmp/" + b"x" * 300),
        request(b"HACK", b""),
    ],
)
def test_requests_that_make_no_sense_fail_and_cost_nobody_anything(
    host: Host, phone: VirtualPhone, sent: bytes
) -> None:
    assert sync(host, sent, size=8)[:4] == b"FAIL"
    assert not (phone.root / "data/local/tmp/x").exists()
    assert host.shell("echo hi") == b"hi\n"


def test_clients_that_do_not_speak_adb_are_dropped_and_others_served(phone: VirtualPhone, host: Host) -> None:
    randomly = random.Random(7)
    for data in (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"",
        Packet(Command.OPEN, 1, 0, b"shell:id\0").encode(),
        Packet(Command.CNXN, 0, 0, b"").encode()[:-1],
        *(randomly.randbytes(randomly.randrange(1, 5000)) for _ in range(20)),
    ):
        with Host(phone) as stranger:
            stranger.socket.sendall(data)
            stranger.socket.shutdown(socket.SHUT_WR)
            assert stranger.is_hung_up_on()
    assert host.shell("echo hi") == b"hi\n"


def test_packets_for_streams_that_are_not_there_are_harmless(host: Host) -> None:
    for command in (Command.OKAY, Command.CLSE, Command.WRTE):
        host.send(command, 5, 999, b"data" if command is Command.WRTE else b"")
    assert host.receive()[:3] == (Command.CLSE, 0, 5)
    assert host.shell("echo hi") == b"hi\n"


def test_a_host_that_opens_streams_without_end_is_refused_some(phone: VirtualPhone) -> None:
    with Host(phone) as host:
        host.greet()
        for number in range(1, 400):
            host.send(Command.OPEN, number, 0, b"sync:\0")
        answers = [host.receive()[0] for _ in range(1, 400)]
        assert answers.count(Command.OKAY) == 256
        assert answers.count(Command.CLSE) == 143


def test_a_silent_phone_takes_the_connection_and_says_nothing() -> None:
    with VirtualPhone(faults=Faults(silent=True)) as phone, Host(phone) as host:
        host.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            host.greet()
        phone.faults = Faults()
        host.socket.settimeout(PATIENCE_S)
        assert host.receive()[0] is Command.CNXN


class FastClock:
    """A clock that only notes how long it was to sleep."""

    def __init__(self) -> None:
        self.slept_s = 0.0

    def time(self) -> float:
        return 1000.0 + self.slept_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        await asyncio.sleep(0)


def test_a_slow_link_takes_its_time_in_both_directions() -> None:
    clock = FastClock()
    with VirtualPhone(faults=Faults(bytes_per_s=1000.0), clock=clock) as phone, Host(phone) as host:
        host.greet()
        before = clock.slept_s
        host.send(Command.OPEN, 1, 0, b"exec:echo " + b"x" * 999 + b"\0")
        host.everything(*reversed(host.receive()[1:3]))
        assert clock.slept_s - before == pytest.approx((1010 + 1000) / 1000)


def test_work_warms_a_phone_and_heat_slows_it_until_it_has_cooled() -> None:
    heat = Heat()
    times = heat.work([1000.0] * 60, 0.0, celsius_per_busy_s=0.3)
    assert times == sorted(times)
    assert (times[0], times[-1]) == (1000.0, 3000.0)
    assert heat.status(0.0) == 5
    assert heat.skin_celsius(900.0) < 30
    assert (heat.status(900.0), heat.slowdown(900.0)) == (0, 1.0)


def test_a_name_that_the_catalog_lacks_is_refused_with_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="Galaxi"):
        VirtualPhone("Samsung Galaxi S24")
    with pytest.raises(UnknownNameError, match="SM8650") as raised:
        VirtualPhone("Samsung Galaxy S24", soc="SM865")
    assert raised.value.candidates
    with pytest.raises(InputError, match="is a chip"):
        VirtualPhone("SM8650")
    with VirtualPhone("Samsung Galaxy S24", soc="S5E9945") as phone, Host(phone) as host:
        host.greet()
        assert host.shell("getprop ro.soc.model; getprop ro.hardware.chipname") == b"\nexynos2400\n"


def test_32_phones_live_in_one_thread_and_leave_nothing_behind() -> None:
    def numbers() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    before = numbers()
    phones = [VirtualPhone().__enter__()]
    try:
        num_threads = threading.active_count()
        phones += [VirtualPhone().__enter__() for _ in range(NUM_PHONES - 1)]
        assert threading.active_count() == num_threads
        assert len({phone.address for phone in phones}) == NUM_PHONES

        def use(phone: VirtualPhone) -> bytes:
            with Host(phone) as host:
                host.greet()
                host.shell(f"echo {phone.address} > /data/local/tmp/mine")
                return host.shell("cat /data/local/tmp/mine")

        with ThreadPoolExecutor(NUM_PHONES) as pool:
            answers = list(pool.map(use, phones))
        assert answers == [f"{phone.address}\n".encode() for phone in phones]
    finally:
        for phone in phones:
            phone.__exit__(None, None, None)
    assert numbers() == before
    assert not any(phone.root.exists() for phone in phones)


def test_a_phone_ends_while_its_host_is_busy_with_it() -> None:
    with VirtualPhone() as phone:
        host = Host(phone)
        host.greet()
        host.open("shell:sleep 600")
        host.open("sync:")
        started = time.monotonic()
    assert time.monotonic() - started < PATIENCE_S
    with host:
        assert host.is_hung_up_on()


def test_an_unplugged_phone_refuses_connections_and_comes_back_at_its_address() -> None:
    with VirtualPhone() as phone:
        with Host(phone) as host:
            host.greet()
            phone.unplug()
            assert host.is_hung_up_on()
        with pytest.raises(ConnectionRefusedError):
            Host(phone)
        phone.plug_in()
        with Host(phone) as host:
            assert host.greet()
