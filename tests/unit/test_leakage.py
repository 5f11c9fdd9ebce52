import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import leakage
from cxrfair.leakage import LeakageError

CHOSEN = pd.DataFrame({"image_id": list("abcde"), "patient_id": ["p", "p", "q", "r", "s"]})
SPLITS = pd.DataFrame({"image_id": list("abcd"), "fold": ["train", "train", "test", "validation"]})
INDEX = pd.DataFrame({"image_id": list("abcdef"), "checksum": ["1", "2", "3", "4", None, "1"]})


def _moved(image, fold):
    return SPLITS.assign(fold=SPLITS["fold"].mask(SPLITS["image_id"] == image, fold))


def test_folds_that_share_nothing_pass_and_are_counted():
    assert leakage.check(SPLITS, CHOSEN, INDEX) == {
        **{"patients": 3, "images": 4, "patients_in_two_folds": 0, "pictures_in_two_folds": 0},
    }


def test_a_patient_in_two_folds_is_counted_and_not_named():
    with pytest.raises(LeakageError, match=r"1 patients are in two folds \(test, train\); allowed"):
        leakage.check(_moved("b", "test"), CHOSEN, INDEX)


def test_a_picture_in_two_folds_says_what_to_set():
    twin = INDEX.assign(checksum=["1", "2", "1", "2", None, "1"])
    with pytest.raises(
        LeakageError,
        match=r"2 pictures are in two folds \(test, train\) under several names; set cohort\.dupl",
    ):
        leakage.check(SPLITS, CHOSEN, twin)


def test_twins_in_one_fold_and_pictures_that_cannot_be_read_pass():
    twin = INDEX.assign(checksum=["1", "1", None, None, None, None])
    assert leakage.check(SPLITS, CHOSEN, twin)["images"] == 4


def test_the_picture_of_an_image_in_no_fold_does_not_count():
    assert leakage.check(SPLITS, CHOSEN, INDEX.assign(checksum=list("12345") + ["1"]))
    spare = INDEX.assign(checksum=["1", "2", "3", "4", "3", "9"])
    assert leakage.check(SPLITS, CHOSEN, spare)["pictures_in_two_folds"] == 0


def test_images_without_a_patient_are_refused():
    with pytest.raises(LeakageError, match="1 of 4 images have no patient; allowed: none"):
        leakage.check(SPLITS, CHOSEN[CHOSEN["image_id"] != "c"], INDEX)


@given(st.integers(0, 9), st.integers(0, 100))
def test_any_one_image_moved_away_from_its_patient_is_found(which, seed):
    patients = np.random.default_rng(seed).integers(0, 4, 10)
    images = [f"i{k}" for k in range(10)]
    chosen = pd.DataFrame({"image_id": images, "patient_id": [f"p{p}" for p in patients]})
    splits = pd.DataFrame({"image_id": images, "fold": ["train", "test"] * 5})
    splits["fold"] = np.where(patients < 2, "train", "test")
    index = pd.DataFrame({"image_id": images, "checksum": images})
    leakage.check(splits, chosen, index)
    other = "test" if patients[which] < 2 else "train"
    splits.loc[which, "fold"] = other
    if (patients == patients[which]).sum() == 1:
        leakage.check(splits, chosen, index)
    else:
        with pytest.raises(LeakageError):
            leakage.check(splits, chosen, index)


def _population(n_patients, images_each):
    images = [f"i{k}" for k in range(n_patients * images_each)]
    patients = [f"p{k // images_each}" for k in range(n_patients * images_each)]
    chosen = pd.DataFrame({"image_id": images, "patient_id": patients})
    fold = np.repeat(np.array(["test", "validation", "train", "train"]), images_each)
    return chosen, chosen[["image_id"]].assign(fold=np.tile(fold, n_patients // 4))


def test_a_split_by_image_tests_beside_training_images_of_the_same_patient():
    chosen, splits = _population(400, 4)
    found = leakage.image_level(splits, chosen, 7)
    assert found["test_images"] == pytest.approx(400, abs=60)
    assert found["share"] == found["beside_own_patient"] / found["test_images"]
    # One of three others is in training with chance 1/2: 1 - (1/2)^3.
    assert found["share"] == pytest.approx(0.875, abs=0.06)
    assert leakage.image_level(splits, chosen, 8) != found


def test_one_image_a_patient_leaks_nothing_either_way():
    chosen, splits = _population(400, 1)
    assert leakage.image_level(splits, chosen, 7)["share"] == 0


def test_no_test_image_has_no_share():
    chosen, splits = _population(8, 1)
    only = splits.assign(fold="train")
    assert leakage.image_level(only, chosen, 7) == {
        **{"test_images": 0, "beside_own_patient": 0, "share": None},
    }


def test_where_nothing_is_trained_there_is_nothing_to_be_beside():
    chosen, splits = _population(8, 2)
    assert leakage.image_level(splits.assign(fold="test"), chosen, 7) == {
        **{"test_images": None, "beside_own_patient": None, "share": None},
    }


AWAY = pd.DataFrame({"image_id": ["x", "y", "z"], "patient_id": ["t", "t", "u"]})
AWAY_INDEX = pd.DataFrame({"image_id": list("xyzw"), "checksum": ["7", "8", None, "1"]})


def test_an_external_data_set_is_apart_from_home():
    found = leakage.apart(AWAY, CHOSEN, (AWAY_INDEX, INDEX))
    assert found == {
        **{"home_patients": 4, "home_images": 5, "patients_in_both": 0, "pictures_in_both": 0},
    }


def test_images_without_a_picture_and_those_that_are_not_chosen_do_not_count():
    unread = INDEX.assign(checksum=[None] * 6)
    leakage.apart(AWAY, CHOSEN, (AWAY_INDEX.assign(checksum=None), unread))
    spare = INDEX.assign(checksum=["1", "2", "3", "4", None, "7"])  # of image f, which is not used
    leakage.apart(AWAY, CHOSEN, (AWAY_INDEX, spare))


def test_a_patient_of_home_in_an_external_data_set_is_counted_and_not_named():
    with pytest.raises(
        LeakageError, match=r"external data set: 1 of its 2 patients are also where its models are"
    ):
        leakage.apart(AWAY.assign(patient_id=["t", "t", "p"]), CHOSEN, (AWAY_INDEX, INDEX))


def test_a_picture_of_home_in_an_external_data_set_is_found_under_any_name():
    twin = AWAY_INDEX.assign(checksum=["2", "4", "5", None])
    with pytest.raises(LeakageError, match="2 of its 3 pictures are also where"):
        leakage.apart(AWAY, CHOSEN, (twin, INDEX))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(4, 9), st.integers(6, 15)), min_size=1, max_size=8),
)
def test_apart_refuses_what_is_in_both_and_nothing_else(one, other):
    def tables_of(rows, name):
        ids = [f"{name}{k}" for k in range(len(rows))]
        chosen = pd.DataFrame({"image_id": ids, "patient_id": [f"p{p}" for p, _ in rows]})
        return chosen, pd.DataFrame({"image_id": ids, "checksum": [f"c{c}" for _, c in rows]})

    (away, there), (home, here) = tables_of(one, "a"), tables_of(other, "h")
    shared = any({a[k] for a in one} & {b[k] for b in other} for k in (0, 1))
    if shared:
        with pytest.raises(LeakageError):
            leakage.apart(away, home, (there, here))
    else:
        assert leakage.apart(away, home, (there, here))["home_images"] == len(other)
