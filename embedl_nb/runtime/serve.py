"""The child's side: read requests, run their handlers, answer; and end when the parent does.

The protocol gets a private copy of file descriptor 1, and 1 is pointed at the log, so that native code may print what
it likes. Requests are read by a thread, which also notices the parent's end while a handler is busy.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from embedl_nb import progress
from embedl_nb.runtime.wire import decode, encode, error_to_message

__all__ = ["Handler", "serve"]

Handler = Callable[[dict[str, Any]], dict[str, Any]]

_FIRST_TO_GO = 1000
_GRACE_S = 30.0
_LONGEST_S = 10 * 24 * 3600.0  # for a parent that sets no limit


def serve(handlers: dict[str, Handler]) -> NoReturn:
    """Answer requests with ``handlers`` (by command) until the parent closes this process's input.

    Handlers run in the main thread, one at a time. What they emit through :mod:`embedl_nb.progress` reaches the parent,
    and so do the exceptions they raise.
    """
    _be_first_to_go()
    answers = _take_over_stdout()
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()

    def send(line: bytes) -> None:
        data = memoryview(line)
        while data:
            data = data[os.write(answers, data) :]

    def tell(event: progress.Event) -> None:
        said = {"stage": event.stage, "message": event.message, "done": event.done, "total": event.total}
        latency_ms = event.reading.latency_ms if event.reading is not None else None
        send(encode({"event": {**said, "latency_ms": latency_ms}}))

    with progress.listening(tell):
        while True:
            request = requests.get()
            # Native code that hangs while it holds the interpreter's lock would also stop the reading thread.
            faulthandler.dump_traceback_later(min(request["timeout_s"], _LONGEST_S) + _GRACE_S, exit=True)
            send(_answer(handlers, request))
            faulthandler.cancel_dump_traceback_later()


def _answer(handlers: dict[str, Handler], request: dict[str, Any]) -> bytes:
    try:
        return encode({"result": handlers[request["command"]](request["payload"])})
    except Exception as err:
        return encode(error_to_message(err))


def _read_requests(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    pending = b""
    while chunk := os.read(0, 65536):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            message = decode(line)
            if message is not None:
                requests.put(message)
    _leave()


def _leave() -> NoReturn:
    """End this process and what it has started; the parent is gone or has hung up."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def _take_over_stdout() -> int:
    """Return a private descriptor for answers, and send everybody else's output to the log."""
    answers = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = _log_text()
    sys.stderr = _log_text()
    return answers


class _LogStream(io.RawIOBase):
    """Standard error as a stream that cannot fail: a full disk costs the log's lines, not the work."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def write(self, data: Any, /) -> int:
        with contextlib.suppress(OSError):
            os.write(2, data)
        return len(data)


def _log_text() -> io.TextIOWrapper:
    return io.TextIOWrapper(_LogStream(), encoding="utf-8", errors="replace", write_through=True)  # type: ignore[arg-type]  # a raw stream will do


def _be_first_to_go() -> None:
    """When memory is short the system shall end this process, not the user's kernel."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO))
