"""FNR from TPR, and means of groups over the labels that all of them have."""

import numpy as np
import pandas as pd
import pytest

from cxrfair.report.rates import of_groups, with_fnr

TPR = {
    **{"value": 0.8, "ci_low": 0.7, "ci_high": 0.95},
    **{"difference": 0.1, "difference_low": -0.05, "difference_high": 0.3},
}


def _rows(metric="tpr", group="female", **changes):
    place = {"dataset": "nih", "label": "mean", "attribute": "sex", "variant": "erm", "n": 50}
    return pd.DataFrame([{**place, **TPR, "metric": metric, "group": group, **changes}])


def test_fnr_is_one_less_tpr_and_its_ends_change_places():
    found = with_fnr(_rows()).set_index("metric").loc["fnr"]
    assert found["value"] == pytest.approx(0.2)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((0.05, 0.3))
    assert found["difference"] == pytest.approx(-0.1)
    ends = (found["difference_low"], found["difference_high"])
    assert ends == pytest.approx((-0.3, 0.05))


def test_the_spread_of_fnr_is_that_of_tpr():
    found = with_fnr(_rows("tpr_sd", "between")).set_index("metric")
    pd.testing.assert_series_equal(found.loc["fnr_sd"], found.loc["tpr_sd"], check_names=False)


def test_what_is_audited_stays():
    rows = pd.concat([_rows(), _rows("fnr", value=0.3)], ignore_index=True)
    pd.testing.assert_frame_equal(with_fnr(rows), rows)
    assert set(with_fnr(_rows("auroc"))["metric"]) == {"auroc"}


def _labels(values, n=50, group="female", variant="erm"):
    """One row a label."""
    rows = [_rows(label=f"l{i}", value=v) for i, v in enumerate(values)]
    return pd.concat(rows, ignore_index=True).assign(n=n, group=group, variant=variant)


def test_groups_are_averaged_over_the_same_labels():
    """Men have no rate for l1, so that women's is left out: (0.2 + 0.6) / 2."""
    men = _labels([0.1, np.nan, 0.3], group="male")
    few = _labels([np.nan, 0.9, 0.5], n=5, group="other")
    rows = pd.concat([_labels([0.2, 0.9, 0.6]), men, few], ignore_index=True)
    found = of_groups(rows, ("tpr",), 20).set_index("group")
    assert found["value"].to_dict() == pytest.approx({"female": 0.4, "male": 0.2, "other": 0.5})
    assert found["n_labels"].to_dict() == {"female": 2, "male": 2, "other": 1}
    assert found["n"].to_dict() == {"female": 50, "male": 50, "other": 5}


def test_variants_are_averaged_over_the_same_labels():
    rows = pd.concat([_labels([0.2, 0.6]), _labels([0.4, np.nan], variant="dro")])
    found = of_groups(rows, ("tpr",), 20).set_index("variant")
    assert found["value"].to_dict() == pytest.approx({"erm": 0.2, "dro": 0.4})


def test_a_hidden_count_is_no_small_group_and_unknown_is_none():
    hidden = _labels([0.2, np.nan]).assign(n=pd.array([pd.NA, pd.NA], "Int64"))
    rows = pd.concat([hidden, _labels([0.1, 0.1], group="unknown")])
    found = of_groups(rows, ("tpr",), 20)
    assert found["group"].tolist() == ["female"]
    assert found["value"].tolist() == [0.2]
    assert found["n"].isna().all()
    assert of_groups(rows, ("fpr",), 20).empty
