import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.config import ConfigError
from cxrfair.splits import NEEDS, SplitConfig, SplitError, assign

CHANCE = SplitConfig(by="fraction", seed=7, validation=0.2, test=0.25, stratify=())
CONFIG = CHANCE.model_copy(update={"stratify": ("sex", "age")})
OFFICIAL = SplitConfig(by="official", seed=7, validation=0.2, stratify=("sex", "age"))
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
    frame = pd.DataFrame(rows, columns=["patient_id", "sex", "age", "official_fold"], dtype="str")
    return frame.assign(image_id=[f"i{k}" for k in frame.index])


def _folds(cohort, splits):
    rows = cohort.merge(splits, on="image_id", validate="one_to_one")
    return rows.drop_duplicates("patient_id").set_index("patient_id")


@given(PATIENTS)
def test_no_patient_is_in_two_folds_and_nothing_is_lost(patients):
    cohort = _cohort(patients)
    splits = assign(cohort, NO_TARGETS, CONFIG)
    tables.SPLITS.check(splits)
    assert splits["image_id"].tolist() == cohort["image_id"].tolist()
    rows = cohort.merge(splits, on="image_id")
    assert (rows.groupby("patient_id")["fold"].nunique() == 1).all()


@given(PATIENTS)
def test_shares_hold_overall_and_in_every_cell(patients):
    cohort = _cohort(patients)
    folds = _folds(cohort, assign(cohort, NO_TARGETS, CONFIG))
    for rows in (folds, *(cell for _, cell in folds.groupby("cell"))):
        slack = 1 if len(rows) == len(folds) else 2
        for fold, share in (("test", 0.25), ("validation", 0.2)):
            assert abs((rows["fold"] == fold).sum() - share * len(rows)) <= slack


@given(PATIENTS, PATIENT)
def test_a_newcomer_moves_few_where_strata_are_exact(patients, newcomer):
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


def test_too_few_patients_is_an_error():
    with pytest.raises(SplitError, match="no image in validation, test"):
        assign(_cohort([("f", "0-20", 5)]), NO_TARGETS, CONFIG)


def test_an_unknown_stratum_lists_what_there_is():
    config = CONFIG.model_copy(update={"stratify": ("gender",)})
    with pytest.raises(
        SplitError, match=r"split\.stratify: no 'gender'; have age, insurance, race, sex, view"
    ):
        assign(_cohort([("f", "0-20", 1)] * 20), NO_TARGETS, config)


@given(
    st.lists(PATIENT, min_size=60, max_size=80),
    st.lists(PATIENT, min_size=1, max_size=5),
    st.sampled_from(["fraction", "kfold", "official"]),
)
def test_without_strata_a_newcomer_moves_nobody(patients, newcomers, by):
    config = {"fraction": CHANCE, "kfold": _part(1)}.get(by, _chance_official())
    lists = [["train_validation", "test"][i % 3 == 0] for i in range(len(patients) + 5)]
    before = _cohort(patients, lists)
    after = _cohort([*patients, *newcomers], lists)
    old = _folds(before, assign(before, NO_TARGETS, config))["fold"]
    new = _folds(after, assign(after, NO_TARGETS, config))["fold"]
    assert old.equals(new[old.index])


def test_without_strata_shares_hold_up_to_chance_in_every_cell():
    cohort = _cohort([("fm"[i % 2], ["0-20", "80+"][i % 5 == 0], 1) for i in range(8000)])
    folds = _folds(cohort, assign(cohort, NO_TARGETS, CHANCE))
    for _, rows in folds.groupby(["sex", "age"]):
        for fold, share in (("test", 0.25), ("validation", 0.2)):
            deviation = (share * (1 - share) / len(rows)) ** 0.5
            assert abs((rows["fold"] == fold).mean() - share) < 4 * deviation


