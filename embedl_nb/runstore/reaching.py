"""How a browser reaches a port that listens on this machine only: directly, through a hub, or through an SSH tunnel."""

from __future__ import annotations

import contextlib
import getpass
import os
from urllib.parse import urlsplit

from embedl_nb.imports import is_installed

__all__ = ["LOOPBACK", "link_lines", "trusted_names"]

LOOPBACK = "127.0.0.1"
_SSH_PORT = "22"
_THIS_MACHINE = ("localhost", "localhost:*", LOOPBACK, f"{LOOPBACK}:*")


def link_lines(port: int, path: str) -> tuple[str, ...]:
    """Return the link to ``path`` on ``port``, and what else is needed to follow it.

    Parameters
    ----------
    path
        Begins with ``/``.
    """
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    if prefix:
        return _through_the_hub(prefix, port, path)
    tunnel = _ssh_line(port)
    link = f"http://{LOOPBACK}:{port}{path}"
    return (f"run on your computer: {tunnel}", f"then open {link}") if tunnel else (link,)


def trusted_names() -> dict[str, str]:
    """Return MLflow's settings of the names under which its page is asked for, so that it answers through a hub.

    Where the hub does not say its address any name is taken: the port is open to this machine only, and the hub has
    asked for a login before it passes a request on. What the user has set stays.
    """
    if not os.environ.get("JUPYTERHUB_SERVICE_PREFIX"):
        return {}
    public = urlsplit(os.environ.get("JUPYTERHUB_PUBLIC_URL", ""))
    hosts = ",".join((*_THIS_MACHINE, public.netloc)) if public.netloc else "*"
    origins = f"{public.scheme}://{public.netloc}" if public.netloc else "*"
    wanted = {"MLFLOW_SERVER_ALLOWED_HOSTS": hosts, "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": origins}
    return {name: value for name, value in wanted.items() if not os.environ.get(name)}


def _through_the_hub(prefix: str, port: int, path: str) -> tuple[str, ...]:
    public = os.environ.get("JUPYTERHUB_PUBLIC_URL", "")
    link = f"{(public or prefix).rstrip('/')}/proxy/{port}{path}"
    lines = [link if public else f"at your hub's address: {link}"]
    if not is_installed("jupyter_server_proxy"):
        lines.append("the hub passes it on once it has jupyter-server-proxy: pip install jupyter-server-proxy")
    return tuple(lines)


def _ssh_line(port: int) -> str:
    """Return the command that brings the port to the computer of whoever is logged in, empty without a login."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    if len(words) != 4:
        return ""
    _, _, server, server_port = words
    user = ""
    with contextlib.suppress(Exception):  # no entry in the password file: KeyError, OSError or ImportError
        user = f"{getpass.getuser()}@"
    other_port = "" if server_port == _SSH_PORT else f" -p {server_port}"
    return f"ssh -N -L {port}:{LOOPBACK}:{port}{other_port} {user}{server}"
