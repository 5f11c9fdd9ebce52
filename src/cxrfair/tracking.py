"""MLflow, written to and never read by the pipeline; the only importer of mlflow.

What a run is looked up for is its own id, to add numbers to it. Without a reachable server the
pipeline says so once and goes on.
"""

import hashlib
import json
import logging
import math
import os
import platform
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cxrfair.config import Section
from cxrfair.progress import say

# Before mlflow is imported: nothing about a hospital's machine is sent anywhere, and a server that
# does not answer costs seconds rather than minutes.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)

from mlflow.entities import Metric, Param, RunStatus, RunTag  # noqa: E402 - reads the settings above
from mlflow.tracking import MlflowClient  # noqa: E402

SESSION = "CXRFAIR_TRACKING"  # environment variable: how jobs find the runs opened at the start
_ROLE, _PLACE, _WORKPLACE, _AUDITED = (
    f"cxrfair.{word}" for word in ("role", "place", "workplace", "audited")
)


class TrackingConfig(Section):
    """Section `tracking` of params.yaml."""

    enabled: bool
    experiment: str


@dataclass(frozen=True)
class Place:
    """Which model a run is of."""

    study: str
    dataset: str
    variant: str
    seed: int

    def __str__(self) -> str:
        return f"{self.study}/{self.dataset}/{self.variant}/seed-{self.seed}"


def open_session(config: TrackingConfig, studies: Sequence[str]) -> str | None:
    """Create database, experiment and one parent run a study, before jobs can race to do so.

    Returns
    -------
    str or None
        The value for the environment variable SESSION; None where tracking is off or out of reach.
    """
    if not config.enabled:
        return None
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    with _Quiet("no runs are logged"):
        client = MlflowClient(uri)
        experiment = _experiment(client, config.experiment)
        _close_killed(client, experiment)
        parents = {study: _parent(client, experiment, study) for study in studies}
        return json.dumps({"uri": uri, "experiment": experiment, "parents": parents})
    return None


class Run:
    """One training's run, below its study's parent; without a session every call does nothing."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._client: Any = None
        self._id = ""

    def __enter__(self) -> Self:
        text = os.environ.get(SESSION)
        if text is None:
            return self
        with _Quiet("this training is not logged"):
            session = json.loads(text)
            client = MlflowClient(session["uri"])
            tags = _tags("training") | {
                _PLACE: str(self.place),
                "mlflow.parentRunId": session["parents"][self.place.study],
            }
            name = str(self.place).split("/", 1)[1]
            run = client.create_run(session["experiment"], run_name=name, tags=tags)
            self._client, self._id = client, run.info.run_id
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._client is not None:
            status = RunStatus.FINISHED if kind is None else RunStatus.FAILED
            with _Quiet("a run stays open"):
                self._client.set_terminated(self._id, RunStatus.to_string(status))

    def log_params(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Log settings (nested ones flattened with dots) and facts."""
        flat = [Param(key, str(value)) for key, value in _flat(params).items()]
        self._batch(params=flat, tags=[RunTag(k, v) for k, v in tags.items()])

    def log_epoch(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Log one epoch's numbers; undefined ones are left out."""
        self._batch(metrics=_metrics(numbers, epoch))

    def log_files(self, files: Sequence[Path]) -> None:
        """Log small files and weights as artifacts."""
        if self._client is not None:
            with _Quiet("files of this training are not logged"):
                for file in files:
                    self._client.log_artifact(self._id, str(file))

    def _batch(self, **what: Any) -> None:
        if self._client is not None:
            with _Quiet("numbers of this training are not logged"):
                self._client.log_batch(self._id, **what)


def log_results(results: Mapping[Place, Mapping[str, float]]) -> None:
    """Add test metrics to the training runs that do not have theirs yet, and close the parents."""
    text = os.environ.get(SESSION)
    if text is None:
        return
    with _Quiet("test metrics are not logged"):
        session = json.loads(text)
        client = MlflowClient(session["uri"])
        for run in _search(client, session["experiment"], "training"):
            tags = run.data.tags
            place = next((p for p in results if str(p) == tags.get(_PLACE)), None)
            if place is not None and _AUDITED not in tags:
                client.log_batch(run.info.run_id, metrics=_metrics(results[place], 0))
                client.set_tag(run.info.run_id, _AUDITED, "true")
        for parent in session["parents"].values():
            client.set_terminated(parent)


class _Quiet:
    """Turn any failure of MLflow into one warning: a tracker must not stop the work it tracks."""

    def __init__(self, consequence: str) -> None:
        self._consequence = consequence
        self._warnings = warnings.catch_warnings()

    def __enter__(self) -> None:
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        for name in ("alembic", "mlflow"):
            logging.getLogger(name).setLevel(logging.ERROR)

    def __exit__(self, kind: type[BaseException] | None, error: object, _: object) -> bool:
        self._warnings.__exit__(None, None, None)
        if kind is None or not issubclass(kind, Exception):
            return False
        say(f"warning: MLflow does not answer ({kind.__name__}); {self._consequence}")
        return True


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _parent(client: Any, experiment: str, study: str) -> str:
    """Return the run that groups a study's trainings in this workplace, made once."""
    for run in _search(client, experiment, "study"):
        if run.data.tags.get(_PLACE) == study:
            client.update_run(run.info.run_id, status="RUNNING")
            return str(run.info.run_id)
    made = client.create_run(experiment, run_name=study, tags=_tags("study") | {_PLACE: study})
    return str(made.info.run_id)


def _close_killed(client: Any, experiment: str) -> None:
    """Close trainings that a kill left open; Snakemake's lock says that none of them still runs."""
    for run in _search(client, experiment, "training"):
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, "KILLED")


def _search(client: Any, experiment: str, role: str) -> list[Any]:
    """Find this workplace's runs, latest first."""
    wanted = f"tags.`{_ROLE}` = '{role}' and tags.`{_WORKPLACE}` = '{_workplace()}'"
    found: list[Any] = client.search_runs([experiment], wanted, max_results=50_000)
    return found


def _tags(role: str) -> dict[str, str]:
    return {_ROLE: role, _WORKPLACE: _workplace()}


def _workplace() -> str:
    """Name this folder on this machine without saying either."""
    return hashlib.sha256(f"{platform.node()}:{Path.cwd()}".encode()).hexdigest()[:16]


def _metrics(numbers: Mapping[str, float], step: int) -> list[Any]:
    now = int(time.time() * 1000)
    defined = {k: v for k, v in numbers.items() if not math.isnan(v)}  # SQL stores hold no NaN
    return [Metric(key, value, now, step) for key, value in defined.items()]


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat
