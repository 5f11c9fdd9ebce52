"""Effects of attributes, what speaks for them, other labels' heads; and cases of a real table."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.workflow

QUICKSTART = "studies__quickstart"
DATASETS = ("mimic_cxr", "nih_chestxray14")
OTHERS = ["cardiomegaly", "pneumothorax"]
ASKED = {
    f"{QUICKSTART}__products": ["embeddings", "saliency"],
    f"{QUICKSTART}__effects": {"sex": ["male", "female"]},
    f"{QUICKSTART}__downstream": OTHERS,
}
STAGES = ("intervene", "answer", "effects", "explain", "overlap", "refit")
MADE = (
    "data/interventions/quickstart/{}.npy",
    "data/interventions/quickstart/{}.parquet",
    "results/predictions/quickstart/{}/answers.parquet",
    "results/predictions/quickstart/{}/saliency.npy",
    "results/predictions/quickstart/{}/saliency.npz",
    "results/predictions/quickstart/{}/saliency.parquet",
    "results/metrics/quickstart/{}/effects.parquet",
    "results/metrics/quickstart/{}/overlap.parquet",
    "results/metrics/quickstart/{}/panels.npz",
    "results/metrics/quickstart/{}/downstream.parquet",
)
TCGA = {
    "paper": "fair_diagnosis",
    "datasets": ["tcga_luad"],
    "labels": ["late_stage"],
    "attributes": ["sex"],
    "reference": "vanilla",
    "products": ["embeddings", "saliency"],
    "effects": {"sex": ["male", "female"]},
    "split": {"stratify": ["sex"]},
    "variants": {
        "vanilla": {"method": "infomax"},
        "fair_diagnosis": {"method": "fair_diagnosis", "groups": ["sex"], "upstream": "vanilla"},
    },
    "seeds": [0],
}


@pytest.fixture(scope="module")
def asked(finished, tmp_path_factory):
    """A finished workplace that was asked for effects, and what that re-ran."""
    workplace = finished.copy(tmp_path_factory.mktemp("causal") / "clone")
    workplace.params(**ASKED)
    planned = workplace.planned()
    workplace.snakemake()
    return workplace, planned


@pytest.fixture(scope="module")
def results(asked):
    return asked[0].root / "results"


def metric(results, dataset, name):
    return pd.read_parquet(results / f"metrics/quickstart/{dataset}/{name}.parquet")


def test_effects_are_measured_without_training_anything(asked):
    told_of_the_study = {"probe": 2, "audit": 1, "select": 1}
    assert asked[1] == dict.fromkeys(STAGES, 2) | told_of_the_study | {"report": 1, "page": 1}


def test_every_world_pictures_the_same_test_images(asked):
    folder = asked[0].root
    for dataset in DATASETS:
        index = pd.read_parquet(folder / f"data/interventions/quickstart/{dataset}.parquet")
        pixels = np.load(folder / f"data/interventions/quickstart/{dataset}.npy", mmap_mode="r")
        splits = pd.read_parquet(folder / f"data/processed/quickstart/{dataset}/splits.parquet")
        tested = set(splits.loc[splits["fold"] == "test", "image_id"])
        worlds = index.groupby(["shown", "ill"])["image_id"].agg(set)
        assert len(pixels) == index["row"].nunique()
        assert len(worlds) == 4
        assert all(images == worlds.iloc[0] for images in worlds)
        assert worlds.iloc[0] <= tested


def test_each_model_has_its_direct_indirect_and_total_effect(results):
    for dataset in DATASETS:
        found = metric(results, dataset, "effects")
        assert set(found["variant"]) == {"erm", "group_dro"}
        assert set(found["effect"]) == {"direct", "indirect", "total"}
        told = found[found["value"].notna()]
        assert len(told) > 0
        assert (told["ci_low"] <= told["value"]).all()
        assert (told["value"] <= told["ci_high"]).all()
        assert (found["value"].notna() | found["note"].notna()).all()
        scores = found[(found["of"] == "score") & (found["label"] == "pleural_effusion")]
        direct = scores[scores["effect"] == "direct"]
        assert (direct["value"].abs() > 0).all()


def test_overlap_of_label_and_attribute_is_a_share(results):
    for dataset in DATASETS:
        found = metric(results, dataset, "overlap")
        assert set(found["variant"]) == {"erm", "group_dro"}
        assert set(found["attribute"]) == {"sex"}
        assert found["value"].dropna().between(0, 1).all()
        assert (found["n"] + found["blank"] > 0).all()  # two epochs: most maps may be empty
        assert (found["value"].notna() == (found["n"] > 0)).all()


def test_heads_of_other_labels_are_fitted_on_every_models_features(results):
    for dataset in DATASETS:
        found = metric(results, dataset, "downstream")
        assert set(found["label"]) == set(OTHERS)
        assert set(found["variant"]) == {"erm", "group_dro"}
        assert (found["value"].notna() | found["note"].notna()).all()


def test_the_report_has_their_tables_and_pictures(results):
    report = results / "report/quickstart"
    for name in ("effects", "adf_effect", "overlap", "downstream"):
        assert len(pd.read_csv(report / f"tables/{name}.csv")) > 0
    for name in ("adf_effect", "saliency", "downstream"):
        assert (report / f"figures/{name}.png").stat().st_size > 0
    page = (results / "report/index.html").read_text()
    for said in ("male", "Direct effect", "Pneumothorax"):
        assert said in page


def test_what_is_made_again_is_the_same_bytes(asked):
    workplace = asked[0]
    files = [workplace.root / name.format(dataset) for name in MADE for dataset in DATASETS]
    before = {path: path.read_bytes() for path in files}
    for path in files:
        path.unlink()
    assert workplace.planned() == dict.fromkeys(STAGES, 2) | {"report": 1, "page": 1}
    workplace.snakemake()
    for path, bytes_before in before.items():
        assert path.read_bytes() == bytes_before, path


def test_dvc_keeps_them_and_sees_when_one_is_gone(asked):
    workplace = asked[0]
    assert "predict" in workplace.stale()
    workplace.run("dvc", "repro")
    assert workplace.stale() == []
    kept = (workplace.root / "dvc.lock").read_text()
    assert "data/interventions" in kept
    (workplace.root / "results/metrics/quickstart/mimic_cxr/effects.parquet").unlink()
    assert workplace.stale()[:1] == ["metrics"]


@pytest.fixture(scope="module")
def illustrated(fresh, shared_data, tmp_path_factory):
    """The real clinical table's first cases, with simulated slices, through the whole pipeline."""
    workplace = fresh.copy(tmp_path_factory.mktemp("tcga") / "clone")
    workplace.params(studies={"tcga": TCGA}, cohort__views=["CT"])
    workplace.params(labels__unmentioned={"default": "zero", "late_stage": "ignore"})
    workplace.params(data__tcga_luad={"root": "data/raw/tcga_illustrated"}, phantom__patients=300)
    table = str(shutil.copy(shared_data / "tcga_luad/clinical.tsv", workplace.root / "cases.tsv"))
    workplace.run("cxrfair", "phantom", "illustrate", table, "data/raw/tcga_illustrated")
    workplace.snakemake()
    return workplace.root


