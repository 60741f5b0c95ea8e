"""MLflow's own web UI on the recorded runs."""

from __future__ import annotations

__all__ = ["ui"]


def ui(*, port: int | None = None) -> None:
    """Serve the recorded runs on this machine until interrupted.

    Parameters
    ----------
    port
        A free one is taken by default.

    Raises
    ------
    RunStoreError
        If the store cannot be served.
    """
    from embedl_nb import runstore

    runstore.serve_ui(port=port)
