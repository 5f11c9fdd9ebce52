import json
import shutil
import subprocess
import sys
import threading

import pytest

from cxrfair import tracking
from cxrfair.tracking import Place, Run, TrackingConfig, log_results, open_session

CONFIG = TrackingConfig(enabled=True, experiment="cxrfair")
PLACE = Place("quickstart", "nih_chestxray14", "erm", 0)
NAME = "nih_chestxray14/erm/seed-0"
PRINT = "a" * 24
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own dependencies warn


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A database without runs: making its tables takes seconds."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    tracking._client(f"sqlite:///{file}")
    return file


@pytest.fixture
def workplace(tmp_path, monkeypatch, empty):
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty, tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv(tracking.SESSION, raising=False)
    return monkeypatch


def started(workplace):
    session = open_session(CONFIG, ["quickstart"])
    workplace.setenv(tracking.SESSION, session)
    workplace.delenv("RANK", raising=False)
    return json.loads(session)


def runs(session):
    client = tracking._client(session["uri"])
    return {r.info.run_name: r for r in client.search_runs([session["experiment"]])}


def test_a_training_is_logged_below_its_study(workplace, tmp_path):
    session = started(workplace)
    (tmp_path / "model.json").write_text("{}")
    with Run(PLACE, PRINT) as run:
        run.log_params({"train": {"epochs": 3}}, {"git.commit": "abc"})
        run.log_epoch(1, {"train_loss": 0.5, "validation_auroc": float("nan")})
        run.log_files([tmp_path / "model.json"])
    log_results({PLACE: {"test/auroc.edema": 0.8}})
    found = runs(session)
    logged = found[NAME]
    assert logged.info.status == found["quickstart"].info.status == "FINISHED"
    assert logged.data.params == {"train.epochs": "3"}
    assert logged.data.metrics == {"epoch/train_loss": 0.5, "test/auroc.edema": 0.8}
    assert logged.data.tags["mlflow.parentRunId"] == session["parents"]["quickstart"]
    assert logged.data.tags["git.commit"] == "abc"
    artifacts = tracking._client(session["uri"]).list_artifacts(logged.info.run_id)
    assert [a.path for a in artifacts] == ["model.json"]


def killed(epochs):
    """Leave a training as a kill leaves it: written to, never closed."""
    run = Run(PLACE, PRINT)
    run.__enter__()
    for epoch in range(1, epochs + 1):
        run.log_epoch(epoch, {"loss": 1 / epoch})
    run._writer.shutdown()


def test_a_second_session_goes_on_with_the_study_and_closes_what_a_kill_left_open(workplace):
    first = started(workplace)
    killed(epochs=1)
    assert runs(first)[NAME].info.status == "RUNNING"
    second = started(workplace)
    assert second["parents"] == first["parents"]
    assert runs(second)[NAME].info.status == "KILLED"


@pytest.mark.parametrize("again", [True, False])
def test_a_stopped_training_continues_its_curves_in_the_same_run(workplace, again):
    session = started(workplace)
    killed(epochs=2)
    if again:  # a new session closes it as killed; without one a scheduler has just retried the job
        started(workplace)
    with Run(PLACE, PRINT) as run:
        run.log_params({"epochs": 3}, {"git.commit": "def"})
        run.log_epoch(3, {"loss": 0.25})
    client = tracking._client(session["uri"])
    (only,) = client.search_runs([session["experiment"]], f"run_name = '{NAME}'")
    assert only.info.status == "FINISHED"
    curve = client.get_metric_history(only.info.run_id, "epoch/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 1.0), (2, 0.5), (3, 0.25)]


@pytest.mark.parametrize(
    ("place", "fingerprint"),
    [(PLACE, "b" * 24), (Place("quickstart", "nih_chestxray14", "erm", 1), PRINT)],
)
def test_other_settings_or_another_place_get_a_run_of_their_own(workplace, place, fingerprint):
    session = started(workplace)
    killed(epochs=1)
    with Run(place, fingerprint):
        pass
    found = tracking._client(session["uri"]).search_runs([session["experiment"]])
    assert sorted(r.info.status for r in found) == ["FINISHED", "RUNNING", "RUNNING"]


def test_a_finished_training_made_again_gets_a_new_run(workplace):
    session = started(workplace)
    for _ in range(2):
        with Run(PLACE, PRINT):
            pass
    found = tracking._client(session["uri"]).search_runs([session["experiment"]])
    assert [r.info.run_name for r in found].count(NAME) == 2


def test_test_metrics_go_to_finished_trainings_only(workplace):
    session = started(workplace)
    killed(epochs=1)
    log_results({PLACE: {"test/auroc.edema": 0.8}})
    assert "test/auroc.edema" not in runs(session)[NAME].data.metrics


def test_of_several_processes_the_first_one_writes(workplace):
    session = started(workplace)
    workplace.setenv("RANK", "1")
    with Run(PLACE, PRINT) as run:
        run.log_epoch(1, {"loss": 1.0})
    assert list(runs(session)) == ["quickstart"]


def test_a_training_does_not_wait_for_the_tracker(workplace):
    started(workplace)
    answered = threading.Event()
    workplace.setattr(tracking, "_client", lambda _: answered.wait(60))  # a server that hangs
    with Run(PLACE, PRINT) as run:
        run.log_epoch(1, {"loss": 1.0})
        answered.set()


def test_importing_the_tracker_does_not_import_mlflow():
    code = "import sys; import cxrfair.tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_failed_training_is_marked_and_its_error_passes(workplace):
    session = started(workplace)
    with pytest.raises(ValueError, match="stop"), Run(PLACE, PRINT):
        raise ValueError("stop")
    assert runs(session)[NAME].info.status == "FAILED"


def test_a_training_that_ctrl_c_ends_is_marked_killed(workplace):
    session = started(workplace)
    with pytest.raises(KeyboardInterrupt), Run(PLACE, PRINT):
        raise KeyboardInterrupt
    assert runs(session)[NAME].info.status == "KILLED"


@pytest.mark.usefixtures("workplace")
def test_without_a_session_every_call_does_nothing(tmp_path, capsys):
    with Run(PLACE, PRINT) as run:
        run.log_params({"a": 1}, {})
        run.log_epoch(1, {"loss": 1.0})
        run.log_files([tmp_path / "absent"])
    log_results({PLACE: {"a": 1.0}})
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("workplace")
def test_switched_off_there_is_no_session(tmp_path):
    assert open_session(TrackingConfig(enabled=False, experiment="x"), ["quickstart"]) is None
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_server_out_of_reach_costs_one_warning(workplace, capsys):
    workplace.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert open_session(CONFIG, ["quickstart"]) is None
    assert capsys.readouterr().err.count("warning: MLflow does not answer") == 1


def test_no_path_or_machine_name_is_logged(workplace, tmp_path):
    session = started(workplace)
    with Run(PLACE, PRINT):
        pass
    tags = str([run.data.tags for run in runs(session).values()])
    assert str(tmp_path) not in tags
    assert tracking.platform.node() not in tags
