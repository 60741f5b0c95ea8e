"""Whether a store's server listens, found out in a moment: MLflow asks a silent one for minutes."""

from __future__ import annotations

import socket

from embedl_nb.errors import RunStoreError
from embedl_nb.runstore.location import Store

__all__ = ["knock"]


def knock(store: Store, *, timeout_s: float) -> None:
    """Connect to the server of ``store`` and hang up; a store without an address of its own is let be.

    Raises
    ------
    RunStoreError
        If nothing answers there.
    """
    if store.address is None:
        return
    try:
        socket.create_connection(store.address, timeout=timeout_s).close()
    except (OSError, UnicodeError) as err:  # a host name that cannot be one is a UnicodeError
        raise RunStoreError(
            f"the run store {store.label} does not answer: {getattr(err, 'strerror', None) or err}",
            hint="start it, or unset MLFLOW_TRACKING_URI to record on this machine",
        ) from err
