"""The program that measures on phones: found, checked, and fetched from a server on this machine."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedl_nb.cli import main
from embedl_nb.device.adb.tool import binary
from embedl_nb.device.adb.tool.binary import CHECKER_VARIABLE, fetch_tool, find_checker, find_tool, read_abi
from embedl_nb.errors import InputError, MissingDependencyError

Handler = http.server.BaseHTTPRequestHandler
ARM64, X86_64, ARM32 = (2, 0xB7), (2, 0x3E), (1, 0x28)
PATH = "/2.2.0/android_arm64/benchmark_model"


def program(kind: tuple[int, int], size: int = 1000) -> bytes:
    head = b"\x7fELF" + bytes([kind[0], 1, 1]) + bytes(9) + (3).to_bytes(2, "little") + kind[1].to_bytes(2, "little")
    return head.ljust(size, b"x")


@contextmanager
def serving(answer: Callable[[Handler], None]) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Answering(Handler):
        def do_GET(self) -> None:  # noqa: N802 - its name
            asked.append(self.path)
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def giving(content: bytes, *, said_length: int | None = None, status: int = 200) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content) if said_length is None else said_length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirecting(to: str) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()

    return answer


def test_a_version_is_fetched_once_and_known_by_its_hash(empty_home: Path) -> None:
    content = program(ARM64)
    with serving(giving(content)) as (place, asked):
        fetched = fetch_tool("2.2.0", published=place)
        assert fetch_tool("2.2.0", published=place) == fetched
    assert asked == [PATH]
    assert fetched.path.read_bytes() == content
    assert fetched.sha256 == hashlib.sha256(content).hexdigest()
    assert (fetched.version, fetched.abi, fetched.source) == ("2.2.0", "arm64-v8a", place + PATH)
    assert find_tool(["arm64-v8a", "armeabi-v7a"]) == fetched
    assert fetched.sha256 in str(fetched)
    assert [path.name for path in fetched.path.parent.parent.iterdir()] == [fetched.path.parent.name]


def test_without_it_the_command_that_fetches_it_is_named(empty_home: Path) -> None:
    with pytest.raises(MissingDependencyError) as caught:
        find_tool(["arm64-v8a"], version="2.1.6")
    assert caught.value.install == caught.value.hint == "embedl-nb fetch-tool 2.1.6"


def test_a_damaged_copy_is_not_used_and_fetched_anew(empty_home: Path) -> None:
    with serving(giving(program(ARM64))) as (place, asked):
        path = fetch_tool("2.2.0", published=place).path
        path.write_bytes(program(ARM64, size=900))
        with pytest.raises(MissingDependencyError):
            find_tool(["arm64-v8a"])
        assert fetch_tool("2.2.0", published=place).path.read_bytes() == program(ARM64)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (giving(b"no", status=404), InputError, "there is no http"),
        (giving(b"no", status=503), MissingDependencyError, "503"),
        (giving(program(ARM64), said_length=5000), MissingDependencyError, "ended after 1000 of 5000 bytes"),
        (giving(b"<html>sign in</html>"), MissingDependencyError, "no program for arm64"),
        (giving(program(X86_64)), MissingDependencyError, "no program for arm64"),
        (giving(b""), MissingDependencyError, "no program for arm64"),
        (redirecting("http://example.org/x"), InputError, "not an address of https"),
        (redirecting("file:///etc/passwd"), MissingDependencyError, "is not allowed"),
    ],
)
def test_what_is_not_fetched_whole_leaves_nothing(
    empty_home: Path, answer: Callable[[Handler], None], error: type[Exception], says: str
) -> None:
    with serving(answer) as (place, _), pytest.raises(error, match=says):
        fetch_tool("2.2.0", published=place)
    assert list((empty_home / "cache" / "tools").iterdir()) == []


def test_an_endless_answer_is_ended(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_MOST_BYTES", 3 << 18)
    too_long = pytest.raises(MissingDependencyError, match=r"more than 768\.0 KiB")
    with serving(giving(program(ARM64, size=1 << 22))) as (place, _), too_long:
        fetch_tool("2.2.0", published=place)
    assert list((empty_home / "cache" / "tools").iterdir()) == []


def test_a_place_that_does_not_answer_is_told(empty_home: Path) -> None:
    with pytest.raises(MissingDependencyError, match="refused") as caught:
        fetch_tool("2.2.0", published="http://127.0.0.1:1")
    assert "EMBEDL_NB_BENCHMARK_MODEL" in caught.value.hint


@pytest.mark.parametrize("version", ["latest", "2.2", "../../x", "2.2.0/..", "", "2.2.0\n", "\u0662.2.0"])
def test_only_a_stated_version_is_fetched(version: str) -> None:
    with pytest.raises(InputError, match="no version of LiteRT"):
        fetch_tool(version)


def test_plain_http_is_for_this_machine_only(empty_home: Path) -> None:
    with pytest.raises(InputError, match="https"):
        fetch_tool("2.2.0", published="http://example.org")
    assert binary._PUBLISHED.startswith("https://")


@pytest.mark.parametrize(("kind", "abi"), [(ARM64, "arm64-v8a"), (X86_64, "x86_64"), (ARM32, "armeabi-v7a")])
def test_the_abi_is_read_from_the_file(tmp_path: Path, kind: tuple[int, int], abi: str) -> None:
    path = tmp_path / "tool"
    path.write_bytes(program(kind))
    assert read_abi(path) == abi
    assert find_tool([abi], path=path, version="2.1.0").version == "2.1.0"
    with pytest.raises(InputError, match=f"is a program for {abi}; the phone runs riscv64") as caught:
        find_tool(["riscv64"], path=path)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\necho hi\n" + b" " * 50, b"MZ" + bytes(50)])
def test_what_is_no_program_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tool"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no program"):
        find_tool(["arm64-v8a"], path=path)


def test_the_variable_names_a_file_and_a_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, given = tmp_path / "named", tmp_path / "given"
    named.write_bytes(program(ARM64))
    given.write_bytes(program(ARM64, size=2000))
    monkeypatch.setenv("EMBEDL_NB_BENCHMARK_MODEL", str(named))
    assert find_tool(["arm64-v8a"]).path == named
    assert find_tool(["arm64-v8a"]).source == "EMBEDL_NB_BENCHMARK_MODEL"
    assert find_tool(["arm64-v8a"], path=given).path == given
    monkeypatch.setenv("EMBEDL_NB_BENCHMARK_MODEL", str(tmp_path / "missing"))
    with pytest.raises(InputError, match=r"EMBEDL_NB_BENCHMARK_MODEL.*missing cannot be read"):
        find_tool(["arm64-v8a"])


def test_for_an_abi_that_is_not_published_a_path_is_asked_for(empty_home: Path) -> None:
    with pytest.raises(InputError, match="publishes no benchmark_model for x86_64") as caught:
        find_tool(["x86_64"])
    assert "EMBEDL_NB_BENCHMARK_MODEL" in caught.value.hint


def test_the_command_prints_what_it_fetched(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(giving(program(ARM64))) as (place, _):
        monkeypatch.setattr(binary.fetch_tool, "__kwdefaults__", {"published": place})
        assert main(["fetch-tool", "2.2.0"]) == 0
    printed = capsys.readouterr().out
    assert "benchmark_model 2.2.0 for arm64-v8a" in printed
    assert hashlib.sha256(program(ARM64)).hexdigest() in printed


def test_the_older_tool_has_a_place_and_a_variable_of_its_own(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingDependencyError) as caught:
        find_checker(["arm64-v8a"])
    assert caught.value.install == "embedl-nb fetch-tool legacy"
    with serving(giving(program(ARM64))) as (place, asked):
        fetched = fetch_tool("legacy", published=place)
    assert asked == ["/android_aarch64_benchmark_model"]
    assert find_checker(["arm64-v8a"]) == fetched
    with pytest.raises(MissingDependencyError):
        find_tool(["arm64-v8a"])  # it is not what measures
    with pytest.raises(InputError, match="not published for x86_64"):
        find_checker(["x86_64"])
    (tmp_path / "own").write_bytes(program(X86_64))
    monkeypatch.setenv(CHECKER_VARIABLE, str(tmp_path / "own"))
    assert find_checker(["x86_64"]).source == CHECKER_VARIABLE
    with pytest.raises(InputError, match="is a program for x86_64"):
        find_checker(["arm64-v8a"])
