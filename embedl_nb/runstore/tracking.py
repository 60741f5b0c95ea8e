"""The one place that speaks to MLflow: write a run once, list runs, read a run back.

Runs in the recorder only, through ``MlflowClient``: no active run, no autologging, no global tracking URI. A run is
found by its tag ``embedl_nb.run_id`` before it is made, and is finished last, so writing an entry twice leaves one run.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import RunStoreError
from embedl_nb.runstore.location import Store
from embedl_nb.runstore.rows import EXPERIMENT, METRICS, TAG_PREFIX, VIEW, row
from embedl_nb.runstore.source import is_dirty
from embedl_nb.runstore.spool import Entry
from embedl_nb.runstore.summary import flatten

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

__all__ = ["fetch_model", "find_experiment", "list_rows", "read_record", "write_run"]

_PAGE = 5000
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # the web UI shows metrics, not chats
# A view as MLflow's page shares it: the runs of a model one below the other with their figures, not nested.
_SHARED_VIEW = {
    f"mlflow.sharedViewState.{VIEW}": json.dumps(
        {
            "orderByKey": f"tags.`{TAG_PREFIX}name`",
            "orderByAsc": True,
            "selectedColumns": [
                *(f"metrics.`{name}`" for name in METRICS),
                *(f"tags.`{TAG_PREFIX}{name}`" for name in ("precision", "device", "provenance", "notebook")),
            ],
        }
    )
}
_BATCH = 100  # MLflow's limit on parameters and tags in one request


def write_run(client: MlflowClient, entry: Entry, store: Store) -> None:
    """Write ``entry`` as a finished run, unless it is there already; complete a half-written one."""
    from mlflow.entities import Metric, Param, RunTag

    experiment_id = _experiment(client, store)
    run = _find(client, experiment_id, entry.run_id)
    if run is not None and run.info.status == "FINISHED":
        return
    run_id = run.info.run_id if run is not None else _create(client, experiment_id, entry)
    params, metrics = flatten(entry.result)
    tags = _tags(client, experiment_id, entry)
    # The same time and step at a second try: MLflow keeps one value.
    client.log_batch(run_id, metrics=[Metric(key, value, entry.recorded_ms, 0) for key, value in metrics.items()])
    for some in _batched(params.items()):
        client.log_batch(run_id, params=[Param(key, value) for key, value in some])
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items() if value])
    _write_files(client, run_id, entry)
    client.set_terminated(run_id, "FINISHED", end_time=entry.recorded_ms)


def list_rows(client: MlflowClient) -> list[dict[str, Any]]:
    """Return one row of plain data a run, newest first."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    return [
        row(
            *(run.data.tags, run.data.metrics, run.data.params),
            started_ms=run.info.start_time,
            is_finished=run.info.status == "FINISHED",
        )
        for run in _search(client, experiment.experiment_id)
        if f"{TAG_PREFIX}run_id" in run.data.tags
    ]


def read_record(client: MlflowClient, run_id: str) -> dict[str, Any]:
    """Return what was recorded under this id, which :func:`list_rows` has shown.

    Raises
    ------
    RunStoreError
        If the run or its file is no longer there.
    """
    experiment = client.get_experiment_by_name(EXPERIMENT)
    run = None if experiment is None else _find(client, experiment.experiment_id, run_id)
    if run is None:
        raise RunStoreError(f"run {run_id} is no longer in the store", hint="look for it in the store's web UI")
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            text = Path(client.download_artifacts(run.info.run_id, "record.json", folder)).read_text(encoding="utf-8")
            record: dict[str, Any] = json.loads(text)
        except (OSError, ValueError, MlflowException) as err:
            raise RunStoreError(
                f"run {run_id} is in the store but its record.json cannot be read: {err}",
                hint=f"look for it in {run.info.artifact_uri}",
            ) from err
    return record


