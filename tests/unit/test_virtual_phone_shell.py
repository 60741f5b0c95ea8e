"""The virtual phone's shell: its language, its programs, and that nothing leads out of its folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from embedl_nb.testing.virtual_phone.clock import RealClock
from embedl_nb.testing.virtual_phone.faults import Faults
from embedl_nb.testing.virtual_phone.grammar import ShellSyntaxError, parse
from embedl_nb.testing.virtual_phone.handset import Handset
from embedl_nb.testing.virtual_phone.hardware import catalog_phone
from embedl_nb.testing.virtual_phone.loop import PhoneLoop
from embedl_nb.testing.virtual_phone.shell import Shell


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def handset(tmp_path: Path) -> Handset:
    phone = catalog_phone("Samsung Galaxy S24", None)
    loop: PhoneLoop = None  # type: ignore[assignment]  # nothing here measures
    return Handset(phone, tmp_path / "phone", faults=Faults(), clock=RealClock(), loop=loop, unplug=lambda: None)


@pytest.fixture
def shell(handset: Handset) -> Callable[[str], Said]:
    def run(text: str) -> Said:
        out, err = bytearray(), bytearray()

        async def to_out(data: bytes) -> None:
            out.extend(data)

        async def to_err(data: bytes) -> None:
            err.extend(data)

        code = asyncio.run(Shell(handset, to_out, to_err).run(text))
        return Said(code, out.decode(errors="surrogateescape"), err.decode(errors="surrogateescape"))

    return run


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("echo a  b", "a b\n"),
        ("echo 'a  b' \"c  d\" e\\ f", "a  b c  d e f\n"),
        ("echo 'it'\"'\"'s'", "it's\n"),
        ('echo "a\\"b\\$c\\d"', 'a"b$c\\d\n'),
        ("echo '$HOME' \"$HOME\" $HOME", "$HOME / /\n"),
        ('echo $NONE a "$NONE"', "a \n"),
        ("echo a; echo b\necho c", "a\nb\nc\n"),
        ("echo a && echo b", "a\nb\n"),
        ("cat /none 2>/dev/null && echo never; echo $?", "1\n"),
        ("cat /none 2>&1", "cat: /none: No such file or directory\n"),
        ("echo to_err >&2; echo rest", "rest\n"),
        ("A=1 B='x y'; echo $A $B", "1 x y\n"),
        ("echo a # and no more", "a\n"),
        ("echo a#b '#c'", "a#b #c\n"),
        ("echo '#props'; getprop ro.embedl_nb.virtual", "#props\n1\n"),
        ("cd /data/local && pwd && cd .. && pwd", "/data/local\n/data\n"),
        ("echo one \\\n two", "one two\n"),
        ("echo -n a; echo b", "ab\n"),
        ("echo a &&\n echo b", "a\nb\n"),
        ("", ""),
    ],
)
def test_the_shell_reads_words_as_posix_says(shell: Callable[[str], Said], text: str, printed: str) -> None:
    assert shell(text).out == printed


@pytest.mark.parametrize(
    "text",
    [
        "echo a | cat",
        "echo $(id)",
        "echo `id`",
        'echo "$(id)"',
        'echo "`id`"',
        "echo ${HOME}",
        "sleep 1 &",
        "(echo a)",
        "f() { echo a; }",
        "for x in a b; do echo $x; done",
        "if true; then echo a; fi",
        "echo a || echo b",
        "echo 'a",
        'echo "a',
        "echo a >",
        "; echo a",
        "echo a;; echo b",
        "echo a &&",
        "echo a 2>&9",
    ],
)
def test_what_is_not_in_the_grammar_is_refused_and_nothing_runs(shell: Callable[[str], Said], text: str) -> None:
    said = shell(text)
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith("/system/bin/sh: syntax error: ")


def test_redirections_write_append_and_share_a_file(shell: Callable[[str], Said]) -> None:
    there = "/data/local/tmp/log"
    assert shell(f"echo a > {there}; echo b >> {there}; cat /none >> {there} 2>&1; cat {there}").out.splitlines() == [
        "a",
        "b",
        "cat: /none: No such file or directory",
    ]
    assert shell("echo a > /proc/meminfo").err == "/system/bin/sh: can't create /proc/meminfo: Permission denied\n"
    assert shell("cat /none 2>&1 > /dev/null").out == "cat: /none: No such file or directory\n"


def test_patterns_match_names_only_where_they_are_not_quoted(shell: Callable[[str], Said]) -> None:
    shell("cd /data/local/tmp; mkdir -p d/x d/y; echo 1 > d/x/f; echo 2 > d/y/f; echo 3 > d/.hidden")
    assert shell("cd /data/local/tmp; echo d/* d/*/f 'd/*' no*").out == "d/x d/y d/x/f d/y/f d/* no*\n"
    assert shell("cat /sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq").out.split() == [
        *["2300000"] * 2,
        *["3000000"] * 2,
        *["3200000"] * 3,
        "3300000",
    ]


def test_assignments_before_a_command_are_its_own(shell: Callable[[str], Said]) -> None:
    assert shell("A=1; A=2 echo $A; echo $A").out == "1\n1\n"


def test_exit_ends_the_shell_with_its_code(shell: Callable[[str], Said]) -> None:
    assert shell("exit 7; echo never") == Said(7, "", "")
    assert shell("cat /none 2>/dev/null; exit").code == 1


@pytest.mark.parametrize(
    "command",
    [
        "cat ../../../../../../etc/passwd",
        "cat /data/local/tmp/../../../../../etc/passwd",
        "cd ../../..; cat etc/passwd",
        "ls ../../../../../../etc/passwd",
        "cat /etc/pass*",
        "sha256sum /../etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_phone(shell: Callable[[str], Said], command: str) -> None:
    said = shell(command)
    assert "root:" not in said.out
    assert said.code == 1


@pytest.mark.parametrize(
    "command",
    [
        "echo a > /data/local/outside",
        "echo a > /data/local/tmp/../outside",
        "mkdir /system/x",
        "rm -rf /",
        "rm -rf /data/local/tmp/..",
        "rm /proc/meminfo",
        "mv /proc/meminfo /data/local/tmp/x",
        "mv /vendor /data/local/tmp/x",
        "chmod 777 /proc/meminfo",
    ],
)
def test_a_shell_writes_under_its_own_folders_only(
    shell: Callable[[str], Said], handset: Handset, tmp_path: Path, command: str
) -> None:
    (tmp_path / "outside").write_text("kept")
    assert shell(command).code == 1
    assert shell("cat /proc/meminfo").out.startswith("MemTotal:")
    assert (tmp_path / "outside").read_text() == "kept"
    assert handset.files.here("/data/local/tmp").is_dir()


def test_names_that_no_file_can_have_are_errors_not_crashes(shell: Callable[[str], Said]) -> None:
    assert "too long" in shell(f"cat {'x' * 300}").err
    assert shell("cat '\0'").code == 1
    assert shell("cat 'caf\udce9'").err == "cat: caf\udce9: No such file or directory\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("test -f /proc/meminfo", 0),
        ("test -d /proc/meminfo", 1),
        ("[ -d /proc ]", 0),
        ("[ ! -d /proc ]", 1),
        ("[ a = a ]", 0),
        ("[ a != a ]", 1),
        ("test -x /data/local/tmp/tool", 1),
        ("test -s /vendor/lib64/libOpenCL.so", 1),
        ("test -n ''", 1),
        ("test", 1),
    ],
)
def test_test_answers_as_posix_says(shell: Callable[[str], Said], command: str, code: int) -> None:
    assert shell(command).code == code


def test_the_toolbox_says_what_phones_say(shell: Callable[[str], Said]) -> None:
    assert shell("id -u").out == "2000\n"
    assert shell("uname -m").out == "aarch64\n"
    assert shell("settings get global low_power; settings get global none").out == "0\nnull\n"
    assert shell("dumpsys nothing").code == 20
    assert shell("grep MemTotal /proc/meminfo").out.startswith("MemTotal:")
    assert shell("grep -H . /sys/devices/system/cpu/online").out == "/sys/devices/system/cpu/online:0-7\n"
    assert shell("stat -c '%s %a %n' /proc/self/status").out.split()[2] == "/proc/self/status"
    assert shell("taskset f0 echo hi").out == "hi\n"
    assert shell("taskset 0 echo hi").code == 1
    assert shell("taskset f00 echo hi").code == 1
    assert shell("kill 1; kill x").err.count("No such process") == 2
    assert shell("nothing --like it").err == "/system/bin/sh: nothing: inaccessible or not found\n"


def test_only_arm_programs_called_benchmark_model_run(shell: Callable[[str], Said], handset: Handset) -> None:
    def run(name: str, content: bytes) -> Said:
        path = handset.files.here(f"/data/local/tmp/{name}")
        path.write_bytes(content)
        path.chmod(0o755)
        return shell(f"/data/local/tmp/{name} --help")

    x86 = b"\x7fELF" + bytes(14) + (0x3E).to_bytes(2, "little")
    arm = b"\x7fELF" + bytes(14) + (0xB7).to_bytes(2, "little")
    assert run("benchmark_model", x86).err.endswith("not executable: 64-bit ELF file\n")
    assert "usage: /data/local/tmp/benchmark_model <flags>" in run("benchmark_model", arm).err
    assert run("other", arm).code == 126


def test_a_long_text_is_parsed_in_reasonable_pieces() -> None:
    (command,) = parse("echo " + "x" * 100_000)
    assert [len(piece.text) for piece in command.words[1]] == [100_000]
    with pytest.raises(ShellSyntaxError):
        parse("echo " + "'" * 99_999)
