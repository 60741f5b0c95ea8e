"""JupyterLab in a real Chromium: a server with a token on a free port, a page that knows what went wrong in it.

Every wait is for a condition. A page collects its console errors and the requests that left this machine, and fails if
there were any. Screenshots go to the test's temporary folder, or to ``EMBEDL_NB_SCREENSHOTS`` where that is set, which
is how the pictures in docs/images are renewed.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

_HOW_TO_INSTALL = "apt-get install chromium, or point EMBEDL_NB_CHROMIUM at a Chromium or Chrome binary"
_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_CHROMIUM_ARGS = (
    "--no-sandbox",  # CI runs as root, where Chromium's sandbox cannot start
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
# A path of several parts, as a hub and its proxies have it: whatever takes the server for the root of its host fails.
_BASE_URL = "/user/someone/proxy/"
# Machines are shared: a generous limit costs nothing when the condition holds at once.
_PATIENCE_MS = 120_000
# A kernel is there in five seconds, or never: ipykernel 7 can lose the front end's first question (ipykernel#1554).
_KERNEL_START_MS = 40_000

# Console errors that say nothing about embedl_nb, each with its reason.
_HARMLESS_ERRORS: dict[str, str] = {
    "Could not restore the debugger state": "JupyterLab's question to a kernel that is being restarted",
}

_LAB_SETTINGS: dict[str, dict[str, object]] = {
    # No question about news, no look-up of newer versions: both would cover the notebook or leave the machine.
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    # Every cell stays in the document, so that what is counted is what was drawn.
    "notebook-extension/tracker": {"windowingMode": "none"},
}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a skipped browser test into a failure in CI, where it would hide that nothing was looked at."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI", "").lower() in {"1", "true"}:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not accept: {report.longrepr}"


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Return the path of a Chromium, or skip with the way to get one."""
    named = os.environ.get("EMBEDL_NB_CHROMIUM")
    path = named or next(filter(None, map(shutil.which, _CHROMIUM_NAMES)), None)
    if path is None:
        pytest.skip(f"no Chromium on the PATH: {_HOW_TO_INSTALL}")
    if not Path(path).is_file():
        pytest.skip(f"EMBEDL_NB_CHROMIUM={path!r} is no file: {_HOW_TO_INSTALL}")
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Any]:
    """Start Chromium for one file of tests.

    While Playwright's synchronous interface is open, its event loop counts as running, which would break whatever other
    tests do with asyncio or a fork; so it is closed before the next file begins.
    """
    # Imported here, so that a machine without a browser can still collect and skip these tests.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=list(_CHROMIUM_ARGS))
        yield chromium
        chromium.close()


class LabServer:
    """A JupyterLab of the tests' own: no settings, extensions or kernels of the user's."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        self.token = secrets.token_hex(16)
        self._runtime = folder / "jupyter_runtime"
        self._log_path = folder / "jupyterlab.log"
        self._settings = folder / "lab_settings"
        self._write_settings()
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=self._environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = self._wait_for_url()

    def _write_settings(self) -> None:
        for plugin, values in _LAB_SETTINGS.items():
            path = self._settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), encoding="utf-8")

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0"),
            f"--ServerApp.root_dir={self.notebooks}",
            f"--ServerApp.base_url={_BASE_URL}",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None",
        ]

    def _environment(self, folder: Path) -> dict[str, str]:
        own = {
            "HOME": folder / "home",
            "IPYTHONDIR": folder / "ipython",
            "JUPYTER_CONFIG_DIR": folder / "jupyter_config",
            "JUPYTER_DATA_DIR": folder / "jupyter_data",
            "JUPYTER_RUNTIME_DIR": self._runtime,
            "JUPYTERLAB_SETTINGS_DIR": self._settings,
            "JUPYTERLAB_WORKSPACES_DIR": folder / "lab_workspaces",
        }
        own["HOME"].mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
        return inherited | {name: str(path) for name, path in own.items()}

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + _PATIENCE_MS / 1000
        info = self._runtime / f"jpserver-{self._process.pid}.json"
        # The server writes this file once it listens; it is the only place where the port it was given can be read.
        while not info.exists() or not info.read_text(encoding="utf-8").rstrip().endswith("}"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                pytest.fail(f"JupyterLab did not start:\n{self.log_tail}")
            _pause()
        return str(json.loads(info.read_text(encoding="utf-8"))["url"])

    @property
    def log_tail(self) -> str:
        """The last of what the server wrote."""
        return self._log_path.read_text(errors="replace")[-4000:]

    def close(self) -> None:
        """End the server and its kernels."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def _pause() -> None:
    """Yield the processor between two looks at a file, which has no event to wait for."""
    time.sleep(0.05)


