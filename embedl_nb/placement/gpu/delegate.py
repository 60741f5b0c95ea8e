"""The child that asks LiteRT's GPU delegate, and the next one where it has died: a crash is a reply like others."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from embedl_nb.errors import OutOfMemoryError, RuntimeCrashedError, RuntimeTimeoutError
from embedl_nb.placement.gpu.drivers import Driver
from embedl_nb.runtime.process import Child

__all__ = ["Delegate", "Reply"]

_WORKER, _WHO = "embedl_nb.runtime.gpu_worker", "LiteRT's GPU delegate"
# Of the time there is, what the whole model may take: the rest is for its operators one by one.
_SHARE_OF_WHOLE = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of a model that was asked about.

    Attributes
    ----------
    is_compiled
        For the GPU, with what help was allowed.
    is_whole
        Whether the CPU keeps nothing of it.
    error
        Why it was not compiled, in our words.
    log
        All that was said meanwhile.
    is_late
        Whether it took too long, and the child was stopped.
    """

    is_compiled: bool = False
    is_whole: bool = False
    error: str = ""
    log: str = ""
    is_late: bool = False


class Delegate:
    """LiteRT's GPU delegate on a driver.

    Parameters
    ----------
    driver
        To use.
    folder
        For files that live as long as this.
    deadline
        On the monotonic clock; what is asked later than that fails.
    """

    def __init__(self, driver: Driver, folder: Path, *, deadline: float) -> None:
        self._driver, self._folder, self._deadline = driver, folder, deadline
        self._child: Child | None = None
        self.log_path: Path | None = None
        """Of the child that was asked about the whole model."""
        self.has_died = False
        """Whether a child has died of what it was asked."""

    def ask_whole(self, path: Path) -> Reply:
        """Ask about a model, with the CPU's help."""
        return self._ask({"model_path": str(path), "with_cpu": True}, timeout_s=_SHARE_OF_WHOLE * self._left())

    def ask_alone(self, path: Path) -> Reply:
        """Ask about a model of one operator, which the GPU takes as a whole or not at all."""
        return self._ask({"model_path": str(path), "with_cpu": False}, timeout_s=self._left())

    def compare(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run a model with the GPU and on the CPU.

        Raises
        ------
        EmbedlError
            If either cannot.
        """
        child = self._started()
        try:
            return child.request("compare", request, timeout_s=self._left())
        finally:
            self.has_died |= not child.is_alive

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def __enter__(self) -> Delegate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: dict[str, Any], *, timeout_s: float) -> Reply:
        child = self._started()
        try:
            return Reply(**child.request("ask", request, timeout_s=timeout_s))
        except (RuntimeCrashedError, OutOfMemoryError, RuntimeTimeoutError) as err:
            self._bury(child)
            return Reply(error=err.message, is_late=isinstance(err, RuntimeTimeoutError))

    def _bury(self, child: Child) -> None:
        """End a child that died of its question. Its log goes with it, which is one of hundreds, but for the first."""
        self.close()
        self.has_died = True
        if child.log_path != self.log_path:
            with contextlib.suppress(OSError):
                child.log_path.unlink(missing_ok=True)

    def _started(self) -> Child:
        if self._child is None:
            # The driver wants such a folder; a container has none.
            runtime_dir = os.environ.get("XDG_RUNTIME_DIR") or str(self._folder)
            environment = self._driver.environment | {"XDG_RUNTIME_DIR": runtime_dir}
            self._child = Child(_WORKER, what=_WHO, environment=environment)
            self.log_path = self.log_path or self._child.log_path
            loader = str(self._driver.loader or "")
            self._child.request("load", {"vulkan_loader": loader}, timeout_s=self._left())
        return self._child

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise RuntimeTimeoutError(
                f"{_WHO} did not answer in the time it was given", hint="give timeout_s more time"
            )
        return left
