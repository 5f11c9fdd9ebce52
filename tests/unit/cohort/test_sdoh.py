import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import tables
from cxrfair.cohort import CohortError
from cxrfair.cohort.sdoh import SdohConfig, apply_cuts, attach, fit_cuts
from cxrfair.config import ConfigError

MEDIAN = {"rule": "quantile", "at": [0.5]}
INCOME = {"variable": "tract.ACS_MEDIAN_HH_INC", "cut": MEDIAN, "groups": ["low", "high"]}
COVERAGE = {"variable": "county.UNINSURED", "cut": MEDIAN, "groups": ["high", "low"]}


def _config(**attributes):
    return SdohConfig.parse(json.dumps({"attributes": attributes}), "sdoh")


BOTH = _config(income=INCOME, insurance_coverage=COVERAGE)
ONE = _config(income=INCOME)


def _records(patients):
    frame = tables.RECORDS.empty().reindex(range(len(patients)))
    return frame.assign(
        image_id=[f"i{row}" for row in frame.index],
        dataset="d",
        patient_id=pd.Series(list(patients), dtype="str"),
        study_id="1",
        path="x",
        sex="unknown",
    )


def _residences(rows):
    frame = pd.DataFrame(rows, columns=list(tables.RESIDENCES.columns), dtype="str")
    tables.RESIDENCES.check(frame)
    return frame


def _values(rows):
    frame = pd.DataFrame(rows, columns=list(tables.SURROUNDINGS.columns))
    return frame.astype({"value": "float64"})


HOMES = _residences(
    [
        ("a", "25001", "25001000100"),
        ("b", "25001", None),
        ("c", None, "25001000200"),
        ("d", "09001", "09001000300"),
        ("e", None, None),
    ]
)
PLACES = _values(
    [
        ("county", "25001", "UNINSURED", 4.5),
        ("county", "25001", "ACS_MEDIAN_HH_INC", 1.0),  # of the county: not asked for
        ("tract", "25001000100", "ACS_MEDIAN_HH_INC", 80_000.0),
        ("tract", "25001000200", "ACS_MEDIAN_HH_INC", None),
        ("tract", "25001000100", "UNINSURED", 9.0),
    ]
)


def test_values_are_those_of_the_home_and_unknown_stays_unknown():
    records = _records("abcdefa")
    found, flow = attach(records, HOMES, PLACES, BOTH)
    tables.RECORDS.check(found)
    tables.FLOW.check(flow)
    nan = np.nan
    np.testing.assert_array_equal(found["sdoh_income"], [80_000, nan, nan, nan, nan, nan, 80_000])
    coverage = found["sdoh_insurance_coverage"]
    np.testing.assert_array_equal(coverage, [4.5, 4.5, nan, nan, nan, nan, 4.5])
    pd.testing.assert_frame_equal(found[records.columns], records)


def test_the_flow_says_why_values_are_unknown():
    flow = attach(_records("abcdefa"), HOMES, PLACES, BOTH)[1]
    assert flow["step"].tolist() == [
        *("home of the patient", "income of the tract", "insurance coverage of the county"),
    ]
    assert flow["images_lost"].tolist() == [0, 0, 0]
    assert flow["why"].tolist() == [
        "county and tract 3, none 2, county only 1, tract only 1",
        "no residence 3, known 2, no value of the place 1, place not in the table 1",
        "known 3, no residence 3, place not in the table 1",
    ]


def test_a_variable_no_source_has_is_an_error_that_lists_those_there_are():
    config = _config(income={**INCOME, "variable": "tract.INCOME"})
    with pytest.raises(CohortError, match=r"income\.variable: no 'INCOME' of any tract; .*ACS_MED"):
        attach(_records("a"), HOMES, PLACES, config)
    with pytest.raises(CohortError, match="the linked sources have: none"):
        attach(_records("a"), HOMES, PLACES.iloc[:0], ONE)


