"""A real IPython shell that raises what a cell raises, so that a test sees the error and not a printed traceback."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("IPython", reason="magics need IPython: pip install 'embedl-nb[notebook]'")

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import embedl_nb
from embedl_nb.errors import MissingDependencyError
from embedl_nb.magics.line import MAGICS

with suppress(MissingDependencyError):
    import embedl_nb.widgets  # takes functions of the pipeline, before any test puts others in their place


class RaisingShell(InteractiveShell):
    """Runs cells as a notebook does, and raises their errors."""

    def value(self, cell: str) -> Any:
        """Run ``cell`` and return the value of its last line."""
        result = self.run_cell(cell)
        result.raise_error()
        return result.result

    def completions(self, line: str) -> list[str]:
        """Return what Tab offers at the end of ``line``."""
        _, offered = self.Completer.complete(line_buffer=line, cursor_pos=len(line))
        return list(offered)


@pytest.fixture(scope="session")
def one_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RaisingShell]:
    """Start the shell that the tests share, because starting one takes long."""
    config = Config()
    config.HistoryManager.enabled = False
    config.Completer.use_jedi = False
    config.ProfileDir.location = str(tmp_path_factory.mktemp("ipython"))
    RaisingShell.clear_instance()
    shell = RaisingShell.instance(config=config)
    yield shell
    atexit.unregister(shell.atexit_operations)  # done here, not once more at the end
    shell.atexit_operations()
    RaisingShell.clear_instance()


@pytest.fixture
def bare_shell(one_shell: RaisingShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RaisingShell]:
    """Return a shell without the extension and without variables, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    variables = dict(one_shell.user_ns)
    yield one_shell
    one_shell.extension_manager.unload_extension("embedl_nb")
    embedl_nb.unload_ipython_extension(one_shell)
    for name in MAGICS:
        one_shell.magics_manager.magics["line"].pop(name, None)
    one_shell.config.pop("EmbedlMagics", None)  # where IPython keeps what %config has set
    one_shell.user_ns.clear()  # reset() collects garbage and takes a second
    one_shell.user_ns.update(variables)


@pytest.fixture
def shell(bare_shell: RaisingShell) -> RaisingShell:
    """Return a shell with the extension loaded."""
    bare_shell.extension_manager.load_extension("embedl_nb")
    return bare_shell
