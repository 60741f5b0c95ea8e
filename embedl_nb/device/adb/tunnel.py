"""When the phone hangs on another computer than the one this program runs on: how that is seen, and the way to it."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import sys
from pathlib import Path

__all__ = ["place_of_this_program", "tunnel_command"]

_PHONE_SIDE = "127.0.0.1:5037"
_FIRST_PORT, _NUM_PORTS = 5038, 20
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def place_of_this_program() -> str:
    """Return what kind of machine this is, where that is none to plug a phone into; empty for a computer on a desk."""
    if "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules:
        return "Colab"
    if "JUPYTERHUB_USER" in os.environ:
        return "a server of JupyterHub"
    if any(mark.exists() for mark in _CONTAINER_MARKS) or "KUBERNETES_SERVICE_HOST" in os.environ:
        return "a container"
    if "microsoft" in platform.release().lower():
        return "WSL"
    return "a server, reached over ssh" if "SSH_CONNECTION" in os.environ else ""


def tunnel_command(port: int | None = None) -> tuple[str, int]:
    """Return what to run at the computer with the phone, and the port here at which its adb server then is.

    The usual port stays free of it: an adb of this machine may want it.
    """
    port = port or next((each for each in range(_FIRST_PORT, _FIRST_PORT + _NUM_PORTS) if _is_free(each)), _FIRST_PORT)
    return f"ssh -R 127.0.0.1:{port}:{_PHONE_SIDE} {_login()}", port


def _login() -> str:
    """Return how one logs in here, as far as this machine can know it."""
    if place_of_this_program() not in ("WSL", "a server, reached over ssh"):
        return "USER@HOST"
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a user without a name
        return f"USER@{socket.gethostname()}"


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