def _chosen(values, column="sdoh_income"):
    """Rows of (patient, value), an image each."""
    frame = tables.CHOSEN.empty().reindex(range(len(values)))
    return frame.assign(
        image_id=pd.Series([f"i{row}" for row in frame.index], dtype="str"),
        patient_id=pd.Series([patient for patient, _ in values], dtype="str"),
        study_id=pd.Series(["1"] * len(values), dtype="str"),
        **{name: pd.Series(["unknown"] * len(values), dtype="str") for name in _ATTRIBUTES},
        **{column: pd.Series([value for _, value in values], dtype="float64")},
    )


_ATTRIBUTES = ("sex", "age", "race", "insurance")


def _splits(folds):
    frame = pd.DataFrame({"fold": folds}).rename_axis("row").reset_index()
    return frame.assign(image_id=[f"i{row}" for row in frame["row"]], cell="all")


def test_the_cut_is_over_patients_of_the_training_fold():
    # Over images the median would be 10, over all folds 30.
    values = [("a", 10.0)] * 5 + [("b", 20.0), ("c", 30.0), ("d", 90.0), ("e", 99.0), ("f", None)]
    folds = ["train"] * 7 + ["validation", "test", "train"]
    cuts = fit_cuts(_chosen(values), _splits(folds), ONE)
    assert cuts == {
        "income": {
            "variable": "tract.ACS_MEDIAN_HH_INC",
            "rule": "quantile",
            "at": [0.5],
            "limits": [20.0],
            "groups": ["low", "high"],
            "n_patients": 3,
            "patients": {"low": 1, "high": 2},
            "fitted_on": "train",
        }
    }
    assert json.loads(json.dumps(cuts)) == cuts
    rows = apply_cuts(_chosen(values), cuts)
    tables.COHORT.check(rows)
    assert rows["income"].tolist() == [
        *["low"] * 5,
        *("high", "high", "high", "high", "unknown"),  # 20 is the limit: the group above
    ]
    assert "sdoh_income" not in rows