class LabPage:
    """One notebook in JupyterLab, and what went wrong while it was open."""

    harmless: ClassVar[dict[str, str]] = _HARMLESS_ERRORS

    def __init__(self, page: Any, server: LabServer, screenshots: Path) -> None:
        self.page = page
        self.console_errors: list[str] = []
        self.requests_elsewhere: list[str] = []
        self._server = server
        self._screenshots = screenshots
        page.set_default_timeout(_PATIENCE_MS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._note(str(error), ""))
        page.context.on("request", self._on_request)

    def _on_console(self, message: Any) -> None:
        if message.type == "error":
            self._note(message.text, f" ({message.location.get('url', '')})")

    def _note(self, error: str, place: str) -> None:
        if not any(known in error for known in self.harmless):
            self.console_errors.append(f"{error}{place}")

    def _on_request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
            self.requests_elsewhere.append(request.url)

    def open(self, name: str, *, kernel_start_ms: float) -> None:
        """Open the notebook ``name`` and wait until its kernel is ready."""
        from playwright.sync_api import TimeoutError as WaitedInVain

        try:
            self._go_to(name)
            self._wait_for_kernel("idle", timeout_ms=kernel_start_ms)
        except WaitedInVain as err:
            # Nothing of this project is loaded yet: start it again as its user would, and say so.
            warnings.warn(f"a kernel that did not start was replaced: {err}\n{self._server.log_tail}", stacklevel=2)
            self.shut_down()
            self.console_errors.clear()
            self._go_to(name)
            self._wait_for_kernel("idle")
        self._make_room()

    def again(self, name: str) -> LabPage:
        """Open the notebook ``name`` in one more tab, as it is saved; what goes wrong there counts here."""
        other = type(self)(self.page.context.new_page(), self._server, self._screenshots)
        other.console_errors = self.console_errors
        other._go_to(name)
        other._wait_for_kernel("idle")
        other._make_room()
        return other

    def save(self) -> None:
        """Save the notebook, and wait until it is."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")

    def _make_room(self) -> None:
        self.page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")

    def _go_to(self, name: str) -> None:
        # A workspace of its own, or JupyterLab would bring back what the page before had open.
        workspace = secrets.token_hex(4)
        self.page.goto(f"{self._server.url}lab/workspaces/{workspace}/tree/{name}?token={self._server.token}")
        self.page.locator(".jp-NotebookPanel:visible .jp-Cell").first.wait_for()

    def shut_down(self) -> None:
        """End the notebook's kernel."""
        self.page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")

    def _wait_for_kernel(self, status: str, *, timeout_ms: float = _PATIENCE_MS) -> None:
        self.page.wait_for_function(
            "status => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === status",
            arg=status,
            timeout=timeout_ms,
        )

    def run_all(self, *, timeout_s: float) -> None:
        """Choose Run > Run All Cells, and wait until every code cell has been run and the kernel rests."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => cell.model.type === "code")
                .every(cell => cell.model.executionCount !== null)""",
            timeout=timeout_s * 1000,
        )
        self._wait_for_kernel("idle", timeout_ms=timeout_s * 1000)

    def add_cell(self, source: str = "") -> Any:
        """Append a code cell, type ``source`` into it and return it, in edit mode."""
        self.page.evaluate("""async () => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = notebook.widgets.length - 1;
            await window.jupyterapp.commands.execute("notebook:insert-cell-below");
            await window.jupyterapp.commands.execute("notebook:enter-edit-mode");
        }""")
        cell = self.page.locator(".jp-Notebook .jp-Cell.jp-mod-active")
        cell.locator(".cm-content").click()
        self.page.keyboard.type(source)
        return cell

    def run_cell(self, source: str) -> Any:
        """Append a code cell with ``source``, run it with the keyboard and return it when it is done."""
        cell = self.add_cell(source)
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function("""() => {
            const model = window.jupyterapp.shell.currentWidget.content.activeCell.model;
            return model.executionCount !== null;
        }""")
        return cell

    def hover_longest_layer(self) -> dict[str, Any]:
        """Move the mouse to the longest layer of the waterfall; return its name and the label shown."""
        target = self.page.evaluate("""() => {
            const figure = document.querySelector(".js-plotly-plot");
            const bars = [...figure.querySelectorAll(".barlayer .trace:first-child .point path")];
            const widths = bars.map(bar => bar.getBoundingClientRect().width);
            const place = widths.indexOf(Math.max(...widths));
            bars[place].scrollIntoView({block: "center"});
            const box = bars[place].getBoundingClientRect();
            return {x: box.x + box.width / 2, y: box.y + box.height / 2, layer: figure.data[0].customdata[place][2]};
        }""")
        self.page.mouse.move(target["x"] - 3, target["y"])
        self.page.mouse.move(target["x"], target["y"])
        # One label for the whole row is drawn as a legend, one for a bar as a hover text.
        label = self.page.locator(".js-plotly-plot .hoverlayer").locator(".legend, .hovertext").first
        label.wait_for()
        return {"layer": target["layer"], "text": label.text_content()}

    @property
    def completer(self) -> Any:
        """The list that Tab opens."""
        return self.page.locator(".jp-Completer:visible")

    def cell_with(self, source: str) -> Any:
        """Return the first cell whose source contains ``source``."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").filter(has_text=source).first

    def scroll_to(self, locator: Any) -> None:
        """Bring the top of ``locator`` to the top of the notebook."""
        locator.evaluate("node => node.scrollIntoView({block: 'start'})")

    def delete_cell(self) -> None:
        """Delete the active cell."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:delete-cell')")

    def use_theme(self, name: str) -> None:
        """Change JupyterLab's theme and wait until the page has it."""
        self.page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name)

    def text_errors(self) -> list[str]:
        """Return the error outputs that cells show."""
        return [output.inner_text() for output in self.page.locator('[data-mime-type*="error"]').all()]

    def screenshot(self, name: str, locator: Any = None) -> Path:
        """Save what is seen as ``name``.png."""
        path = self._screenshots / f"{name}.png"
        (locator or self.page).screenshot(path=str(path))
        return path


