"""Whose images methods leave out or draw more often: by hand, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from cxrfair.redrawn import RedrawnError, count
from cxrfair.studies import Study
from cxrfair.tables import REDRAWN

IMAGES = ["a", "b", "c", "d", "e"]
FOLDS = ["train", "train", "train", "validation", "test"]
STUDY = Study.model_validate(
    {
        **{"datasets": ("nih",), "labels": ("edema", "mass"), "attributes": ("sex", "sex x age")},
        **{"reference": "erm", "variants": {"erm": {"method": "erm"}}, "seeds": (0, 1)},
    }
)


@pytest.fixture
def people():
    cohort = pd.DataFrame(
        {
            "image_id": IMAGES,
            "sex": ["female", "male", "male", "male", "female"],
            "age": ["old", "old", "unknown", "old", "old"],
        }
    )
    targets = pd.DataFrame(
        {
            "image_id": [*IMAGES, *IMAGES[:3]],
            "label": ["edema"] * 5 + ["mass"] * 3,
            "target": pd.array([1, 0, 1, 1, 1, -1, 1, None], "Int8"),
        }
    )
    return cohort, targets, pd.DataFrame({"image_id": IMAGES, "fold": FOLDS})


def _drawn(images, repeats):
    return pd.DataFrame({"image_id": images, "repeats": repeats})


def _at(found, *place):
    keys = ["variant", "seed", "attribute", "group", "label"]
    row = found.set_index(keys).loc[place]
    return row["n"], row["n_left_out"], row["n_more"]


def test_a_list_of_every_image_once_by_hand(people):
    found = count(("s", "nih"), STUDY, {("low", 1): _drawn(["c", "a", "b"], [0, 1, 6])}, people)
    assert list(found) == list(REDRAWN.schema.names)
    assert _at(found, "low", 1, "all", "all", "any") == (3, 1, 1)
    assert _at(found, "low", 1, "sex", "female", "any") == (1, 0, 0)
    assert _at(found, "low", 1, "sex", "male", "any") == (2, 1, 1)
    assert _at(found, "low", 1, "sex x age", "unknown", "any") == (1, 1, 0)
    assert _at(found, "low", 1, "all", "all", "edema") == (2, 1, 0)
    assert _at(found, "low", 1, "all", "all", "mass") == (1, 0, 1)  # doubt is no positive
    assert len(found) == 1 + 2 + 3 + 2


def test_copies_count_each_and_an_image_that_is_in_no_list_not_at_all(people):
    drawn = {("jtt", 0): _drawn(["a", "a", "b", "a"], [0, 3, 1, 2])}
    found = count(("s", "nih"), STUDY, drawn, people)
    assert _at(found, "jtt", 0, "all", "all", "any") == (4, 1, 2)
    assert _at(found, "jtt", 0, "sex", "female", "any") == (3, 1, 2)
    assert _at(found, "jtt", 0, "sex x age", "unknown", "any") == (0, 0, 0)


def test_groups_of_an_attribute_add_up_to_all(people):
    rng = np.random.default_rng(0)
    drawn = _drawn(rng.choice(IMAGES[:3], 50), rng.integers(0, 3, 50))
    found = count(("s", "nih"), STUDY, {("jtt", 0): drawn, ("jtt", 1): drawn[:9]}, people)
    rows = found[found["label"].eq("any") & found["seed"].eq(0)]
    sums = rows.groupby("attribute")[["n", "n_left_out", "n_more"]].sum()
    repeats = drawn["repeats"]
    wanted = [50, (repeats == 0).sum(), (repeats == 2).sum()]
    assert sums.to_numpy().tolist() == [wanted] * 3
    assert _at(found, "jtt", 1, "all", "all", "any")[0] == 9


def test_images_that_are_not_for_training_are_refused(people):
    drawn = {("jtt", 0): _drawn(["a", "d", "z"], [1, 1, 1])}
    wrong = r"training of jtt, seed 0: 2 entries are of no training image; allowed: 0"
    with pytest.raises(RedrawnError, match=wrong):
        count(("s", "nih"), STUDY, drawn, people)
