"""Which MLflow store runs go to: the user's own choice where there is one, else a SQLite file in the data folder.

Decided in the kernel at the moment of recording, because the working directory and the environment change. A URI may
hold a password: ``uri`` is handed to the recorder only; whatever is shown or written is ``label``.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from embedl_nb import config

__all__ = ["Store", "current_store", "redact"]

_CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"]*@")
_SECRET_ARGUMENT = re.compile(r"([?&;](?:password|passwd|pwd|token|secret|api_?key)=)[^&;\s'\"]*", re.IGNORECASE)
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]+)")
_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_PORTS = {"http": 80, "https": 443, **_DATABASE_PORTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One MLflow tracking store.

    Attributes
    ----------
    uri
        As MLflow takes it, with absolute paths; may hold a password.
    is_own
        Whether it is the SQLite file in the data folder, which this package creates and migrates.
    """

    uri: str
    is_own: bool

    @property
    def label(self) -> str:
        """The URI as it may be shown: without credentials, and a plain path where it is a SQLite file."""
        path = self.sqlite_path
        return str(path) if path is not None else redact(self.uri)

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that tell stores apart in file names.

        A changed password is the same store, and so is our own one when its folder is moved.
        """
        return hashlib.sha256(("own" if self.is_own else self.label).encode()).hexdigest()[:8]

    @property
    def sqlite_path(self) -> Path | None:
        """The file of a SQLite store."""
        match = _SQLITE.fullmatch(self.uri)
        if match is None or match["path"] == ":memory:" or match["path"].startswith("file:"):
            return None
        return Path(match["path"])

    @property
    def is_remote(self) -> bool:
        """Whether recording sends data to another process, usually on another machine."""
        return self._kind not in ("file", "sqlite")

    @property
    def is_database_server(self) -> bool:
        """Whether it is a database that a server keeps."""
        return self._kind in _DATABASE_PORTS

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of the server; None where there is none, or only MLflow knows how to find it."""
        try:
            parts = urlsplit(self.uri)
            port = parts.port or _PORTS.get(self._kind)
        except ValueError:  # a mistyped address: MLflow says what is wrong with it
            return None
        return None if not parts.hostname or port is None else (parts.hostname, port)

    @property
    def artifact_location(self) -> str | None:
        """Where a new experiment keeps its files; None where the server decides."""
        if self.sqlite_path is not None:
            # Beside the database; for a user's own one in the folder that is MLflow's default.
            return (self.sqlite_path.parent / ("artifacts" if self.is_own else "mlruns")).as_uri()
        return (config.data_dir() / "artifacts").as_uri() if self.is_database_server else None

    @property
    def lock_path(self) -> Path:
        """The lock that whoever opens, migrates or writes this store from this account holds."""
        if self.is_own and self.sqlite_path is not None:
            return self.sqlite_path.with_name(f"{self.sqlite_path.name}.lock")
        folder = config.cache_dir() / "locks"
        folder.mkdir(exist_ok=True)
        return folder / f"store-{self.fingerprint}.lock"

    def to_json(self) -> dict[str, object]:
        """Return plain data for the recorder's pipe; never for a file, because of the password."""
        return asdict(self)

    @property
    def _kind(self) -> str:
        """``sqlite``, ``postgresql``, ``http``, ``databricks``...: the scheme without the driver."""
        return self.uri.partition(":")[0].partition("+")[0].lower()


def current_store() -> Store:
    """Return the store that runs go to now.

    ``MLFLOW_TRACKING_URI`` and, where the user's kernel has set one, MLflow's tracking URI come first.
    """
    uri = _users_uri()
    if not uri:
        return Store(uri=f"sqlite:///{config.data_dir() / 'mlflow.db'}", is_own=True)
    return Store(uri=_absolute(uri), is_own=False)


def redact(text: str) -> str:
    """Return ``text`` without the credentials of any URI in it.

    Examples
    --------
    >>> redact("https://me:secret@host/mlflow?token=abc")
    'https://***@host/mlflow?token=***'
    """
    return _SECRET_ARGUMENT.sub(r"\1***", _CREDENTIALS.sub("***@", text))


def _users_uri() -> str:
    mlflow = sys.modules.get("mlflow")
    is_set, get = (getattr(mlflow, name, None) for name in ("is_tracking_uri_set", "get_tracking_uri"))
    if callable(is_set) and callable(get) and is_set():
        return str(get())
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip()


def _absolute(uri: str) -> str:
    """Resolve relative paths here, because the recorder's working directory is another one."""
    match = _SQLITE.match(uri)
    if match is not None and not match["path"].startswith((":memory:", "file:")):
        return uri.replace(match["path"], str(Path(match["path"]).absolute()), 1)
    if "://" in uri or uri.startswith(("databricks", "uc:")) or uri == "uc":
        return uri
    path = uri.removeprefix("file:")
    return Path(path).expanduser().absolute().as_uri()
