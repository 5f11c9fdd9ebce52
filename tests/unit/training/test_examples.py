import numpy as np
import pandas as pd
import pytest

from cxrfair.errors import CxrfairError
from cxrfair.training import examples


class Rows:
    def rows(self, ids):
        return np.array([int(i[1:]) for i in ids], np.int64)


COHORT = pd.DataFrame(
    {
        "image_id": ["i0", "i1", "i2", "i3"],
        "sex": ["female", "male", "female", "male"],
        "age": ["20-40"] * 4,
    }
)
TARGETS = pd.DataFrame(
    {
        "image_id": ["i0", "i1", "i2", "i3"] * 2,
        "label": ["edema"] * 4 + ["nodule"] * 4,
        "target": pd.array([1, 0, 1, 0, None, 1, 0, 0], "Int8"),
    }
)
LISTED = pd.DataFrame(
    {
        "image_id": ["i3", "i0", "i0", "i1"],
        "weight": [1.0, 2.0, 2.0, 1.0],
        "augmentation_seed": [7, 8, 9, 10],
    }
)


def made(labels=("edema", "nodule"), groups=("sex",), listed=LISTED, cohort=COHORT):
    return examples.training_examples(listed, cohort, TARGETS, Rows(), (labels, groups))


def test_the_list_s_order_and_copies_are_kept():
    got, groups = made()
    assert got.row.tolist() == [3, 0, 0, 1]
    np.testing.assert_array_equal(got.target, [[0, 0], [1, np.nan], [1, np.nan], [0, 1]])
    assert got.weight.tolist() == [1, 2, 2, 1]
    assert got.key.tolist() == [7, 8, 9, 10]
    assert groups == examples.Groups(("female", "male"), (2, 2))
    assert got.group.tolist() == [1, 0, 0, 1]


LEARNT = COHORT[COHORT["image_id"] != "i2"]  # a cohort of the listed images alone


def test_groups_may_cross_attributes_and_labels_and_missing_is_its_own():
    _, groups = made(groups=("sex", "nodule"), cohort=LEARNT)
    assert groups.names == ("female x missing", "male x 0", "male x 1")


def test_no_groups_is_one_group():
    got, groups = made(groups=())
    assert groups.names == ("all",)
    assert set(got.group) == {0}


def test_an_unknown_group_column_is_named_with_what_is_allowed():
    with pytest.raises(
        CxrfairError, match=r"groups: no \['race'\]; allowed: sex, age, edema, nodule"
    ):
        made(groups=("race",))


def test_a_label_with_one_class_is_refused_before_training():
    with pytest.raises(CxrfairError, match=r"label edema: 1 positive, 0 negative; both classes"):
        made(listed=LISTED[1:2])


DOUBTED = TARGETS.assign(target=pd.array([1, 0, 1, 0, -1, 1, -1, 0], "Int8"))


def doubted(groups, cohort=COHORT):
    choice = (("edema", "nodule"), groups)
    return examples.training_examples(LISTED, cohort, DOUBTED, Rows(), choice)


def test_of_a_label_in_doubt_one_half_is_learnt():
    got, _ = doubted(("sex",))
    np.testing.assert_array_equal(got.target, [[0, 0], [1, 0.5], [1, 0.5], [0, 1]])


def test_a_doubt_makes_no_group_and_is_then_not_learnt_from():
    got, groups = doubted(("sex", "nodule"))
    assert groups.names == ("female x missing", "male x 0", "male x 1")
    np.testing.assert_array_equal(got.target, [[0, 0], [1, np.nan], [1, np.nan], [0, 1]])


def test_nobody_is_judged_by_a_doubt():
    ids = pd.Series(["i0", "i1", "i2", "i3"])
    got = examples.held_out_examples(ids, DOUBTED, Rows(), ("edema", "nodule"))
    np.testing.assert_array_equal(got.target, [[1, np.nan], [0, 1], [1, np.nan], [0, 0]])


def test_doubts_are_no_second_class():
    targets = TARGETS.assign(target=pd.array([1, -1, 1, -1, 1, 0, 0, 0], "Int8"))
    choice = (("edema",), ())
    with pytest.raises(CxrfairError, match="label edema: 2 positive, 0 negative; both classes"):
        examples.training_examples(LISTED, COHORT, targets, Rows(), choice)


def test_groups_may_be_made_of_attributes_that_only_some_studies_have():
    cohort = COHORT.assign(income=["low", "high", "high", "unknown"])  # of i2 too, not listed
    choice = (("edema",), ("income",))
    _, groups = examples.training_examples(LISTED, cohort, TARGETS, Rows(), choice)
    assert groups == examples.Groups(("high", "low", "unknown"), (1, 2, 1))


def test_a_group_of_the_cohort_without_a_training_image_is_named():
    cohort = COHORT.assign(sex=["female", "male", "other", "male"])
    message = (
        r"training list: no image of 1 groups \(other\); every group of the cohort by sex needs one"
    )
    with pytest.raises(CxrfairError, match=message):
        made(cohort=cohort)


def test_an_intersection_without_a_training_image_is_named():
    # i2 alone is a woman for whom nodules are denied, and she is not in the list.
    message = r"no image of 1 groups \(female x 0\); every group of the cohort by sex and nodule"
    with pytest.raises(CxrfairError, match=message):
        made(groups=("sex", "nodule"))


def test_a_cell_of_a_label_that_is_missing_may_be_absent():
    # i2 would be the only image of `other x missing`: of no use to learn from or to judge.
    cohort = COHORT.assign(sex=["female", "male", "other", "male"])
    _, groups = examples.training_examples(
        LISTED, cohort, DOUBTED, Rows(), (("edema", "nodule"), ("sex", "nodule"))
    )
    assert groups.names == ("female x missing", "male x 0", "male x 1")
    none = TARGETS[~((TARGETS["label"] == "nodule") & (TARGETS["image_id"] == "i2"))]
    _, groups = examples.training_examples(
        LISTED, cohort, none, Rows(), (("edema", "nodule"), ("sex", "nodule"))
    )
    assert groups.names == ("female x missing", "male x 0", "male x 1")


def test_without_groups_nobody_is_absent():
    cohort = COHORT.assign(sex=["female", "male", "other", "male"])
    assert made(groups=(), cohort=cohort)[1].names == ("all",)