def test_strata_change_who_is_where():
    cohort = _cohort([("f", "0-20", 1)] * 50 + [("m", "80+", 1)] * 50)
    made = {
        strata: tuple(
            assign(cohort, NO_TARGETS, CHANCE.model_copy(update={"stratify": strata}))["fold"]
        )
        for strata in [(), ("sex",)]
    }
    assert made[()] != made["sex",]


def _part(fold, stratify=(), folds=5):
    return SplitConfig(by="kfold", seed=7, folds=folds, fold=fold, stratify=stratify)


def _chance_official():
    return OFFICIAL.model_copy(update={"stratify": ()})


@given(st.lists(PATIENT, min_size=60, max_size=80), st.sampled_from([(), ("sex", "age")]))
def test_over_all_parts_everybody_is_tested_once_and_validated_on_once(patients, stratify):
    cohort = _cohort(patients)
    folds = [
        _folds(cohort, assign(cohort, NO_TARGETS, _part(i, stratify)))["fold"] for i in range(5)
    ]
    table = pd.concat(folds, axis=1)
    assert ((table == "test").sum(axis=1) == 1).all()
    assert ((table == "validation").sum(axis=1) == 1).all()
    for i in range(5):  # what is validated on now is tested on next
        assert folds[i].eq("validation").equals(folds[(i + 1) % 5].eq("test"))
    if stratify:
        assert all(abs((fold == "test").sum() - len(fold) / 5) <= 1 for fold in folds)


COUNTS = st.tuples(st.integers(1, 40), st.integers(1, 20), st.integers(1, 20))


@given(st.lists(PATIENT, min_size=12, max_size=40), COUNTS, st.sampled_from([(), ("sex", "age")]))
def test_counts_are_exact_and_by_patient(patients, counts, stratify):
    cohort = _cohort(patients)
    wanted = dict(zip(("train", "validation", "test"), counts, strict=True))
    config = SplitConfig(by="counts", seed=7, stratify=stratify, **wanted)
    try:
        splits = assign(cohort, NO_TARGETS, config)
    except SplitError as error:
        assert f"of {len(cohort)} are left for it" in str(error)  # noqa: PT017
        # Two patients at most are cut at the ends of folds, of three images each.
        assert sum(counts) > len(cohort) - 2 * 2
        return
    tables.SPLITS.check(splits)
    assert splits["fold"].value_counts().to_dict() == wanted
    rows = cohort.merge(splits, on="image_id", validate="one_to_one")
    assert (rows.groupby("patient_id")["fold"].nunique() == 1).all()
    used = rows.groupby("patient_id").size()
    cut = used < cohort.groupby("patient_id").size()[used.index]
    assert cut.sum() <= 3  # who would have overfilled a fold


def test_of_the_patient_who_overfills_a_fold_the_first_images_are_used():
    cohort = _cohort([("f", "0-20", 4)] * 6)
    config = SplitConfig(by="counts", seed=7, train=6, validation=3, test=5, stratify=())
    splits = assign(cohort, NO_TARGETS, config)
    rows = cohort.merge(splits, on="image_id")
    assert sorted(rows.groupby(["fold", "patient_id"]).size()) == [1, 2, 3, 4, 4]
    for patient, of in rows.groupby("patient_id"):
        images = cohort.loc[cohort["patient_id"] == patient, "image_id"]
        assert of["image_id"].tolist() == sorted(images)[: len(of)]


def test_counts_take_every_cell_s_share():
    cohort = _cohort([("f", "0-20", 1)] * 900 + [("m", "80+", 1)] * 100)
    config = SplitConfig(
        by="counts", seed=7, train=500, validation=100, test=200, stratify=("sex",)
    )
    folds = assign(cohort, NO_TARGETS, config).groupby("fold")["cell"]
    assert folds.value_counts().to_dict() == {
        **{("test", "f"): 180, ("test", "m"): 20},
        **{("validation", "f"): 90, ("validation", "m"): 10},
        **{("train", "f"): 450, ("train", "m"): 50},
    }


