"""A relay between a client and an adb server, as ``ssh -R`` is one: it can be cut at any byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Relay", "relay"]


class Relay:
    """Passes bytes on in both directions until it is cut; a cut relay takes no connection any more."""

    def __init__(self, port: int) -> None:
        self.num_bytes = 0
        self.cut_after: int | None = None
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        while self._threads:
            self._threads.pop().join()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            with self._lock:
                self._sockets |= {near, far}
            for source, target in ((near, far), (far, near)):
                thread = threading.Thread(target=self._pass_on, args=(source, target))
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 14):
                with self._lock:
                    self.num_bytes += len(piece)
                    is_over = self.cut_after is not None and self.num_bytes > self.cut_after
                if is_over:
                    self.cut()
                    break
                target.sendall(piece)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sockets.discard(source)
        source.close()


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    """Relay to a port of this machine until the block ends."""
    passing = Relay(port)
    try:
        yield passing
    finally:
        passing.close()
