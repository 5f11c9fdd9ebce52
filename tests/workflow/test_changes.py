"""What re-runs after a change: exactly what depends on it, in Snakemake and in DVC alike."""

import os
import shutil
import subprocess

import pytest
import yaml

pytestmark = pytest.mark.workflow

AFTER_TRAINING = ["predict", "metrics", "report"]
FROM_RECORDS = ["records", "images", "cohort", "rebalance", "train", *AFTER_TRAINING]


def test_after_a_finished_run_there_is_nothing_to_do_in_either(finished):
    assert finished.planned() == {}
    assert finished.stale() == []
    assert "up to date" in finished.run("dvc", "status").stdout


def test_touching_every_file_re_runs_nothing(workplace):
    for folder in ("src", "workflow", "data", "results"):
        for path in (workplace.root / folder).rglob("*"):
            if path.is_file():
                os.utime(path)
    assert workplace.planned() == {}
    assert workplace.stale() == []


def test_editing_a_method_re_runs_its_models_and_what_follows(workplace):
    workplace.edit("src/cxrfair/methods/group_dro.py", '"""Group', '"""The group')
    follows = {"train": 2, "predict": 2, "embed": 2, "threshold": 2}
    follows |= {"probe": 2, "select": 1, "audit": 1, "report": 1, "page": 1}
    assert workplace.planned() == follows
    assert workplace.stale()[:1] == ["train"]
    workplace.run("dvc", "repro")
    assert workplace.planned() == {}
    assert workplace.stale() == []


def test_changing_one_setting_re_runs_its_readers(workplace):
    workplace.params(threshold__rule="youden")
    assert workplace.planned() == {"threshold": 4, "audit": 1, "report": 1, "page": 1}
    assert workplace.stale() == ["predict", "metrics"]  # heads for other labels too
    workplace.snakemake()
    workplace.run("dvc", "repro")
    assert workplace.stale() == []


def test_changing_the_tracker_s_settings_re_runs_nothing(workplace):
    workplace.params(tracking__experiment="other")
    assert workplace.planned() == {}
    assert workplace.stale() == []


def test_adding_a_row_of_data_re_runs_its_data_set_and_what_follows(workplace):
    root = workplace.root / "data/phantom/nih_chestxray14"
    table = root / "Data_Entry_2017_v2020.csv"
    first = table.read_text().splitlines()[1]
    name = first.split(",")[0]
    shutil.copy(root / "images" / name, root / "images" / "00099999_000.png")
    table.write_text(table.read_text() + first.replace(name, "00099999_000.png") + "\n")
    jobs = workplace.planned()
    assert jobs == {
        "ingest": 1, "images_shard": 2, "images": 1, "cohort": 1, "split": 1, "group": 1,
        "rebalance": 1, "train": 2, "predict": 2, "embed": 2, "threshold": 2, "probe": 1,
        "select": 1, "audit": 1, "report": 1, "page": 1,
    }  # fmt: skip
    assert set(workplace.stale()) <= {"phantom", *FROM_RECORDS}
    assert workplace.stale()


def test_editing_one_image_in_place_is_noticed(workplace):
    image = next((workplace.root / "data/phantom/mimic_cxr").rglob("*.jpg"))
    image.write_bytes(image.read_bytes()[:-1])
    assert {"images", "train", "report"} <= set(workplace.planned())
    assert workplace.stale()


def test_deleted_results_come_back_by_checkout_and_sync(workplace):
    for name in ("data", "results"):
        shutil.rmtree(workplace.root / name)
    workplace.run("dvc", "checkout")
    refused = workplace.snakemake("--dry-run")
    assert refused.returncode == 0
    workplace.run("make", "sync", "STAMP=", f"VENV={os.devnull}")
    assert workplace.planned() == {}
    assert workplace.stale() == []


def test_a_fresh_clone_gets_results_by_pull_and_sync(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone")
    subprocess.run(
        ["rm", "-rf", ".snakemake", ".cxrfair", ".dvc/cache", "data", "results"],
        cwd=clone.root,
        check=True,
    )
    clone.run("dvc", "pull")
    done = clone.snakemake("--forcerun", "report", check=False)
    assert done.returncode
    assert "no record of how they were made" in done.stderr
    clone.run("make", "sync", "STAMP=", f"VENV={os.devnull}")
    assert clone.planned() == {}
    assert clone.stale() == []


def test_dvc_shows_metrics_plots_and_changed_settings(workplace):
    shown = workplace.run("dvc", "metrics", "show").stdout
    assert "auroc_gap_sex" in shown
    done = workplace.run("dvc", "plots", "show", "--out", "plots")
    assert (workplace.root / "plots/index.html").is_file(), done.stderr
    workplace.params(train__epochs=5)
    assert "train.epochs" in workplace.run("dvc", "params", "diff").stdout


def test_dvc_refuses_a_data_set_it_does_not_watch(workplace):
    workplace.params(studies__quickstart__datasets=["chexpert"])
    done = workplace.run("dvc", "repro", "records", check=False)
    assert done.returncode
    wanted = "${data.chexlocalize.root}, ${data.chexpert.root} not among the deps"
    assert wanted in done.stdout + done.stderr


def test_linked_caches_are_refused(workplace):
    workplace.run("dvc", "config", "cache.type", "hardlink")
    workplace.params(threshold__rule="youden")
    done = workplace.run("dvc", "repro", check=False)
    assert done.returncode
    assert "cache.type is hardlink; allowed: reflink,copy" in done.stderr + done.stdout


CHANGES = {
    "phantom__noise": 0.5, "link__nearest_max_days": 10, "cohort__unknown_attributes": "keep",
    "labels__uncertain": {"default": "zero"}, "split__seed": 8, "images__size": 24,
    "train__batch_size": 32, "train__optimiser__learning_rate": 0.002,
    "methods__group_dro__step_size": 0.5, "threshold__rule": "youden", "audit__resamples": 41,
    "audit__matched": [], "probe__penalty": 0.01,
    "report__public": True, "rebalance__balanced__over": ["sex"],
}  # fmt: skip


@pytest.mark.parametrize("path", CHANGES)
def test_dvc_knows_every_setting_that_snakemake_knows(workplace, path):
    workplace.params(**{path: CHANGES[path]})
    stages = yaml.safe_load((workplace.root / "dvc.yaml").read_text())["stages"]
    rule_of = {rule: name for name, stage in stages.items() for rule in stage["cmd"].split()[2:]}
    jobs = workplace.planned()
    affected = {rule_of[rule] for rule in jobs}
    section = path.split("__")[0]
    readers = {
        name
        for name, stage in stages.items()
        if any(p.split(".")[0] == section for p in stage["params"])
    }
    first = [name for name in stages if name in affected][:1]
    assert set(first) <= readers, f"{section} re-runs {sorted(affected)}, dvc.yaml says {readers}"
