"""A child that misbehaves on request, for the tests of the machinery around real ones."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from embedl_nb import progress
from embedl_nb.errors import UnknownNameError
from embedl_nb.runtime.serve import Handler, serve

sys.stdout.write("printed before the protocol begins\n")


def echo(payload: dict[str, Any]) -> dict[str, Any]:
    return payload


def chatter(payload: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.write("python on stdout\n")
    sys.stderr.write("python on stderr\n")
    os.write(1, b'native on fd 1, unfinished {"result":')
    os.write(2, b"native on fd 2, unfinished")
    subprocess.run([sys.executable, "-c", "print('a grandchild on stdout')"], check=True)
    return payload


def advance(payload: dict[str, Any]) -> dict[str, Any]:
    for done in range(3):
        progress.emit("step", f"number {done}", done=done, total=3)
    return {}


def refuse(payload: dict[str, Any]) -> dict[str, Any]:
    raise UnknownNameError.among("colour", "gren", ["green", "red"])


def stumble(payload: dict[str, Any]) -> dict[str, Any]:
    return {"quotient": 1 / payload["divisor"]}


def unsendable(payload: dict[str, Any]) -> dict[str, Any]:
    return {"value": object()}


def die_by_signal(payload: dict[str, Any]) -> dict[str, Any]:
    os.write(2, b"last words\n")
    signal.raise_signal(payload["signal"])  # to this thread, not to whichever takes it
    return {}


def read_null(payload: dict[str, Any]) -> dict[str, Any]:
    return {"text": str(ctypes.string_at(0))}


def leave(payload: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.write("cannot go on\n")
    os._exit(payload["code"])


def hang(payload: dict[str, Any]) -> dict[str, Any]:
    progress.emit("hanging")
    time.sleep(600)
    return {}


def hang_with_family(payload: dict[str, Any]) -> dict[str, Any]:
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    progress.emit("hanging", str(grandchild.pid))
    time.sleep(600)
    return {}


def eat_memory(payload: dict[str, Any]) -> dict[str, Any]:
    limit = 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return {"length": len(bytearray(4 * limit))}


def abort_for_want_of_memory(payload: dict[str, Any]) -> dict[str, Any]:
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
    os.abort()  # to this thread: what is sent to the process may be taken by another one, after the answer


def describe(payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "group": os.getpgrp(),
        "oom_score_adj": int(Path("/proc/self/oom_score_adj").read_text()),
    }


HANDLERS: dict[str, Handler] = {
    handler.__name__: handler
    for handler in (
        echo,
        chatter,
        advance,
        refuse,
        stumble,
        unsendable,
        die_by_signal,
        read_null,
        leave,
        hang,
        hang_with_family,
        eat_memory,
        abort_for_want_of_memory,
        describe,
    )
}

if __name__ == "__main__":
    serve(HANDLERS)