def test_more_images_than_there_are_is_an_error_that_counts_them():
    cohort = _cohort([("f", "0-20", 2)] * 50)
    config = SplitConfig(by="counts", seed=7, train=190000, validation=10, test=20, stratify=())
    with pytest.raises(
        SplitError, match=r"split\.train: 190,000 images; 70 of 100 are left for it"
    ):
        assign(cohort, NO_TARGETS, config)


FRACTION = {"by": "fraction", "validation": 0.2, "test": 0.25}
COUNTED = {"by": "counts", "train": 5, "validation": 2, "test": 2}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {**FRACTION, "validation": 0.5, "test": 0.5},
            r"validation \+ test is 1\.0; must be below",
        ),
        ({"by": "official", "validation": 1.5}, "validation is 1.5; must be below 1"),
        ({**FRACTION, "folds": 5}, r"needs validation and test and no other; .* \['folds'\] too"),
        ({"by": "fraction", "test": 0.2}, r"lacks \['validation'\]"),
        ({**COUNTED, "test": 0.25}, "takes whole numbers of images"),
        ({**COUNTED, "test": 0}, r"split\.test: .*greater than 0"),
        (
            {"by": "external", "test": 0.2},
            r"by: external needs none and no other; .* \['test'\] to",
        ),
        ({"by": "external", "stratify": ["sex"]}, "by: external has one fold; leave stratify emp"),
        ({"by": "kfold", "folds": 5, "fold": 5}, "fold is 5; allowed: 0 to 4"),
        ({"by": "kfold", "folds": 2, "fold": 0}, r"split\.folds: .*greater than or equal to 3"),
        ({"by": "patient"}, r"split\.by: .*'fraction', 'counts', 'kfold', 'official' or 'ext"),
    ],
)
def test_each_kind_takes_its_own_settings(given, message):
    text = json.dumps({"seed": 1, "stratify": [], **given})
    with pytest.raises(ConfigError, match=message):
        SplitConfig.parse(text, "split")


def test_every_setting_of_every_kind_changes_the_split():
    cohort = _cohort([("f", "0-20", 1)] * 200, ["train_validation"] * 150 + ["test"] * 50)
    base = {
        "fraction": {"validation": 0.2, "test": 0.25},
        "counts": {"train": 90, "validation": 30, "test": 40},
        "kfold": {"folds": 5, "fold": 1},
        "official": {"validation": 0.2},
    }
    other = {"validation": 0.3, "test": 0.4, "folds": 4, "fold": 2}
    for by, names in NEEDS.items():
        if by == "external":  # has no setting, and no chance in it
            continue
        made = [_frozen(cohort, by, base[by])]
        for name in names:
            value = base[by][name] + 5 if by == "counts" else other[name]
            made.append(_frozen(cohort, by, {**base[by], name: value}))
        made.append(_frozen(cohort, by, base[by], seed=8))
        assert len(set(made)) == len(made), by


def _frozen(cohort, by, own, seed=7):
    config = SplitConfig(by=by, seed=seed, stratify=(), **own)
    return tuple(assign(cohort, NO_TARGETS, config).sort_values("image_id").apply(tuple, axis=1))


def test_folds_do_not_depend_on_the_number_of_images_of_a_patient():
    rng = np.random.default_rng(0)
    few = _cohort([("f", "0-20", 1)] * 50)
    many = _cohort([("f", "0-20", int(n)) for n in rng.integers(1, 9, 50)])
    fold_few = _folds(few, assign(few, NO_TARGETS, CONFIG))["fold"]
    assert fold_few.equals(_folds(many, assign(many, NO_TARGETS, CONFIG))["fold"])


def test_everybody_of_an_external_data_set_is_tested():
    cohort = _cohort([("f", "0-20", 2), ("m", "80+", 1)])
    config = SplitConfig(by="external", seed=7, stratify=())
    splits = assign(cohort, NO_TARGETS, config)
    tables.SPLITS.check(splits)
    assert splits["image_id"].tolist() == cohort["image_id"].tolist()
    assert set(splits["fold"]) == {"test"}
    assert set(splits["cell"]) == {"all"}
