"""What other data sets hold on an image reaches its study: stays, places, annotations."""

import json

import pandas as pd
import pytest

pytestmark = pytest.mark.workflow

COMMON = {"reference": "erm", "variants": {"erm": {"method": "erm"}}, "seeds": [0]}


@pytest.fixture(scope="module")
def linked(fresh, tmp_path_factory):
    """Two studies up to their folds: MIMIC-CXR by income, CheXpert by race."""
    workplace = fresh.copy(tmp_path_factory.mktemp("linked") / "clone")
    workplace.params(
        studies={
            "places": COMMON
            | {
                "datasets": ["mimic_cxr"],
                "labels": ["pleural_effusion"],
                "attributes": ["income", "insurance_coverage x race"],
            },
            "marked": COMMON
            | {"datasets": ["chexpert"], "labels": ["edema"], "attributes": ["race", "sex"]},
        }
    )
    workplace.snakemake("stage_cohort", "stage_rebalance")
    return workplace.root / "data"


def test_income_is_cut_at_the_training_patients_median_and_named(linked):
    folder = linked / "processed/places/mimic_cxr"
    cohort = pd.read_parquet(folder / "cohort.parquet")
    chosen = pd.read_parquet(folder / "chosen.parquet")
    splits = pd.read_parquet(folder / "splits.parquet")
    rows = chosen.merge(splits, on="image_id").merge(cohort[["image_id", "income"]], on="image_id")
    training = rows[rows["fold"] == "train"].drop_duplicates("patient_id")
    limit = training["sdoh_income"].median()
    assert set(rows["income"]) == {"low", "high"}
    assert ((rows["income"] == "high") == (rows["sdoh_income"] >= limit)).all()
    cut = json.loads((folder / "cuts.json").read_text())["income"]
    assert cut["limits"] == [limit]
    assert cut["n_patients"] == len(training)
    assert cut["fitted_on"] == "train"


def test_the_flow_counts_stays_and_places(linked):
    flow = pd.read_parquet(linked / "processed/places/mimic_cxr/flow.parquet")
    said = " | ".join(flow["step"] + ": " + flow["why"].fillna(""))
    for word in ("admission", "emergency", "nearest", "county", "tract", "known income"):
        assert word in said, said
    assert (flow["images_in"] - flow["images_out"] == flow["images_lost"]).all()


def test_masks_of_chexlocalize_are_linked_to_images_of_chexpert(linked):
    marks = pd.read_parquet(linked / "interim/chexpert/linked_annotations.parquet")
    records = pd.read_parquet(linked / "interim/chexpert/linked.parquet")
    assert len(marks) > 0
    assert set(marks["kind"]) <= {"rle", "polygon"}
    assert set(marks["image_id"]) <= set(records["image_id"])


def test_no_patient_and_no_picture_is_in_two_folds(linked):
    for study, dataset in (("places", "mimic_cxr"), ("marked", "chexpert")):
        said = json.loads((linked / f"processed/{study}/{dataset}/leakage.json").read_text())
        assert said["patients_in_two_folds"] == said["pictures_in_two_folds"] == 0
        assert said["image_level"]["beside_own_patient"] > 0