def test_quantiles_lie_between_values_and_groups_go_from_low_to_high():
    config = _config(
        insurance_coverage={
            **COVERAGE,
            "cut": {"rule": "quantile", "at": [0.25, 0.5]},
            "groups": ["high", "middle", "low"],
        }
    )
    chosen = _chosen([("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 5.0)], "sdoh_insurance_coverage")
    cuts = fit_cuts(chosen, _splits(["train"] * 4), config)
    assert cuts["insurance_coverage"]["limits"] == [1.75, 2.5]
    groups = apply_cuts(chosen, cuts)["insurance_coverage"]
    assert groups.tolist() == ["high", "middle", "low", "low"]


def test_fixed_values_are_taken_as_they_are():
    fixed = {"rule": "value", "at": [50, 75.5]}
    config = _config(income={**INCOME, "cut": fixed, "groups": ["low", "middle", "high"]})
    chosen = _chosen([("a", 49.9), ("b", 50.0), ("c", 75.4), ("d", 75.5)])
    cuts = fit_cuts(chosen, _splits(["train"] + ["test"] * 3), config)
    assert cuts["income"]["limits"] == [50.0, 75.5]
    assert cuts["income"]["patients"] == {"low": 1, "middle": 0, "high": 0}
    assert apply_cuts(chosen, cuts)["income"].tolist() == ["low", "middle", "middle", "high"]


def test_what_cannot_be_cut_is_an_error():
    splits = _splits(["train", "train", "test"])
    nobody = _chosen([("a", None), ("b", None), ("c", 3.0)])
    with pytest.raises(CohortError, match=r"none of 2 training patients has a value of tract\.ACS"):
        fit_cuts(nobody, splits, ONE)
    moved = _chosen([("a", 1.0), ("a", 2.0), ("c", 3.0)])
    with pytest.raises(CohortError, match=r"sdoh_income: 1 patients have several values; allowed"):
        fit_cuts(moved, splits, ONE)


def test_a_data_set_without_homes_has_no_such_attributes():
    chosen = _chosen([("a", 1.0)]).drop(columns="sdoh_income")
    cuts = fit_cuts(chosen, _splits(["train"]), BOTH)
    assert cuts == {}
    assert list(apply_cuts(chosen, cuts)) == list(tables.COHORT.columns)
    fitted = fit_cuts(_chosen([("a", 1.0)]), _splits(["train"]), ONE)
    with pytest.raises(CohortError, match=r"chosen: no values of \['income'\]; link the data set"):
        apply_cuts(chosen, fitted)


VALUES = st.none() | st.floats(-1e6, 1e6)
PEOPLE = st.lists(
    st.tuples(VALUES, VALUES, st.sampled_from(["train", "validation", "test"]), st.integers(1, 3)),
    max_size=8,
)


@given(PEOPLE)
def test_only_training_patients_say_where_the_cut_is(people):
    people = [(1.0, 1.0, "train", 2), *people]
    images = [(f"p{p}", *row[:3]) for p, row in enumerate(people) for _ in range(row[3])]
    splits = _splits([fold for *_, fold in images])
    once = _chosen([(patient, value) for patient, value, _, _ in images])
    other = _chosen([(p, v if fold == "train" else w) for p, v, w, fold in images])
    cuts = fit_cuts(once, splits, ONE)
    assert fit_cuts(other, splits, ONE) == cuts
    training = [value for value, _, fold, _ in people if fold == "train" and value is not None]
    assert cuts["income"]["limits"] == [pytest.approx(np.median(training))]
    groups = apply_cuts(once, cuts)["income"]
    assert ((groups == "unknown") == once["sdoh_income"].isna()).all()
    above = once["sdoh_income"] >= cuts["income"]["limits"][0]
    assert ((groups == "high") == above).all()


@given(PEOPLE, st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(people, seed):
    people = [(1.0, 1.0, "train", 2), *people]
    chosen = _chosen([(f"p{p}", value) for p, (value, *_) in enumerate(people)])
    splits = _splits([fold for _, _, fold, _ in people])
    mixed = chosen.sample(frac=1, random_state=seed)
    cuts = fit_cuts(chosen, splits, ONE)
    assert fit_cuts(mixed, splits.sample(frac=1, random_state=seed + 1), ONE) == cuts
    again = apply_cuts(mixed, cuts).sort_index()
    pd.testing.assert_frame_equal(again, apply_cuts(chosen, cuts))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"variable": "ACS_MEDIAN_HH_INC"}, r"variable: .*\(county\|tract\)"),
        ({"variable": "zip.X"}, r"variable: .*\(county\|tract\)"),
        ({"groups": ["low", "middle", "high"]}, "groups must be one more than the cuts"),
        ({"groups": ["low", "low"]}, "groups must differ, and none may be 'unknown'"),
        ({"groups": ["low", "unknown"]}, "groups must differ, and none may be 'unknown'"),
        ({"groups": ["low", ""]}, r"groups\.1"),
        ({"cut": {"rule": "quantile", "at": []}}, r"cut\.at"),
        ({"cut": {"rule": "quantile", "at": [1.0]}}, "each above 0 and below 1"),
        ({"cut": {"rule": "median", "at": [0.5]}}, r"cut\.rule"),
        ({"cut": {"rule": "value", "at": [2.0, 2.0]}, "groups": ["a", "b", "c"]}, "at must ascend"),
    ],
)
def test_settings_are_checked(changes, says):
    with pytest.raises(ConfigError, match=rf"params\.yaml sdoh\.attributes\.income.*{says}"):
        _config(income={**INCOME, **changes})


@pytest.mark.parametrize("name", ["sex", "insurance", "view", "patient_id", "age_years"])
def test_a_name_may_not_be_taken(name):
    with pytest.raises(ConfigError, match=rf"attributes \['{name}'\] exist already; choose other"):
        _config(**{name: INCOME})


def test_a_name_is_a_word():
    with pytest.raises(ConfigError, match=r"sdoh\.attributes\.Median income"):
        _config(**{"Median income": INCOME})
