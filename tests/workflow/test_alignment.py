"""Several sites pooled, a hospital only tested on, outlines learnt from and pointed at."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.workflow

VIT = {"backbone": "test_vit"}
SMALL = {"layers": 1, "feedforward": 32}
STUDY = {
    "paper": "alignment",
    "datasets": ["sites", "chexpert"],
    "external": ["chexpert"],
    "labels": ["pleural_effusion"],
    "attributes": ["sex", "age"],
    "cohort": {"age_bins_years": [60]},
    "reference": "aligned_0",
    "products": ["maps", "pointing"],
    "variants": {
        "aligned_0": {
            "method": "aligner",
            "rebalance": "guided_0",
            "settings": SMALL,
            "train": VIT,
        },
        "aligned_50": {
            "method": "aligner",
            "rebalance": "guided_50",
            "settings": SMALL,
            "train": VIT,
        },
        "erm": {"method": "erm"},
        "erm_odds": {"post": "equalised_odds", "upstream": "erm", "groups": ["sex"]},
    },
    "seeds": [0],
}
TRUE = {
    "datasets": ["chexpert"],
    "guidance": "truth",
    "labels": ["cardiomegaly"],
    "attributes": ["sex"],
    "reference": "guided",
    "products": ["maps", "pointing"],
    "variants": {
        "guided": {
            "method": "aligner",
            "rebalance": "guided_100",
            "settings": SMALL,
            "train": VIT,
        }
    },
    "seeds": [0],
}
TRAINED = ("aligned_0", "aligned_50", "erm")


@pytest.fixture(scope="module")
def made(fresh, repo, tmp_path_factory):
    """A workplace with two studies, after Snakemake."""
    workplace = fresh.copy(tmp_path_factory.mktemp("alignment") / "clone")
    shutil.copy(repo / "dvc.yaml", workplace.root)
    workplace.params(studies={"aligned": STUDY, "true": TRUE}, phantom__box_share=1.0)
    workplace.snakemake()
    return workplace


def read(workplace, path):
    return pd.read_parquet(workplace.root / path)


def test_a_pool_holds_what_its_data_sets_hold(made):
    records = read(made, "data/interim/sites/records.parquet")
    parts = [
        read(made, f"data/interim/{d}/records.parquet") for d in ("nih_chestxray14", "vindr_cxr")
    ]
    assert len(records) == sum(map(len, parts))
    assert set(records["image_id"].str.split(":").str[0]) == {"nih_chestxray14", "vindr_cxr"}
    pixels = np.load(made.root / "data/images/sites/pixels.npy", mmap_mode="r")
    index = read(made, "data/images/sites/index.parquet").set_index("image_id")
    own = read(made, "data/images/vindr_cxr/index.parquet").set_index("image_id")
    store = np.load(made.root / "data/images/vindr_cxr/pixels.npy", mmap_mode="r")
    for image, row in own["row"].dropna().head(5).items():
        pooled = index.loc[f"vindr_cxr:{image}", "row"]
        np.testing.assert_array_equal(pixels[int(pooled)], store[int(row)])


def test_an_external_data_set_is_tested_on_whole_and_shares_nobody(made):
    folds = read(made, "data/processed/aligned/chexpert/splits.parquet")
    assert set(folds["fold"]) == {"test"}
    chosen = read(made, "data/processed/aligned/chexpert/chosen.parquet")
    assert len(folds) == len(chosen)
    home = read(made, "data/processed/aligned/sites/chosen.parquet")
    assert not set(chosen["patient_id"]) & set(home["patient_id"])


def test_networks_are_trained_at_home_alone_and_tested_everywhere(made):
    models = made.root / "results/models/aligned"
    assert {path.name for path in models.iterdir()} == {"sites"}
    for dataset, folds in (("sites", {"train", "validation", "test"}), ("chexpert", {"test"})):
        for variant in TRAINED:
            folder = f"results/predictions/aligned/{dataset}/{variant}/seed-0"
            assert set(read(made, f"{folder}/predictions.parquet")["fold"]) == folds
    assert not list((made.root / "results/predictions/aligned/chexpert").glob("*/*/thresholds*"))
    metrics = read(made, "results/metrics/aligned/metrics.parquet")
    assert set(metrics["variant"]) == {*TRAINED, "erm_odds"}
    assert set(metrics["dataset"]) == {"sites", "chexpert"}
    selection = read(made, "results/metrics/aligned/selection.parquet")
    assert set(selection["dataset"]) == {"sites"}


def test_the_same_images_are_learnt_from_at_every_level(made):
    lists = {
        level: read(made, f"data/training/aligned/sites/guided_{level}/seed-0.parquet")
        for level in (0, 50)
    }
    places = read(made, "data/masks/aligned/sites/masks.parquet")
    targets = read(made, "data/processed/aligned/sites/targets.parquet")
    positive = targets[(targets["label"] == "pleural_effusion") & (targets["target"] == 1)]
    outlined = places[(places["fold"] == "train") & places["image_id"].isin(positive["image_id"])]
    assert len(outlined) > 3
    assert list(lists[0]["image_id"]) == list(lists[50]["image_id"])
    assert lists[0]["guided"].isna().all()
    guided = lists[50].dropna(subset="guided")
    assert len(guided) == round(0.5 * len(outlined))
    assert set(guided["image_id"]) <= set(outlined["image_id"])
    assert all(json.loads(of) == ["pleural_effusion"] for of in guided["guided"])


@pytest.mark.parametrize(
    ("study", "dataset"), [("aligned", "sites"), ("aligned", "chexpert"), ("true", "chexpert")]
)
def test_maps_are_held_against_outlines(made, study, dataset):
    pointing = read(made, f"results/metrics/{study}/{dataset}/pointing.parquet")
    hits = pointing[(pointing["statistic"] == "hit_rate") & pointing["value"].notna()]
    assert len(hits) > 0
    assert hits["value"].between(0, 1).all()
    assert (pointing["value"].notna() | pointing["note"].notna()).all()


def test_truth_outlines_every_finding_in_the_same_table(made):
    true = read(made, "data/masks/chexpert.annotations.parquet")
    assert set(true["kind"]) == {"rle"}
    assert set(true["source"]) == {"phantom"}
    said = read(made, "data/interim/chexpert/linked_annotations.parquet")
    assert list(true.columns) == list(said.columns)
    assert {"cardiomegaly", "pleural_effusion", "support_devices"} <= set(true["label"])
    assert not true.duplicated(["image_id", "label"]).any()
    records = read(made, "data/interim/chexpert/records.parquet")
    assert set(true["image_id"]) <= set(records["image_id"])


def test_the_report_shows_it_and_nothing_is_left_to_do(made):
    folder = made.root / "results/report/aligned"
    for name in ("tables/alignment.csv", "tables/alignment_recount.csv", "figures/overlays.png"):
        assert (folder / name).is_file(), name
    assert made.planned() == {}


def test_another_level_trains_that_variant_alone(made, tmp_path):
    changed = made.copy(tmp_path / "changed")
    changed.params(rebalance__guided_50__level=0.75)
    planned = changed.planned()
    assert planned["train"] == 1
    assert planned["predict"] == 2
    assert planned["rebalance"] == 1
    assert "masks" not in planned


REFUSED = {
    "nobody to learn from": ({"studies__aligned__external": ["sites", "chexpert"]}, "external"),
    "two homes": ({"studies__aligned__datasets": ["sites", "padchest", "chexpert"]}, "external"),
    "a pool of nothing": ({"data__sites__pool": ["nih_chestxray14", "nobody"]}, "nobody"),
    "pointing without maps": ({"studies__aligned__products": ["pointing"]}, "maps"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_the_first_job(fresh, tmp_path, case):
    changes, said = REFUSED[case]
    workplace = fresh.copy(tmp_path / "wrong")
    workplace.params(studies={"aligned": STUDY})
    workplace.params(**changes)
    done = workplace.snakemake(check=False)
    assert done.returncode
    assert said in done.stderr
    assert not (workplace.root / "data/phantom").exists()


OVERLAYS = {
    "alignment": {"alignment_lesions", "alignment_fluid"},
    "alignment_nih": {"alignment_nih"},
}


@pytest.mark.parametrize("scale", ["demo", "paper"])
@pytest.mark.parametrize("name", OVERLAYS)
def test_a_study_file_is_planned_at_every_scale_and_alone(fresh, repo, tmp_path, name, scale):
    workplace = fresh.copy(tmp_path / "clone")
    shutil.copy(repo / "params.yaml", workplace.root)
    file = f"workflow/studies/{name}.yaml"
    settings = ("--configfile", "params.yaml", file, "--config", f"scale={scale}")
    done = workplace.snakemake("--dry-run", *settings)
    own = yaml.safe_load((repo / file).read_text())["studies"]
    assert {study for study, of in own.items() if of is not None} == OVERLAYS[name]
    for study in OVERLAYS[name]:
        assert f": {study}: train " in done.stdout
