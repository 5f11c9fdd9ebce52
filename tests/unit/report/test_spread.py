"""What trials come to, by hand."""

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.report.spread import over_trials
from cxrfair.studies import Study


def rows(**values):
    """Rows of TRIALS of AUROC on one data set: by variant its trials, or its seeds' trials."""
    each = [
        {"variant": name, "seed": seed, "trial": trial, "value": value}
        for name, of in values.items()
        for seed, one in enumerate(of if isinstance(of[0], list) else [of])
        for trial, value in enumerate(one)
    ]
    place = {"study": "x", "dataset": "nih", "attribute": "all", "metric": "auroc"}
    frame = pd.DataFrame(each).assign(**place, n_labels=2, note=None)
    return frame[tables.TRIALS.schema.names]


def summary(found, confidence=0.5, reference="erm", **against):
    names = dict.fromkeys([reference, *found["variant"]])
    variants = {name: {"method": "erm", "against": against.get(name)} for name in names}
    study = Study.model_validate(
        {
            **{"datasets": ("nih",), "labels": ("edema",), "attributes": ("sex",), "seeds": (0,)},
            **{"reference": reference, "variants": variants},
        }
    )
    return over_trials(found, study, confidence).set_index("variant")


def test_trials_of_one_seed_by_hand():
    """1, 2, 3, 4, 10 hundredths: mean 4, squares 9 + 4 + 1 + 0 + 36 = 50 over 4; quartiles 2, 4."""
    one = summary(rows(dfr=[0.1, 0.04, 0.01, 0.03, 0.02], erm=[0.05]))
    dfr = one.loc["dfr"]
    assert dfr["value"] == pytest.approx(0.04)
    assert dfr["trial_sd"] == pytest.approx(0.01 * np.sqrt(12.5))
    assert (dfr["ci_low"], dfr["ci_high"]) == pytest.approx((0.02, 0.04))
    assert dfr["n_trials"] == 5


def test_one_trial_has_no_spread_and_differences_from_it_are_those_of_each_trial():
    one = summary(rows(dfr=[0.1, 0.04, 0.01, 0.03, 0.02], erm=[0.05]))
    assert one.loc["erm", ["ci_low", "ci_high", "trial_sd", "difference"]].isna().all()
    assert one.loc["erm", "value"] == 0.05
    ends = one.loc["dfr", ["difference", "difference_low", "difference_high"]]
    assert list(ends) == pytest.approx([-0.01, -0.03, -0.01])
    turned = summary(rows(dfr=[0.1, 0.04, 0.01, 0.03, 0.02], erm=[0.05]), reference="dfr")
    ends = turned.loc["erm", ["difference", "difference_low", "difference_high"]]
    assert list(ends) == pytest.approx([0.01, 0.01, 0.03])


def test_as_many_trials_are_paired_by_their_number():
    """Differences 0.1 each, though the trials of both spread: paired, there is no spread."""
    found = rows(erm=[0.1, 0.5, 0.3], dfr=[0.2, 0.6, 0.4]).sample(frac=1, random_state=1)
    dfr = summary(found).loc["dfr"]
    ends = dfr[["difference", "difference_low", "difference_high"]]
    assert list(ends) == pytest.approx([0.1, 0.1, 0.1])
    assert dfr["note"] is None


def test_of_several_and_not_as_many_only_means_are_compared():
    dfr = summary(rows(erm=[0.1, 0.5, 0.3], dfr=[0.2, 0.6])).loc["dfr"]
    assert dfr["difference"] == pytest.approx(0.1)
    assert dfr[["difference_low", "difference_high"]].isna().all()
    assert dfr["note"] == "difference of means: 2 trials here, 3 of what it is compared with"


def test_seeds_are_summarised_one_by_one():
    """Means 2 and 6, SD 1 and 3: root of (1 + 9) / 2; from the lowest end to the highest."""
    found = rows(dfr=[[1.0, 2.0, 3.0], [3.0, 6.0, 9.0]], erm=[[1.0], [4.0]])
    dfr = summary(found, confidence=0.5).loc["dfr"]
    assert (dfr["value"], dfr["n_trials"]) == (4.0, 6)
    assert dfr["trial_sd"] == pytest.approx(np.sqrt(5))
    assert (dfr["ci_low"], dfr["ci_high"]) == pytest.approx((1.5, 7.5))
    assert dfr["difference"] == pytest.approx((1 + 2) / 2)
    assert (dfr["difference_low"], dfr["difference_high"]) == pytest.approx((0.5, 3.5))


def test_a_seed_that_the_reference_lacks_has_no_difference():
    dfr = summary(rows(dfr=[[1.0, 2.0], [3.0, 6.0]], erm=[[1.0]])).loc["dfr"]
    assert dfr["difference"] == pytest.approx(0.5)


def test_undefined_trials_stay_so_and_say_why():
    found = rows(dfr=[np.nan, np.nan], erm=[np.nan]).assign(note="2 of 2 labels undefined")
    dfr = summary(found).loc["dfr"]
    assert dfr[["value", "ci_low", "ci_high", "trial_sd", "difference"]].isna().all()
    assert dfr["note"] == "2 of 2 labels undefined"


def test_no_trials_no_rows():
    assert summary(tables.TRIALS.empty()).empty


def test_a_variant_may_be_compared_with_another_than_the_reference():
    found = rows(dfr=[0.5, 0.7], half=[0.4, 0.5], erm=[0.1, 0.1])
    assert summary(found)["difference"].to_dict() == pytest.approx(
        {"dfr": 0.5, "half": 0.35, "erm": np.nan}, nan_ok=True
    )
    assert summary(found, dfr="half").loc["dfr", "difference"] == pytest.approx(0.15)