def find_experiment(client: MlflowClient) -> str:
    """Return the id of our experiment, with the view of its runs as of now; empty where nothing is recorded yet."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return ""
    for key, value in _SHARED_VIEW.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(experiment.experiment_id, key, value)
    return str(experiment.experiment_id)


def fetch_model(client: MlflowClient, sha256: str, folder: str) -> str:
    """Download a model that was uploaded with one of its runs; return its file, or nothing where no run has it."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return ""
    query = f"tags.`{TAG_PREFIX}model_sha256` = '{sha256}'"
    for run in client.search_runs([experiment.experiment_id], query):
        if any(file.path == f"model/{sha256}.tflite" for file in client.list_artifacts(run.info.run_id, "model")):
            return str(client.download_artifacts(run.info.run_id, f"model/{sha256}.tflite", folder))
    return ""


def _batched(items: Iterable[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], ...]]:
    rest = iter(items)
    while some := tuple(itertools.islice(rest, _BATCH)):
        yield some


def _experiment(client: MlflowClient, store: Store) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        try:
            return str(
                client.create_experiment(
                    EXPERIMENT, artifact_location=store.artifact_location, tags=_KIND | _SHARED_VIEW
                )
            )
        except MlflowException:
            experiment = client.get_experiment_by_name(EXPERIMENT)  # another machine was first
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        raise RunStoreError(
            f"the experiment {EXPERIMENT!r} in {store.label} was deleted",
            hint=f"restore it in MLflow: mlflow experiments restore -x {experiment.experiment_id}",
        )
    return str(experiment.experiment_id)


def _find(client: MlflowClient, experiment_id: str, run_id: str) -> Run | None:
    """Find the run of this id, also one that the user has deleted since: it is not to come back."""
    from mlflow.entities import ViewType

    found = client.search_runs([experiment_id], f"tags.`{TAG_PREFIX}run_id` = '{run_id}'", ViewType.ALL, max_results=10)
    return next((run for run in found if run.info.status == "FINISHED"), next(iter(found), None))


def _create(client: MlflowClient, experiment_id: str, entry: Entry) -> str:
    tags = {
        f"{TAG_PREFIX}run_id": entry.run_id,
        f"{TAG_PREFIX}kind": entry.kind,
        "mlflow.user": entry.source.get("user", ""),
    }
    summary = entry.summary
    name = " ".join(part for part in (entry.kind, summary.name, summary.precision, summary.device) if part)
    run = client.create_run(
        experiment_id, start_time=entry.started_ms, run_name=name, tags={k: v for k, v in tags.items() if v}
    )
    return str(run.info.run_id)


def _tags(client: MlflowClient, experiment_id: str, entry: Entry) -> dict[str, str]:
    source = entry.source
    tags = {f"{TAG_PREFIX}{key}": value for key, value in asdict(entry.summary).items()}
    tags[f"{TAG_PREFIX}git_dirty"] = is_dirty(source.get("git_folder", ""), source.get("git_commit", ""))
    tags[f"{TAG_PREFIX}notebook"] = source.get("notebook", "")
    tags["mlflow.source.name"] = source.get("notebook") or source.get("script", "")
    tags["mlflow.source.type"] = "NOTEBOOK" if source.get("notebook") else "LOCAL"
    tags["mlflow.source.git.commit"] = source.get("git_commit", "")
    tags[f"{TAG_PREFIX}imported_from"] = entry.imported_from
    if entry.parent_run_id:
        tags[f"{TAG_PREFIX}parent_run_id"] = entry.parent_run_id
        parent = _find(client, experiment_id, entry.parent_run_id)
        tags["mlflow.parentRunId"] = "" if parent is None else parent.info.run_id
    return tags


def _write_files(client: MlflowClient, run_id: str, entry: Entry) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "record.json").write_text(json.dumps(entry.to_record(), indent=1), encoding="utf-8")
        for table, rows in entry.tables.items():
            (folder / f"{table}.csv").write_text(_csv(rows), encoding="utf-8")
        for picture, text in entry.pictures.items():
            ending = "svg" if text.lstrip().startswith(("<svg", "<?xml")) else "html"
            (folder / f"{picture}.{ending}").write_text(text, encoding="utf-8")
        client.log_artifacts(run_id, name)
    if entry.model_file:
        client.log_artifact(run_id, entry.model_file, "model")


def _csv(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _search(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], max_results=_PAGE, order_by=["attributes.start_time DESC"], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return
