"""Sums over training images: who is one, who is positive, and what is added up, by hand."""

import numpy as np
import pandas as pd
import pytest

from cxrfair.tallies import TallyError, tally, trainees


def test_only_the_training_fold_is_there_and_doubt_is_no_positive(plan, people):
    of = trainees(people, plan)
    assert of.members["image_id"].tolist() == ["a", "b", "c"]
    assert len(of) == 3
    assert of.positive["edema"].tolist() == [True, False, True]
    assert of.positive["mass"].tolist() == [False, True, False]


def test_every_group_and_label_is_summed_once(plan, people):
    rows = list(tally({"n": np.array([1, 10, 100])}, trainees(people, plan), plan))
    found = {(row["attribute"], row["group"], row["label"]): row["n"] for row in rows}
    assert len(rows) == len(found)
    assert found == {
        ("all", "all", "any"): 111,
        ("sex", "female", "any"): 1,
        ("sex", "male", "any"): 110,
        ("sex x age", "female x old", "any"): 1,
        ("sex x age", "male x old", "any"): 10,
        ("sex x age", "unknown", "any"): 100,
        ("all", "all", "edema"): 101,
        ("all", "all", "mass"): 10,
    }


def test_images_of_other_folds_and_of_nobody_are_refused(plan, people):
    of = trainees(people, plan)
    assert of.rows(pd.Series(["c", "a", "c"]), "a list").tolist() == [2, 0, 2]
    with pytest.raises(TallyError, match="a list: 2 entries are of no training image; allowed: 0"):
        of.rows(pd.Series(["a", "d", "z"]), "a list")
