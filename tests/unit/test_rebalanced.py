"""What training lists hold: by hand, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from cxrfair.rebalanced import covered, weigh
from cxrfair.tables import COVERAGE, KEPT, TRAINED_ON
from cxrfair.tallies import TallyError

IMAGES = ["a", "b", "c"]  # those for training


def _list(images, weights):
    return pd.DataFrame({"image_id": images, "weight": weights})


def _at(found, *place):
    keys = ["rebalance", "seed", "attribute", "group", "label"]
    row = found.set_index(keys).loc[place]
    return row["weight"], row["n"], row["n_images"]


def test_before_every_training_image_counts_once(plan, people):
    found = weigh(("s", "nih"), plan, {}, people)
    assert list(found) == list(TRAINED_ON.schema.names)
    assert set(found["rebalance"]) == {"none"}
    for seed in (0, 1):
        assert _at(found, "none", seed, "all", "all", "any") == (3, 3, 3)
        assert _at(found, "none", seed, "sex", "male", "any") == (2, 2, 2)
        assert _at(found, "none", seed, "sex x age", "unknown", "any") == (1, 1, 1)
        assert _at(found, "none", seed, "all", "all", "edema") == (2, 2, 2)
        assert _at(found, "none", seed, "all", "all", "mass") == (1, 1, 1)  # doubt is no positive


def test_copies_and_weights_add_up(plan, people):
    listed = _list(["a", "a", "a", "b"], [1.0, 0.5, 2.0, 0.25])
    found = weigh(("s", "nih"), plan, {("resample", 1): listed}, people)
    assert _at(found, "resample", 1, "all", "all", "any") == (3.75, 4, 2)
    assert _at(found, "resample", 1, "sex", "female", "any") == (3.5, 3, 1)
    assert _at(found, "resample", 1, "sex", "male", "any") == (0.25, 1, 1)
    assert _at(found, "resample", 1, "sex x age", "unknown", "any") == (0, 0, 0)
    assert _at(found, "resample", 1, "all", "all", "edema") == (3.5, 3, 1)
    assert _at(found, "resample", 1, "all", "all", "mass") == (0.25, 1, 1)


def test_groups_of_an_attribute_add_up_to_all(plan, people):
    rng = np.random.default_rng(0)
    listed = _list(rng.choice(IMAGES, 50), rng.random(50))
    found = weigh(("s", "nih"), plan, {("resample", 0): listed}, people)
    rows = found[found["label"].eq("any") & found["rebalance"].eq("resample")]
    sums = rows.groupby("attribute")["weight"].sum()
    np.testing.assert_allclose(sums, listed["weight"].sum())


def test_what_lists_cover_is_stacked_under_their_names():
    row = ["sex", "male", 12, 12, 9, 3, 2.0, 2.5, None]
    kept = pd.DataFrame([row], columns=KEPT.schema.names)
    lists = {("resample", 1): kept, ("code_rule", 0): KEPT.empty(), ("resample", 0): kept}
    found = covered(("s", "nih"), lists)
    assert list(found) == list(COVERAGE.schema.names)
    assert found[["study", "dataset", "rebalance"]].drop_duplicates().shape == (1, 3)
    assert found["seed"].tolist() == [1, 0]
    assert found[["n", "kept", "largest"]].iloc[0].tolist() == [12, 9, 2.0]
    assert covered(("s", "nih"), {("code_rule", 0): KEPT.empty()}).empty
    assert covered(("s", "nih"), {}).empty


def test_a_list_of_images_that_are_not_for_training_is_refused(plan, people):
    listed = _list(["a", "d", "z"], [1.0, 1.0, 1.0])
    wrong = r"training list resample, seed 0: 2 entries are of no training image; allowed: 0"
    with pytest.raises(TallyError, match=wrong):
        weigh(("s", "nih"), plan, {("resample", 0): listed}, people)
