"""MLflow, written to and never read by the pipeline; the only importer of mlflow.

What a run is looked up for is its own id, to add numbers to it. Without a reachable server the
pipeline says so once and goes on. MLflow takes seconds to import and to answer: it is imported
where it is used, and a training's run is written on a thread of its own.
"""

import hashlib
import json
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Event
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

HEAD_START_S = 20.0  # for a training to get to its first step before mlflow takes its turn
SESSION = "CXRFAIR_TRACKING"  # environment variable: how jobs find the runs opened at the start
_ROLE, _PLACE, _WORKPLACE, _TRAINING, _AUDITED = (
    f"cxrfair.{word}" for word in ("role", "place", "workplace", "training", "audited")
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
        client = _client(uri)
        experiment = _experiment(client, config.experiment)
        _close_killed(client, experiment)
        parents = {study: _parent(client, experiment, study) for study in studies}
        return json.dumps({"uri": uri, "experiment": experiment, "parents": parents})
    return None


class Run:
    """One training's run, below its study's parent; without a session every call does nothing.

    A training is known by its place and its `fingerprint` (of settings, data and code). One that
    was stopped and goes on continues the run it had; one that is finished gets another.
    """

    def __init__(self, place: Place, fingerprint: str) -> None:
        self.place, self.fingerprint = place, fingerprint
        self._client: Any = None
        self._id = ""
        first = os.environ.get("RANK", "0") == "0"  # torchrun's, where several processes train
        self._session = os.environ.get(SESSION) if first else None
        self._writer = ThreadPoolExecutor(1, "tracking")
        self._wanted = Event()

    def __enter__(self) -> Self:
        self._later("this training is not logged", self._open)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        stopped = "FAILED" if kind is not None and issubclass(kind, Exception) else "KILLED"
        status = "FINISHED" if kind is None else stopped
        self._wanted.set()
        self._later("a run stays open", self._close, status)
        self._writer.shutdown()

    def log_params(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Log settings (nested ones flattened with dots) and facts."""
        self._later("settings of this training are not logged", self._facts, _flat(params), tags)

    def log_epoch(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Log one epoch's numbers, as curves below `epoch/`; undefined ones are left out.

        MLflow makes a section of what comes before a slash, and this one comes before `test/`.
        """
        self._wanted.set()
        metrics = ({f"epoch/{name}": value for name, value in numbers.items()}, epoch, _now())
        self._later("numbers of this training are not logged", self._numbers, *metrics)

    def log_files(self, files: Sequence[Path]) -> None:
        """Log small files and weights as artifacts."""
        self._later("files of this training are not logged", self._files, files)

    def _later(self, consequence: str, call: Callable[..., None], *what: Any) -> None:
        """Leave a call to the thread, which makes calls one by one in the order of asking."""
        if self._session is not None:
            self._writer.submit(_quietly, consequence, call, *what)

    def _open(self) -> None:
        """Go on with the run that this training had, or make one: seconds of Python."""
        self._wanted.wait(HEAD_START_S)
        session = json.loads(self._session or "")
        client, experiment = _client(session["uri"]), session["experiment"]
        tags = _tags("training") | {_PLACE: str(self.place), _TRAINING: self.fingerprint}
        found = _search(client, experiment, tags)
        stopped = [run.info.run_id for run in found if run.info.status != "FINISHED"]
        if stopped:
            self._id = stopped[0]
            client.update_run(self._id, status="RUNNING")
        else:
            tags["mlflow.parentRunId"] = session["parents"][self.place.study]
            name = str(self.place).split("/", 1)[1]
            self._id = client.create_run(experiment, run_name=name, tags=tags).info.run_id
        self._client = client

    def _close(self, status: str) -> None:
        if self._client is not None:
            self._client.set_terminated(self._id, status)

    def _facts(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        if self._client is not None:
            entities = import_module("mlflow.entities")
            given = [entities.Param(key, str(value)) for key, value in params.items()]
            facts = [entities.RunTag(key, value) for key, value in tags.items()]
            self._client.log_batch(self._id, params=given, tags=facts)

    def _numbers(self, numbers: Mapping[str, float], epoch: int, at_ms: int) -> None:
        if self._client is not None:
            self._client.log_batch(self._id, metrics=_metrics(numbers, epoch, at_ms))

    def _files(self, files: Sequence[Path]) -> None:
        if self._client is not None:
            for file in files:
                self._client.log_artifact(self._id, str(file))


def log_results(results: Mapping[Place, Mapping[str, float]]) -> None:
    """Add test metrics to the training runs that do not have theirs yet, and close the parents."""
    text = os.environ.get(SESSION)
    if text is None:
        return
    with _Quiet("test metrics are not logged"):
        session = json.loads(text)
        client = _client(session["uri"])
        for run in _search(client, session["experiment"], _tags("training")):
            tags = run.data.tags
            place = next((p for p in results if str(p) == tags.get(_PLACE)), None)
            new = run.info.status == "FINISHED" and _AUDITED not in tags
            if place is not None and new:
                client.log_batch(run.info.run_id, metrics=_metrics(results[place], 0, _now()))
                client.set_tag(run.info.run_id, _AUDITED, "true")
        for parent in session["parents"].values():
            client.set_terminated(parent)


class _Quiet(AbstractContextManager["_Quiet", bool]):
    """Turn any failure of MLflow into one warning: a tracker must not stop the work it tracks."""

    def __init__(self, consequence: str) -> None:
        self._consequence = consequence

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        say(f"warning: MLflow does not answer ({kind.__name__}); {self._consequence}")
        return True


def _quietly(consequence: str, call: Callable[..., None], *what: Any) -> None:
    with _Quiet(consequence):
        call(*what)


def _client(uri: str) -> Any:
    """Connect to a tracker; its importing is what sets the level of its logs."""
    kind = import_module("mlflow.tracking").MlflowClient
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return kind(uri)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _parent(client: Any, experiment: str, study: str) -> str:
    """Return the run that groups a study's trainings in this workplace, made once."""
    tags = _tags("study") | {_PLACE: study}
    for run in _search(client, experiment, tags):
        client.update_run(run.info.run_id, status="RUNNING")
        return str(run.info.run_id)
    return str(client.create_run(experiment, run_name=study, tags=tags).info.run_id)


def _close_killed(client: Any, experiment: str) -> None:
    """Close trainings that a kill left open; Snakemake's lock says that none of them still runs."""
    for run in _search(client, experiment, _tags("training")):
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, "KILLED")


def _search(client: Any, experiment: str, tags: Mapping[str, str]) -> list[Any]:
    """Find the runs with all these tags, latest first."""
    wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    found: list[Any] = client.search_runs([experiment], wanted, max_results=50_000)
    return found


def _tags(role: str) -> dict[str, str]:
    return {_ROLE: role, _WORKPLACE: _workplace()}


def _workplace() -> str:
    """Name this folder on this machine without saying either."""
    return hashlib.sha256(f"{platform.node()}:{Path.cwd()}".encode()).hexdigest()[:16]


def _now() -> int:
    """Return the time in milliseconds, as MLflow counts it."""
    return int(time.time() * 1000)


def _metrics(numbers: Mapping[str, float], step: int, at_ms: int) -> list[Any]:
    kind = import_module("mlflow.entities").Metric
    defined = {k: v for k, v in numbers.items() if math.isfinite(v)}  # SQL stores hold no NaN
    return [kind(key, value, at_ms, step) for key, value in defined.items()]


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat
