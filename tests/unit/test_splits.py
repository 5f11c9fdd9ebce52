import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.config import ConfigError
from cxrfair.splits import SplitConfig, SplitError, assign, check_no_leak

CONFIG = SplitConfig(by="patient", seed=7, validation=0.2, test=0.25, stratify=("sex", "age"))
OFFICIAL = CONFIG.model_copy(update={"by": "official"})
NO_TARGETS = pd.DataFrame({"image_id": [], "label": [], "target": []})
# Each patient: (sex, age, number of images)
PATIENT = st.tuples(
    st.sampled_from(["f", "m"]), st.sampled_from(["0-20", "80+"]), st.integers(1, 3)
)
PATIENTS = st.lists(PATIENT, min_size=12, max_size=80)


def _cohort(patients, official=None):
    rows = [
        (f"p{i}", sex, age, None if official is None else official[i])
        for i, (sex, age, n) in enumerate(patients)
        for _ in range(n)
    ]
    frame = pd.DataFrame(rows, columns=["patient_id", "sex", "age", "official_fold"])
    return frame.assign(image_id=[f"i{k}" for k in frame.index])


def _folds(cohort, splits):
    rows = cohort.merge(splits, on="image_id", validate="one_to_one")
    return rows.drop_duplicates("patient_id").set_index("patient_id")


@settings(max_examples=40, deadline=None)
@given(PATIENTS)
def test_no_patient_is_in_two_folds_and_nothing_is_lost(patients):
    cohort = _cohort(patients)
    splits = assign(cohort, NO_TARGETS, CONFIG)
    tables.SPLITS.check(splits)
    assert splits["image_id"].tolist() == cohort["image_id"].tolist()
    rows = cohort.merge(splits, on="image_id")
    assert (rows.groupby("patient_id")["fold"].nunique() == 1).all()


@settings(max_examples=40, deadline=None)
@given(PATIENTS)
def test_shares_hold_overall_and_in_every_cell(patients):
    cohort = _cohort(patients)
    folds = _folds(cohort, assign(cohort, NO_TARGETS, CONFIG))
    for rows in (folds, *(cell for _, cell in folds.groupby("cell"))):
        slack = 1 if len(rows) == len(folds) else 2
        for fold, share in (("test", 0.25), ("validation", 0.2)):
            assert abs((rows["fold"] == fold).sum() - share * len(rows)) <= slack


@settings(max_examples=40, deadline=None)
@given(PATIENTS, PATIENT)
def test_a_newcomer_moves_few(patients, newcomer):
    before = _cohort(patients)
    after = _cohort([*patients, newcomer])
    old = _folds(before, assign(before, NO_TARGETS, CONFIG))["fold"]
    new = _folds(after, assign(after, NO_TARGETS, CONFIG))["fold"].reindex(old.index)
    assert (old != new).sum() <= 2 * 4  # four cells


def test_tiny_cells_do_not_all_land_in_train():
    cohort = _cohort([("f", f"bin {i}", 1) for i in range(400)])
    counts = assign(cohort, NO_TARGETS, CONFIG)["fold"].value_counts()
    assert counts.to_dict() == {"train": 220, "test": 100, "validation": 80}


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does():
    cohort = _cohort([("f", "0-20", 2)] * 60)
    once = assign(cohort, NO_TARGETS, CONFIG).set_index("image_id")["fold"]
    shuffled = cohort.sample(frac=1, random_state=0)
    again = assign(shuffled, NO_TARGETS, CONFIG).set_index("image_id")["fold"]
    assert once.equals(again[once.index])
    other = assign(cohort, NO_TARGETS, CONFIG.model_copy(update={"seed": 8}))
    assert (once.to_numpy() != other["fold"].to_numpy()).any()


def test_a_patient_is_in_the_cell_of_his_commonest_value():
    cohort = _cohort([("f", "0-20", 3), ("m", "0-20", 2), *[("m", "80+", 1)] * 20])
    cohort.loc[[0, 1, 3], "age"] = "80+"  # p0: 80+ twice; p1: one each, the first by name counts
    splits = assign(cohort, NO_TARGETS, CONFIG)
    assert splits["cell"].iloc[[0, 3]].tolist() == ["f x 80+", "m x 0-20"]


