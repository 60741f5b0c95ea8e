"""One child process, seen from the parent: started in a session of its own, asked things, timed, and buried.

The child (see serve.py) answers over its standard output in marked lines; everything else that it or native code
writes ends in its log. Whatever happens to it (a segfault, a hang, an interrupt, no memory) becomes one error here and
leaves no process behind.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from embedl_nb import progress, stopping
from embedl_nb.errors import BenchmarkError, EmbedlError, OutOfMemoryError, RuntimeTimeoutError
from embedl_nb.runtime.death import death_error, num_oom_kills
from embedl_nb.runtime.logs import ChildLog
from embedl_nb.runtime.wire import decode, encode, error_from_message

__all__ = ["Child"]

# -P keeps the working directory (a notebook's folder, with files named like modules) from shadowing packages; the
# parent's own search path follows the child's.
_BOOTSTRAP = (
    "import json, runpy, sys; module, path = sys.argv[1], json.loads(sys.argv[2]); del sys.argv[1:]; "
    "sys.path += [p for p in path if p not in sys.path]; runpy.run_module(module, run_name='__main__', alter_sys=True)"
)
_POLL_S = 0.5
_GOODBYE_S = 2.0
_living: weakref.WeakSet[Child] = weakref.WeakSet()


class Child:
    """A Python child process that speaks JSON lines over its standard input and output.

    Parameters
    ----------
    module
        Dotted name of what to run; it calls :func:`embedl_nb.runtime.serve.serve`.
    what
        Who it is in an error's sentence: ``"the LiteRT runtime"``.
    environment
        Variables that it has besides this process's own.

    Raises
    ------
    OutOfMemoryError, BenchmarkError
        If the system cannot start a process.
    """

    def __init__(self, module: str, *, what: str, environment: Mapping[str, str] | None = None) -> None:
        self._what = what
        self._owner_pid = os.getpid()
        self._lock = threading.Lock()
        self._is_new = True
        self._log = ChildLog(module.rsplit(".", 1)[-1])
        try:
            self._process = _start(module, self._log.fd, what, environment or {})
        except BaseException:
            self._log.close()
            raise
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it was asked for as a pipe
        self._reader = threading.Thread(
            target=_read_messages, args=(self._process.stdout, self._log.fd, self._messages), daemon=True
        )
        self._reader.start()
        _living.add(self)

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its session and group."""
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """Where its output is kept."""
        return self._log.path

    @property
    def is_unused(self) -> bool:
        """Whether it was never asked for anything."""
        return self._is_new

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked something."""
        return self._owner_pid == os.getpid() and self._process.poll() is None

    def request(self, command: str, payload: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """Ask for ``command`` and wait for its answer.

        Progress that the child emits is emitted here. Arrays go through files: ``payload`` is small and JSON.

        Raises
        ------
        EmbedlError
            The child's own error, with its own class.
        BenchmarkError
            Any other exception in the child; its traceback is in ``details``.
        RuntimeCrashedError, OutOfMemoryError
            The child died, and how.
        RuntimeTimeoutError
            No answer within ``timeout_s``; the child and all it started were killed.
        """
        with self._lock:
            oom_kills, log_start = num_oom_kills(), self._log.size_bytes()
            if self._is_new:
                self._is_new, log_start = False, 0  # what it said while it started belongs to its first request
            try:
                self._send(command, payload, timeout_s)
                answer = self._wait_for_answer(time.monotonic() + timeout_s)
            except BaseException:
                # Ctrl-C above all: nothing of the child may go on, and the interrupt stays what it is.
                self.kill()
                raise
            if answer is None:
                raise self._died(command, oom_kills, log_start)
            if "timeout" in answer:
                raise self._timed_out(command, timeout_s, log_start)
        if "error" in answer:
            raise error_from_message(answer, what=self._what, command=command)
        result: dict[str, Any] = answer["result"]
        return result

    def kill(self) -> None:
        """End the child and everything it has started, at once."""
        if self._owner_pid != os.getpid():
            return  # a fork of the parent holds a copy of this object, not the child
        _kill_group(self._process)
        self._process.wait()

    def close(self) -> None:
        """Let the child go: closing its input ends it; what does not end, or still starts, is killed."""
        if self._owner_pid != os.getpid():
            return
        self._hang_up()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.0 if self._is_new else _GOODBYE_S)
        finally:
            self.kill()  # also what it has started, and also where the wait was interrupted
        self._reader.join(_GOODBYE_S)
        # The reader writes to the log by its number, which must not become another file's meanwhile. It outlives the
        # child only where something in a session of its own holds the output open.
        if not self._reader.is_alive():
            self._log.close()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, command: str, payload: dict[str, Any], timeout_s: float) -> None:
        message = {"command": command, "payload": payload, "timeout_s": timeout_s}
        stream = self._process.stdin
        data = memoryview(encode(message))
        # A child that is already dead is reported by what it left behind, not by the broken pipe.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while stream is not None and data:
                data = data[stream.write(data) :]

    def _wait_for_answer(self, deadline: float) -> dict[str, Any] | None:
        """Return the answer; None where the child died, ``{"timeout": True}`` where the time is over."""
        while True:
            stopping.check()
            left = deadline - time.monotonic()
            if left <= 0:
                return {"timeout": True}
            try:
                message = self._messages.get(timeout=min(left, _POLL_S))
            except queue.Empty:
                # Something the child started can hold its output open after it died.
                if self._process.poll() is None:
                    continue
                return None
            if message is None:
                return None
            if "event" in message:
                said = message["event"]
                latency_ms = said.pop("latency_ms")
                reading = None if latency_ms is None else progress.Reading(latency_ms=latency_ms)
                progress.emit_event(progress.Event(**said, reading=reading))
                continue
            return message

    def _died(self, command: str, oom_kills_before: int, log_start: int) -> EmbedlError:
        # Its output has ended but it may still be there (it closed the pipe): give it a moment to be done by itself.
        try:
            returncode = self._process.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            returncode = None
        self.kill()
        return death_error(
            what=self._what,
            command=command,
            returncode=self._process.returncode if returncode is None else returncode,
            log_tail=self._log.tail(since_bytes=log_start),
            log_path=self.log_path,
            oom_kills=num_oom_kills() - oom_kills_before,
        )

    def _timed_out(self, command: str, timeout_s: float, log_start: int) -> EmbedlError:
        self.kill()
        return RuntimeTimeoutError(
            f"{self._what} did not finish {command!r} within {timeout_s:g} s and was stopped",
            hint="give it more time, or try a smaller model",
            details=f"log: {self.log_path}\n{self._log.tail(since_bytes=log_start)}",
        )

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _forget_after_fork(self) -> None:
        """In a fork of the parent: let go of the child's pipes, so that it still notices the parent's end.

        The numbers stay taken (by nothing), because the file objects that own them will close them one day.
        """
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                os.dup2(nothing, stream.fileno(), inheritable=False)
        os.close(nothing)


def _start(module: str, log_fd: int, what: str, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    search_path = [str(Path(entry or ".").absolute()) for entry in sys.path]
    command = [sys.executable, "-P", "-c", _BOOTSTRAP, module, json.dumps(search_path)]
    environment = {**os.environ, **variables, "PYTHONFAULTHANDLER": "1", "PYTHONIOENCODING": "utf-8"}
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_fd,
            bufsize=0,
            env=environment,
            **options,
        )
    except OSError as err:
        if err.errno in (errno.ENOMEM, errno.EAGAIN):
            raise OutOfMemoryError(
                f"{what} could not be started: {err.strerror}", hint="close other programs or notebooks"
            ) from err
        raise BenchmarkError(f"{what} could not be started with {sys.executable!r}: {err}") from err


def _read_messages(stdout: IO[bytes], log_fd: int, messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    """Pass the child's messages on until its output ends; what is none of ours goes to the log."""
    pending = b""
    with contextlib.suppress(OSError, ValueError):  # closed under us: the parent is done with it
        while chunk := stdout.read(65536):
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                message = decode(line)
                if message is not None:
                    messages.put(message)
                elif line:
                    with contextlib.suppress(OSError):
                        os.write(log_fd, line + b"\n")
        os.write(log_fd, pending)  # last words without an end of line
    messages.put(None)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        tool = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "taskkill.exe"
        subprocess.run([str(tool), "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
        return
    # The leader's id stays the group's for as long as a member lives.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _forget_all_after_fork() -> None:
    for child in list(_living):
        child._forget_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all_after_fork)