class NotebookPage(LabPage):
    """The same in Notebook 7, which the same server has."""

    harmless: ClassVar[dict[str, str]] = {
        **_HARMLESS_ERRORS,
        "(reading 'schema')": "Notebook's own, of a setting that JupyterLab has and it has not",
    }

    def _make_room(self) -> None:
        """Leave it as it is: nothing is beside the notebook."""

    def _go_to(self, name: str) -> None:
        self.page.goto(f"{self._server.url}notebooks/{name}?token={self._server.token}")
        self.page.locator(".jp-NotebookPanel:visible .jp-Cell").first.wait_for()


@pytest.fixture(scope="module")
def one_page(browser: Any) -> Iterator[Any]:
    """Open the page that the tests of widgets in one file share, because opening one takes long."""
    page = browser.new_page(viewport={"width": 1100, "height": 760})
    yield page
    page.close()


@pytest.fixture
def show(one_page: Any) -> Iterator[Callable[..., Any]]:
    """Return ``show(widget)``, which fills a plain page with it; at the end there must have been no error in it."""
    errors: list[str] = []

    def on_console(message: Any) -> None:
        if message.type == "error":
            errors.append(message.text)

    def on_error(error: Any) -> None:
        errors.append(str(error))

    def shown(widget: Any, **options: Any) -> Any:
        from embedl_nb.testing.widget_page import widget_page

        one_page.set_viewport_size({"width": 1100, "height": 760})
        one_page.set_content(widget_page(widget, **options))
        one_page.locator("body[data-is-ready]").wait_for()
        return one_page

    one_page.on("console", on_console)
    one_page.on("pageerror", on_error)
    yield shown
    one_page.remove_listener("console", on_console)
    one_page.remove_listener("pageerror", on_error)
    assert errors == []


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """Start JupyterLab once for the session."""
    server = LabServer(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def open_notebook(browser: Any, lab_server: LabServer, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return ``open_notebook(path, size=...)``, a context manager that yields a :class:`LabPage`.

    ``front_end=NotebookPage`` opens it in Notebook 7. The notebook is copied first. At the end of the block there must
    have been no console error and no request that left this machine.
    """
    screenshots = Path(os.environ.get("EMBEDL_NB_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots")).resolve()

    @contextmanager
    def opened(
        path: Path,
        *,
        size: tuple[int, int] = (1280, 1000),
        kernel_start_ms: float = _KERNEL_START_MS,
        front_end: type[LabPage] = LabPage,
    ) -> Iterator[LabPage]:
        shutil.copy(path, lab_server.notebooks / path.name)
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        try:
            lab = front_end(context.new_page(), lab_server, screenshots)
            lab.open(path.name, kernel_start_ms=kernel_start_ms)
            yield lab
            assert lab.console_errors == []
            assert lab.requests_elsewhere == []
            lab.shut_down()
        finally:
            context.close()

    return opened
