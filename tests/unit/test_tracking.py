import json

import pytest

from cxrfair import tracking
from cxrfair.tracking import Place, Run, TrackingConfig, log_results, open_session

CONFIG = TrackingConfig(enabled=True, experiment="cxrfair")
PLACE = Place("quickstart", "nih_chestxray14", "erm", 0)
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own dependencies warn


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv(tracking.SESSION, raising=False)
    return monkeypatch


def started(workplace):
    session = open_session(CONFIG, ["quickstart"])
    workplace.setenv(tracking.SESSION, session)
    return json.loads(session)


def runs(session):
    client = tracking.MlflowClient(session["uri"])
    return {r.info.run_name: r for r in client.search_runs([session["experiment"]])}


def test_a_training_is_logged_below_its_study(workplace, tmp_path):
    session = started(workplace)
    (tmp_path / "model.json").write_text("{}")
    with Run(PLACE) as run:
        run.log_params({"train": {"epochs": 3}}, {"git.commit": "abc"})
        run.log_epoch(1, {"train_loss": 0.5, "validation_auroc": float("nan")})
        run.log_files([tmp_path / "model.json"])
    log_results({PLACE: {"test.auroc.edema": 0.8}})
    found = runs(session)
    logged = found["nih_chestxray14/erm/seed-0"]
    assert logged.info.status == found["quickstart"].info.status == "FINISHED"
    assert logged.data.params == {"train.epochs": "3"}
    assert logged.data.metrics == {"train_loss": 0.5, "test.auroc.edema": 0.8}
    assert logged.data.tags["mlflow.parentRunId"] == session["parents"]["quickstart"]
    assert logged.data.tags["git.commit"] == "abc"
    artifacts = tracking.MlflowClient(session["uri"]).list_artifacts(logged.info.run_id)
    assert [a.path for a in artifacts] == ["model.json"]


def test_a_second_session_goes_on_with_the_study_and_closes_what_a_kill_left_open(workplace):
    first = started(workplace)
    Run(PLACE).__enter__()
    second = started(workplace)
    assert second["parents"] == first["parents"]
    assert runs(second)["nih_chestxray14/erm/seed-0"].info.status == "KILLED"


def test_a_failed_training_is_marked_and_its_error_passes(workplace):
    session = started(workplace)
    with pytest.raises(ValueError, match="stop"), Run(PLACE):
        raise ValueError("stop")
    assert runs(session)["nih_chestxray14/erm/seed-0"].info.status == "FAILED"


@pytest.mark.usefixtures("workplace")
def test_without_a_session_every_call_does_nothing(tmp_path, capsys):
    with Run(PLACE) as run:
        run.log_params({"a": 1}, {})
        run.log_epoch(1, {"loss": 1.0})
        run.log_files([tmp_path / "absent"])
    log_results({PLACE: {"a": 1.0}})
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("workplace")
def test_switched_off_there_is_no_session(tmp_path):
    assert open_session(TrackingConfig(enabled=False, experiment="x"), ["quickstart"]) is None
    assert list(tmp_path.iterdir()) == []


def test_a_server_out_of_reach_costs_one_warning(workplace, capsys):
    workplace.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert open_session(CONFIG, ["quickstart"]) is None
    assert capsys.readouterr().err.count("warning: MLflow does not answer") == 1


def test_no_path_or_machine_name_is_logged(workplace, tmp_path):
    session = started(workplace)
    with Run(PLACE):
        pass
    tags = str([run.data.tags for run in runs(session).values()])
    assert str(tmp_path) not in tags
    assert tracking.platform.node() not in tags
