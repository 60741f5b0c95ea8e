"""The kernel's side of the recorder: one thread that owns the child process and feeds it, one file at a time.

The kernel never waits for it, except where it asks a question. While something is measured the recorder does nothing:
what is under way is given a moment to end and is then stopped by a signal until the measurement is over. A recorder
that still starts would, stopped, outlive a kernel that is killed: it is ended instead, and started again afterwards.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from embedl_nb.errors import EmbedlError, RunStoreError, RuntimeCrashedError, RuntimeTimeoutError
from embedl_nb.runstore import spool
from embedl_nb.runstore.location import Store
from embedl_nb.runtime.process import Child

__all__ = ["Recorder", "recorder"]

_MODULE = "embedl_nb.runstore.recorder"
_REQUEST_S = 180.0
_IDLE_S = 300.0
_GRACE_S = 1.0  # a run takes some 50 ms; what takes longer is a start or a slow server
_QUIET_S = 0.5  # a step that follows at once, such as a measurement, comes before the recorder's start
_NUM_TRIES = 2
# The child keeps the environment it was started with; a change of these means another login. The URI travels by itself.
_LOGIN_PREFIXES = ("MLFLOW_", "DATABRICKS_", "AWS_", "AZURE_", "GOOGLE_")
_NO_LOGIN = "MLFLOW_TRACKING_URI"


class Recorder:
    """Feeds the waiting files of one store to the recorder, in the background."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._questions: deque[Callable[[], None]] = deque()
        self._store: Store | None = None
        self._folder: Path | None = None
        self._due_at: float | None = None
        self._tries: dict[Path, int] = {}
        self._problems: list[EmbedlError] = []
        self._is_busy = False
        self._is_closed = False
        self._num_pauses = 0
        self._is_stopped = False
        self._was_stopped = False
        self._child: Child | None = None
        self._child_has_begun = False
        self._login: dict[str, str] = {}

    def wake(self, store: Store, *, after_s: float = _QUIET_S) -> None:
        """Have the files that wait for ``store`` recorded; returns at once."""
        folder = spool.folder()
        with self._changed:
            self._store, self._folder = store, folder
            self._tries.clear()
            self._due_at = time.monotonic() + after_s
            self._start_thread()
            self._changed.notify_all()

    def ask(self, command: str, payload: dict[str, Any], *, timeout_s: float = _REQUEST_S) -> dict[str, Any]:
        """Ask the recorder and wait; goes before the waiting files.

        Raises
        ------
        EmbedlError
            What the recorder raised, or how it died.
        """
        answer: Future[dict[str, Any]] = Future()

        def question() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(self._request(command, payload, timeout_s))
                except BaseException as err:
                    answer.set_exception(err)

        with self._changed:
            self._questions.append(question)
            self._start_thread()
            self._changed.notify_all()
        try:
            return answer.result(timeout_s)
        except TimeoutError as err:
            answer.cancel()
            raise RunStoreError(f"the recorder did not answer within {timeout_s:g} s", hint="try again") from err

    def wait(self, timeout_s: float, *, drained: bool) -> bool:
        """Wait until nothing is being recorded, or with ``drained`` until nothing is left that can be."""

        def is_quiet() -> bool:
            return not self._is_busy and not (drained and self._due_at is not None)

        with self._changed:
            return self._changed.wait_for(is_quiet, timeout_s)

    @contextlib.contextmanager
    def pausing(self) -> Iterator[None]:
        """Keep the recorder from working until the block ends."""
        with self._changed:
            self._num_pauses += 1
            if not self._changed.wait_for(lambda: not self._is_busy or self._is_stopped, _GRACE_S):
                self._is_stopped = self._was_stopped = True
                if self._child_has_begun:
                    self._signal("SIGSTOP")
                elif self._child is not None:
                    self._child.kill()
        try:
            yield
        finally:
            with self._changed:
                self._num_pauses -= 1
                if self._num_pauses == 0:
                    if self._is_stopped:
                        self._signal("SIGCONT")
                        self._is_stopped = False
                    self._changed.notify_all()

    @property
    def has_work(self) -> bool:
        """Whether something is being recorded, or is about to be."""
        with self._changed:
            return self._is_busy or self._due_at is not None

    def problems(self) -> list[EmbedlError]:
        """Return what went wrong since the last call."""
        with self._changed:
            found, self._problems = self._problems, []
        return found

    def close(self) -> None:
        """End the child; what waits stays in its files."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            child = self._child
            if child is not None and self._is_busy:
                child.kill()
        if child is not None:
            child.close()

    def _start_thread(self) -> None:
        if self._thread is None:
            atexit.register(self.close)
        if self._thread is None or not self._thread.is_alive():  # the spool's disk may have gone under it
            self._thread = threading.Thread(target=self._work, name="embedl_nb recorder", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (task := self._next_task()) is not None:
            try:
                task()
            finally:
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()

    def _next_task(self) -> Callable[[], None] | None:
        """Wait for something to do, and mark the recorder busy with it; None once it is closed."""
        idle_until = time.monotonic() + _IDLE_S
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                task = self._pick(now) if self._num_pauses == 0 else None
                if task is not None:
                    self._is_busy = True
                    return task
                if now >= idle_until and self._child is not None:
                    self._is_busy = True
                    return self._let_child_go
                wake_at = idle_until if self._child is not None else now + _IDLE_S
                if self._due_at is not None and self._num_pauses == 0:
                    wake_at = min(wake_at, self._due_at)
                self._changed.wait(max(0.0, wake_at - now))
        return None

    def _pick(self, now: float) -> Callable[[], None] | None:
        if self._questions:
            return self._questions.popleft()
        if self._store is None or self._due_at is None or now < self._due_at:
            return None
        store = self._store
        for path in spool.paths(store.fingerprint, within=self._folder):
            if self._tries.get(path, 0) < _NUM_TRIES:
                self._tries[path] = self._tries.get(path, 0) + 1
                self._was_stopped = False
                return lambda: self._record(path, store)
        self._due_at = None
        self._changed.notify_all()
        return None

    def _record(self, path: Path, store: Store) -> None:
        try:
            answer = self._request("record", {"path": str(path), "store": store.to_json()}, _REQUEST_S)
        except (RuntimeCrashedError, RuntimeTimeoutError) as err:
            if self._was_stopped:  # it was ended for a measurement, or its time ran out meanwhile
                self._tries.pop(path, None)
            elif isinstance(err, RuntimeCrashedError):
                self._note(err)  # killed by somebody or by this very file: once more, then the next one
            else:
                self._give_up(err)
        except Exception as err:
            self._give_up(err if isinstance(err, EmbedlError) else _failed(path, err))
        else:
            self._after(path, answer)

    def _after(self, path: Path, answer: dict[str, Any]) -> None:
        if answer["status"] == "recorded":
            with self._changed:
                self._tries.pop(path, None)
                self._problems = [err for err in self._problems if not isinstance(err, RuntimeCrashedError)]
        elif answer["status"] == "damaged":
            self._note(RunStoreError(answer["reason"], hint=f"it was set aside as {answer['moved_to']}"))
        elif answer["status"] == "skipped":
            self._tries[path] = _NUM_TRIES
            self._note(RunStoreError(answer["reason"]))

    def _give_up(self, err: EmbedlError) -> None:
        """Leave the files for the next call: what the store has against one it has against the others, for now."""
        self._note(err)
        with self._changed:
            self._due_at = None

    def _note(self, err: EmbedlError) -> None:
        with self._changed:
            self._problems.append(err)

    def _request(self, command: str, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        login = {
            name: value for name, value in os.environ.items() if name.startswith(_LOGIN_PREFIXES) and name != _NO_LOGIN
        }
        if self._child is not None and (login != self._login or not self._child.is_alive):
            self._let_child_go()
        child = self._child
        if child is None:
            self._login = login
            child = self._start_child()
        return child.request(command, payload, timeout_s=timeout_s)

    def _start_child(self) -> Child:
        child = Child(_MODULE, what="the recorder")
        with self._changed:
            self._child = child
            if self._is_stopped:  # too late to be stopped, and nothing was asked of it yet
                child.kill()
        child.request("begin", {}, timeout_s=_REQUEST_S)
        self._child_has_begun = True
        return child

    def _let_child_go(self) -> None:
        child, self._child, self._child_has_begun = self._child, None, False
        if child is not None:
            child.close()

    def _signal(self, name: str) -> None:
        child, number = self._child, getattr(signal, name, None)
        if child is not None and number is not None and child.is_alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, number)


def _failed(path: Path, err: Exception) -> RunStoreError:
    what = f"the recorder failed on {path.name}: {type(err).__name__}: {err}"
    return RunStoreError(what, hint="the result stays in its file; embedl_nb.runs() has it tried again")


_recorder = Recorder()


def recorder() -> Recorder:
    """Return this process's recorder."""
    return _recorder


def _after_fork() -> None:
    global _recorder  # the thread and the child belong to the parent
    _recorder = Recorder()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
