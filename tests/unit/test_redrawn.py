"""Whose images methods leave out or draw more often: by hand, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from cxrfair.redrawn import count
from cxrfair.tables import REDRAWN
from cxrfair.tallies import TallyError

IMAGES = ["a", "b", "c"]  # those for training


def _drawn(images, repeats):
    return pd.DataFrame({"image_id": images, "repeats": repeats})


def _at(found, *place):
    keys = ["variant", "seed", "attribute", "group", "label"]
    row = found.set_index(keys).loc[place]
    return row["n"], row["n_left_out"], row["n_more"]


def test_a_list_of_every_image_once_by_hand(plan, people):
    found = count(("s", "nih"), plan, {("low", 1): _drawn(["c", "a", "b"], [0, 1, 6])}, people)
    assert list(found) == list(REDRAWN.schema.names)
    assert _at(found, "low", 1, "all", "all", "any") == (3, 1, 1)
    assert _at(found, "low", 1, "sex", "female", "any") == (1, 0, 0)
    assert _at(found, "low", 1, "sex", "male", "any") == (2, 1, 1)
    assert _at(found, "low", 1, "sex x age", "unknown", "any") == (1, 1, 0)
    assert _at(found, "low", 1, "all", "all", "edema") == (2, 1, 0)
    assert _at(found, "low", 1, "all", "all", "mass") == (1, 0, 1)  # doubt is no positive
    assert len(found) == 1 + 2 + 3 + 2


def test_copies_count_each_and_an_image_that_is_in_no_list_not_at_all(plan, people):
    drawn = {("jtt", 0): _drawn(["a", "a", "b", "a"], [0, 3, 1, 2])}
    found = count(("s", "nih"), plan, drawn, people)
    assert _at(found, "jtt", 0, "all", "all", "any") == (4, 1, 2)
    assert _at(found, "jtt", 0, "sex", "female", "any") == (3, 1, 2)
    assert _at(found, "jtt", 0, "sex x age", "unknown", "any") == (0, 0, 0)


def test_groups_of_an_attribute_add_up_to_all(plan, people):
    rng = np.random.default_rng(0)
    drawn = _drawn(rng.choice(IMAGES, 50), rng.integers(0, 3, 50))
    found = count(("s", "nih"), plan, {("jtt", 0): drawn, ("jtt", 1): drawn[:9]}, people)
    rows = found[found["label"].eq("any") & found["seed"].eq(0)]
    sums = rows.groupby("attribute")[["n", "n_left_out", "n_more"]].sum()
    repeats = drawn["repeats"]
    wanted = [50, (repeats == 0).sum(), (repeats == 2).sum()]
    assert sums.to_numpy().tolist() == [wanted] * 3
    assert _at(found, "jtt", 1, "all", "all", "any")[0] == 9


def test_images_that_are_not_for_training_are_refused(plan, people):
    drawn = {("jtt", 0): _drawn(["a", "d", "z"], [1, 1, 1])}
    wrong = r"training of jtt, seed 0: 2 entries are of no training image; allowed: 0"
    with pytest.raises(TallyError, match=wrong):
        count(("s", "nih"), plan, drawn, people)
