import pandas as pd
import pytest

from cxrfair.rebalance import members


def test_only_training_images_with_a_column_for_each_label():
    cohort = pd.DataFrame({"image_id": ["a", "b", "c"], "patient_id": "p"}).assign(
        sex="female", age="20-40", race="white", insurance="medicare", view="AP"
    )
    splits = pd.DataFrame({"image_id": ["a", "b", "c"], "fold": ["train", "test", "train"]})
    targets = pd.DataFrame(
        {
            "image_id": ["a", "b", "c", "a"],
            "label": ["edema", "edema", "edema", "mass"],
            "target": pd.Series([1, 0, pd.NA, 0], dtype="Int8"),
        }
    )
    rows = members(cohort, targets, splits)
    assert rows["image_id"].tolist() == ["a", "c"]
    assert rows["edema"].tolist()[0] == 1
    assert rows["edema"].isna().tolist() == [False, True]
    assert "patient_id" not in rows
    with pytest.raises(KeyError):
        members(cohort, targets.drop(columns="label"), splits)


def test_images_without_a_fold_are_left_out_doubts_are_missing_and_more_attributes_are_kept():
    cohort = pd.DataFrame({"image_id": ["a", "b", "c"], "patient_id": "p"}).assign(
        sex="female", age="20-40", race="white", insurance="medicare", view="AP", income="low"
    )
    splits = pd.DataFrame({"image_id": ["a", "c"], "fold": ["train", "train"]})
    targets = pd.DataFrame(
        {
            "image_id": ["a", "b", "c"],
            "label": "edema",
            "target": pd.Series([1, 1, -1], dtype="Int8"),
        }
    )
    rows = members(cohort, targets, splits)
    assert rows["image_id"].tolist() == ["a", "c"]
    assert rows["edema"].isna().tolist() == [False, True]
    assert rows["income"].tolist() == ["low", "low"]
    assert list(rows) == ["image_id", "sex", "age", "race", "insurance", "view", "income", "edema"]
