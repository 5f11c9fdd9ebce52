"""The real pipeline on a tiny phantom: what it makes, and what a wrong run leaves."""

import json

import pandas as pd
import pytest

pytestmark = pytest.mark.workflow


def test_the_report_is_made_stamped_and_needs_no_network(finished):
    report = finished.root / "results/report"
    page = (report / "index.html").read_text()
    assert "PHANTOM" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    for kind in ("tables/group_metrics.csv", "tables/group_metrics.tex", "figures/group_auroc.pdf"):
        assert (report / "quickstart" / kind).stat().st_size > 0


def test_every_model_is_judged_in_every_group(finished):
    rows = pd.read_parquet(finished.root / "results/metrics/quickstart/metrics.parquet")
    assert set(rows["dataset"]) == {"nih_chestxray14", "mimic_cxr"}
    assert set(rows["variant"]) == {"erm", "group_dro"}
    assert {"female", "male", "all", "between"} <= set(rows["group"])
    assert rows.loc[rows["n"] == 0, "value"].isna().all()


def test_linking_used_more_than_one_rung(finished):
    linked = pd.read_parquet(finished.root / "data/interim/mimic_cxr/linked.parquet")
    assert {"admission", "emergency", "nearest"} <= set(linked["link_rung"])
    assert linked["insurance"].notna().any()


def test_no_patient_is_in_two_folds(finished):
    for dataset in ("nih_chestxray14", "mimic_cxr"):
        folder = finished.root / "data/processed/quickstart" / dataset
        rows = pd.read_parquet(folder / "cohort.parquet").merge(
            pd.read_parquet(folder / "splits.parquet"), on="image_id"
        )
        assert rows.groupby("patient_id")["fold"].nunique().max() == 1
        assert set(rows["fold"]) == {"train", "validation", "test"}


def test_the_same_bytes_on_one_core_as_on_two(finished, fresh, tmp_path):
    again = fresh.copy(tmp_path / "again")
    again.run("snakemake", "--cores", "1", "stage_metrics", CXRFAIR_NOTE="one core")
    for pattern in ("data/phantom/*/*.csv", "data/images/*/*", "results/m*/quickstart/**/*.*"):
        files = [path for path in again.root.glob(pattern) if path.is_file()]
        assert files
        for path in files:
            twin = finished.root / path.relative_to(again.root)
            assert path.read_bytes() == twin.read_bytes(), path


def test_the_tracker_holds_a_run_for_every_training_below_its_study(finished):
    code = (
        "import mlflow, json; mlflow.set_tracking_uri('sqlite:///mlflow.db');"
        "runs = mlflow.search_runs(search_all_experiments=True);"
        "print(json.dumps([[str(v) for v in row] for row in runs[['tags.mlflow.runName','status',"
        "'metrics.epoch/train_loss','metrics.test/auroc.mean','tags.dvc.md5.index',"
        "'tags.mlflow.parentRunId']].values.tolist()]))"
    )
    rows = json.loads(finished.run("python", "-W", "ignore", "-c", code).stdout.splitlines()[-1])
    trainings = [row for row in rows if "/" in row[0]]
    assert len(trainings) == 4
    assert {row[1] for row in rows} == {"FINISHED"}
    assert all(float(row[2]) > 0 and 0 <= float(row[3]) <= 1 for row in trainings)
    assert len({row[5] for row in trainings}) == 1
    kept = {p.parent.name + p.name for p in (finished.root / ".dvc/cache/files/md5").glob("*/*")}
    assert {row[4] for row in trainings} <= kept


def test_a_misspelt_setting_stops_before_the_first_job(fresh, tmp_path):
    workplace = fresh.copy(tmp_path / "wrong")
    workplace.edit("params.yaml", "learning_rate:", "lerning_rate:")
    done = workplace.snakemake(check=False)
    assert done.returncode
    assert "params.yaml train.optimiser.lerning_rate: no such setting" in done.stderr
    assert not (workplace.root / "data/phantom").exists()


def test_a_folder_that_is_not_there_stops_before_the_first_job(fresh, tmp_path):
    workplace = fresh.copy(tmp_path / "wrong")
    workplace.params(data__nih_chestxray14__root="/no/such/folder")
    done = workplace.snakemake(check=False)
    assert done.returncode
    assert "data.nih_chestxray14.root: no folder '/no/such/folder'" in done.stderr + done.stdout


def test_too_many_bad_images_stop_the_run_and_leave_a_list(workplace):
    images = sorted((workplace.root / "data/phantom/nih_chestxray14/images").glob("*.png"))
    for path in images[: len(images) // 4]:
        path.write_bytes(path.read_bytes()[:200])
    done = workplace.snakemake("stage_images", check=False)
    assert done.returncode
    assert "params.yaml images.max_quarantined allows" in done.stderr + done.stdout
    listed = pd.read_csv(workplace.root / ".cxrfair/quarantine/nih_chestxray14.csv")
    assert len(listed) >= len(images) // 4
    assert not (workplace.root / "data/images/nih_chestxray14/pixels.npy").exists()


def test_a_bad_row_of_a_table_is_named_by_file_row_and_column(workplace):
    table = workplace.root / "data/phantom/nih_chestxray14/Data_Entry_2017_v2020.csv"
    lines = table.read_text().splitlines()
    lines[3] = lines[3].replace("No Finding", "Flu").replace("Effusion", "Flu")
    lines[3] = lines[3].replace(lines[3].split(",")[1], "Flu")
    table.write_text("\n".join(lines) + "\n")
    done = workplace.snakemake("stage_records", check=False)
    assert done.returncode
    said = done.stderr + done.stdout
    assert "Data_Entry_2017_v2020.csv" in said
    assert "row 4" in said or "line 4" in said
    assert "Flu" in said


def test_the_pipeline_goes_on_without_a_tracker(workplace):
    workplace.params(train__epochs=3)
    done = workplace.snakemake("stage_train", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.stderr.count("warning: MLflow does not answer") == 1


def test_snakemake_finds_no_fault_with_the_workflow(fresh):
    done = fresh.snakemake("--lint", check=False)
    assert done.returncode == 0, done.stderr
