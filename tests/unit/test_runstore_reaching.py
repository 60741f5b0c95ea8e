"""How the page of runs is reached: the link on this machine, on a hub, and over SSH."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from embedl_nb.runstore import reaching
from embedl_nb.runstore.reaching import link_lines, trusted_names


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Be neither on a hub nor logged in over SSH; return what sets a variable."""
    for name in (
        "JUPYTERHUB_SERVICE_PREFIX",
        "JUPYTERHUB_PUBLIC_URL",
        "SSH_CONNECTION",
        "MLFLOW_SERVER_ALLOWED_HOSTS",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(reaching.getpass, "getuser", lambda: "ada")
    monkeypatch.setattr(reaching, "is_installed", lambda _name: True)
    return monkeypatch.setenv


def test_at_home_the_link_is_enough() -> None:
    assert link_lines(5000, "/#/x") == ("http://127.0.0.1:5000/#/x",)
    assert trusted_names() == {}


@pytest.mark.parametrize(("port", "option"), [("22", ""), ("2222", " -p 2222")])
def test_over_ssh_the_command_for_the_tunnel_is_said(port: str, option: str, nowhere: Callable[..., None]) -> None:
    nowhere("SSH_CONNECTION", f"10.0.0.5 51234 10.0.0.9 {port}")
    assert link_lines(5000, "/") == (
        f"run on your computer: ssh -N -L 5000:127.0.0.1:5000{option} ada@10.0.0.9",
        "then open http://127.0.0.1:5000/",
    )


@pytest.mark.parametrize("value", ["", "garbage", "a b c d e"])
def test_what_is_no_ssh_login_gives_no_command(value: str, nowhere: Callable[..., None]) -> None:
    nowhere("SSH_CONNECTION", value)
    assert len(link_lines(5000, "/")) == 1


def test_on_a_hub_the_link_leads_through_its_proxy(nowhere: Callable[..., None]) -> None:
    nowhere("SSH_CONNECTION", "10.0.0.5 51234 10.0.0.9 22")  # of whoever started the hub
    nowhere("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert link_lines(5000, "/#/x") == ("at your hub's address: /user/ada/proxy/5000/#/x",)
    assert trusted_names() == {"MLFLOW_SERVER_ALLOWED_HOSTS": "*", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "*"}


def test_a_hub_that_knows_its_address_is_the_only_one_answered(nowhere: Callable[..., None]) -> None:
    nowhere("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    nowhere("JUPYTERHUB_PUBLIC_URL", "https://hub.example:8443/user/ada/")
    assert link_lines(5000, "/#/x") == ("https://hub.example:8443/user/ada/proxy/5000/#/x",)
    names = trusted_names()
    assert names["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")[-1] == "hub.example:8443"
    assert "*" not in names["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert names["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == "https://hub.example:8443"


def test_a_proxy_that_is_missing_is_said(nowhere: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    monkeypatch.setattr(reaching, "is_installed", lambda _name: False)
    assert "pip install jupyter-server-proxy" in link_lines(5000, "/")[-1]


def test_what_the_user_has_set_stays(nowhere: Callable[..., None]) -> None:
    nowhere("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    nowhere("MLFLOW_SERVER_ALLOWED_HOSTS", "mine.example")
    assert set(trusted_names()) == {"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"}
