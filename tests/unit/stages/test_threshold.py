"""The stage that makes thresholds, from tables on disk."""

import json

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.stages import _cli
from cxrfair.stages.threshold import threshold

POST = {"rule": "equalised_odds", "groups": ["sex"]}


@pytest.fixture
def given(made, tmp_path):
    study = made.study(datasets=("nih",), variants={"erm": {"method": "erm"}}, seeds=(0,))
    cohort, fold = made.cohort("nih")
    rows = made.predictions(study, cohort, fold, made.Model("nih", "erm", 0))
    cohort = cohort.assign(official_fold=None)[tables.COHORT.schema.names]
    tables.COHORT.write(cohort, tmp_path / "cohort.parquet")
    return rows, cohort, tmp_path


def run(rows, folder, post, cohort=("cohort.parquet",)):
    tables.PREDICTIONS.write(rows, folder / "predictions.parquet")
    out = folder / "thresholds.parquet"
    arguments = {
        "--predictions": [str(folder / "predictions.parquet")],
        "--cohort": [str(folder / name) for name in cohort],
        "--config": ['{"rule": "youden"}'],
        "--post": [json.dumps(post)],
        "--thresholds": [str(out)],
    }
    _cli.call(threshold, [part for key, of in arguments.items() for part in (key, *of)])
    return tables.THRESHOLDS.read(out)


def test_a_variant_has_one_threshold_a_label(given):
    rows, _, folder = given
    found = run(rows, folder, {}, cohort=())
    assert found[["label", "group", "part", "share"]].to_numpy().tolist() == [
        ["no_finding", "all", 0, 1.0],
        ["pleural_effusion", "all", 0, 1.0],
    ]


def test_groups_have_their_own_beside_it(given):
    rows, _, folder = given
    usual = run(rows, folder, {}, cohort=())
    found = run(rows, folder, POST)
    assert set(found["group"]) == {"all", "female", "male"}
    whole = found[found["group"] == "all"].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole, usual)
    np.testing.assert_allclose(found.groupby(["label", "group"])["share"].sum(), 1)


def test_labels_and_scores_of_other_folds_change_nothing(given):
    rows, _, folder = given
    before = run(rows, folder, POST)
    other = rows["fold"] != "validation"
    flipped = rows.assign(target=rows["target"].mask(other, 1 - rows["target"]))
    flipped["score"] = flipped["score"].mask(other, 0.5).astype("float32")
    pd.testing.assert_frame_equal(run(flipped, folder, POST), before)
    changed = rows.assign(target=rows["target"].mask(~other, 1 - rows["target"]))
    assert not run(changed, folder, POST)["value"].equals(before["value"])


def test_groups_of_test_people_change_nothing(given):
    rows, cohort, folder = given
    before = run(rows, folder, POST)
    seen = set(rows.loc[rows["fold"] == "validation", "image_id"])
    swapped = cohort.assign(sex=cohort["sex"].where(cohort["image_id"].isin(seen), "unknown"))
    tables.COHORT.write(swapped, folder / "cohort.parquet")
    pd.testing.assert_frame_equal(run(rows, folder, POST), before)