def test_a_label_stratifies_by_any_positive_image():
    cohort = _cohort([("f", "0-20", 2)] * 40)
    targets = pd.DataFrame(
        {
            "image_id": cohort["image_id"],
            "label": "edema",
            "target": pd.Series([1, 0] * 20 + [pd.NA, 0] * 20, dtype="Int8"),
        }
    )
    config = CONFIG.model_copy(update={"stratify": ("edema",)})
    splits = assign(cohort, targets, config)
    assert splits["cell"].tolist() == ["edema"] * 40 + ["no edema"] * 40
    tests = splits[splits["fold"] == "test"]["cell"].value_counts()
    assert tests.to_dict() == {"edema": 10, "no edema": 10}


def test_without_strata_all_patients_are_one_cell():
    config = CONFIG.model_copy(update={"stratify": ()})
    assert set(assign(_cohort([("f", "0-20", 1)] * 20), NO_TARGETS, config)["cell"]) == {"all"}


@settings(max_examples=40, deadline=None)
@given(PATIENTS, st.data())
def test_official_folds_are_kept_and_validation_is_cut_from_the_open_part(patients, data):
    choice = st.sampled_from(["train_validation", "test"])
    chosen = data.draw(st.lists(choice, min_size=len(patients), max_size=len(patients)))
    n_open = chosen.count("train_validation")
    cohort = _cohort(patients, chosen)
    assume(4 <= n_open < len(patients))
    folds = _folds(cohort, assign(cohort, NO_TARGETS, OFFICIAL))
    assert ((folds["fold"] == "test") == (folds["official_fold"] == "test")).all()
    assert abs((folds["fold"] == "validation").sum() - 0.2 * n_open) <= 0.5 + 1e-9


def test_an_official_validation_fold_is_taken_as_it_is():
    official = ["train"] * 5 + ["validation"] * 2 + ["test"] * 3
    cohort = _cohort([("f", "0-20", 1)] * 10, official)
    assert assign(cohort, NO_TARGETS, OFFICIAL)["fold"].tolist() == official


def test_official_folds_must_exist_and_not_leak():
    cohort = _cohort([("f", "0-20", 2)] * 20, ["train_validation"] * 10 + ["test"] * 10)
    leaking = cohort.assign(official_fold=["train_validation", "test"] * 20)
    with pytest.raises(SplitError, match="20 patients are in two official folds; allowed: one"):
        assign(leaking, NO_TARGETS, OFFICIAL)
    unlisted = cohort.assign(official_fold=[None, *["test"] * 39])
    with pytest.raises(SplitError, match=r"split\.by: official, but 1 of 40 images have no offic"):
        assign(unlisted, NO_TARGETS, OFFICIAL)


def test_the_gate_counts_leaking_patients_and_names_nobody():
    cohort = _cohort([("f", "0-20", 2), ("m", "80+", 1)])
    folds = pd.DataFrame({"image_id": ["i0", "i1", "i2"], "fold": ["train", "test", "test"]})
    with pytest.raises(SplitError, match=r"1 patients are in two folds \(test, train\); allowed"):
        check_no_leak(folds, cohort)
    with pytest.raises(SplitError, match="1 of 3 images have no fold"):
        check_no_leak(folds.iloc[:2], cohort)
    check_no_leak(folds.assign(fold="test"), cohort)


def test_too_few_patients_is_an_error():
    with pytest.raises(SplitError, match="no image in validation, test"):
        assign(_cohort([("f", "0-20", 5)]), NO_TARGETS, CONFIG)


def test_an_unknown_stratum_lists_what_there_is():
    config = CONFIG.model_copy(update={"stratify": ("gender",)})
    with pytest.raises(SplitError, match=r"split\.stratify: no 'gender'; have age, image_id"):
        assign(_cohort([("f", "0-20", 1)] * 20), NO_TARGETS, config)


def test_shares_must_leave_something_to_train_on():
    text = '{"by": "patient", "seed": 1, "validation": 0.5, "test": 0.5, "stratify": []}'
    with pytest.raises(ConfigError, match=r"validation \+ test is 1\.0; must be below 1"):
        SplitConfig.parse(text, "split")


def test_folds_do_not_depend_on_the_number_of_images_of_a_patient():
    rng = np.random.default_rng(0)
    few = _cohort([("f", "0-20", 1)] * 50)
    many = _cohort([("f", "0-20", int(n)) for n in rng.integers(1, 9, 50)])
    fold_few = _folds(few, assign(few, NO_TARGETS, CONFIG))["fold"]
    assert fold_few.equals(_folds(many, assign(many, NO_TARGETS, CONFIG))["fold"])