def test_patients_of_the_real_table_are_in_one_fold_each(illustrated):
    folder = illustrated / "data/processed/tcga/tcga_luad"
    rows = pd.read_parquet(folder / "cohort.parquet").merge(
        pd.read_parquet(folder / "splits.parquet"), on="image_id"
    )
    assert (rows.groupby("patient_id")["fold"].nunique() == 1).all()
    assert (rows.groupby("patient_id").size() > 1).any()
    said = json.loads((folder / "leakage.json").read_text())
    assert said["patients_in_two_folds"] == said["pictures_in_two_folds"] == 0
    assert said["image_level"]["beside_own_patient"] > 0


def test_sexes_and_stages_are_those_of_the_real_table(illustrated):
    real = pd.read_csv(illustrated / "cases.tsv", sep="\t", dtype="str")
    sexes = real.drop_duplicates("cases.submitter_id").set_index("cases.submitter_id")
    folder = illustrated / "data/processed/tcga/tcga_luad"
    cohort = pd.read_parquet(folder / "cohort.parquet").drop_duplicates("patient_id")
    said = sexes.loc[cohort["patient_id"], "demographic.gender"]
    assert said.to_list() == cohort["sex"].to_list()
    assert set(said) == {"female", "male"}
    stages = real.groupby("cases.submitter_id")["diagnoses.ajcc_pathologic_stage"].agg(set)
    targets = pd.read_parquet(folder / "targets.parquet").merge(cohort, on="image_id")
    known = targets[targets["target"].notna()]
    assert set(known["target"]) == {0, 1}
    for case, late in zip(known["patient_id"], known["target"], strict=True):
        allowed = ("Stage III", "Stage IV") if late else ("Stage I", "Stage II")
        assert any(re.fullmatch(rf"({'|'.join(allowed)})[ABC]?", stage) for stage in stages[case])


def test_the_report_of_the_real_table_measures_no_effect_and_draws_nobody(illustrated):
    report = illustrated / "results/report/tcga"
    paper = pd.read_csv(report / "tables/paper.csv")
    assert {"vanilla", "fair_diagnosis"} <= set(paper["variant"])
    assert len(pd.read_csv(report / "tables/overlap.csv")) > 0
    drawn = {path.stem for path in (report / "figures").glob("*.png")}
    assert not {"adf_effect", "saliency", "masks"} & drawn
    assert not (illustrated / "data/interventions").exists()
