"""Spread over groups and its reduction: rows of the summary, in order."""

from dataclasses import replace

import numpy as np

from cxrfair.report._present import split
from cxrfair.report.tables import disparity


def test_it_is_the_summary_s_with_fnr_as_tpr(results):
    found = disparity.make(results)
    rows = results.summary.set_index(["dataset", "attribute", "metric", "variant", "label"])
    for name, metric in (("Accuracy", "accuracy_sd"), ("FPR", "fpr_sd"), ("FNR", "tpr_sd")):
        row = found.set_index(["dataset", "attribute", "metric", "variant"]).loc[
            ("mimic", "age", name, "dro")
        ]
        source = rows.loc[("mimic", "age", metric, "dro", "mean")]
        parts = ["value", "ci_low", "ci_high", "reduction", "reduction_low", "reduction_high"]
        ours = ["sd", "sd_low", "sd_high", "reduction", "reduction_low", "reduction_high"]
        np.testing.assert_array_equal(row[ours].astype(float), source[parts].astype(float))


def test_rows_stand_by_attribute_metric_and_variant(results):
    found = disparity.make(results)
    nih = found[found["dataset"] == "nih"]
    assert list(nih["attribute"].unique()) == ["sex", "age", "sex x age"]
    assert list(nih["metric"])[:6] == ["Accuracy"] * 2 + ["FPR"] * 2 + ["FNR"] * 2
    assert list(nih["variant"])[:2] == ["erm", "dro"]
    first = split(found, results)[0].rows[0]
    assert first[-1].text == ""  # the reference is not reduced


def test_what_is_not_asked_for_is_left_out(results):
    rows = results.summary
    kept = replace(results, summary=rows[~rows["metric"].str.endswith("_sd")])
    assert disparity.make(kept).empty
    some = replace(results, summary=rows[~rows["metric"].isin(["tpr_sd", "accuracy_sd"])])
    assert set(disparity.make(some)["metric"]) == {"FPR"}
