from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from cxrfair.report._present import split
from cxrfair.report.tables.adf_effect import make

VARIANTS = ("erm", "dro", "jtt", "arl", "lff")
ADF = np.array([0.01, 0.05, 0.02, 0.04, 0.03])
DIRECT = {  # by what is answered, then by variant
    "decision": np.array([-0.1, 0.5, -0.2, 0.4, 0.3]),  # as ADF orders them, without sign
    "score": np.array([0.5, 0.1, 0.4, -0.2, 0.45]),
}


def _effects(values=None, seeds=(0, 1)):
    rows = [
        {"variant": v, "seed": s, "of": of, "effect": effect, "value": value * (effect == "direct")}
        for of, sizes in (values or DIRECT).items()
        for v, value in zip(VARIANTS, sizes, strict=True)
        for s in seeds
        for effect in ("direct", "indirect", "total")
    ]
    frame = pd.DataFrame(rows).assign(study="quick", dataset="mimic", label="no_finding", n=30)
    frame = frame.assign(attribute="sex", minus="male", plus="female", n_patients=20, note=None)
    return frame.assign(ci_low=frame["value"] - 0.05, ci_high=frame["value"] + 0.05)


def _summary(adf=ADF, corrected=True):
    parts = {"adf": adf, **({"adf_corrected": adf - 0.015} if corrected else {})}
    rows = [
        pd.DataFrame({"variant": VARIANTS, "value": value, "metric": metric})
        for metric, value in parts.items()
    ]
    frame = pd.concat(rows, ignore_index=True).assign(dataset="mimic", label="no_finding")
    frame = frame.assign(attribute="sex", group="between")
    return frame.assign(ci_low=frame["value"] - 0.01, ci_high=frame["value"] + 0.01)


@pytest.fixture
def study(results):
    own = {"effects": {"sex": ("male", "female")}, "variants": dict.fromkeys(VARIANTS)}
    of = results.study.model_copy(update=own)
    return replace(results, study=of, effects=_effects(), summary=_summary())


def test_a_row_for_decisions_and_one_for_scores_with_their_rank_correlation(study):
    found = make(study)
    assert found["direct_effect_on"].tolist() == ["decisions", "scores"]
    assert (found["n_variants"] == 5).all()
    assert found["rank_correlation"][0] == pytest.approx(1)
    wanted = spearmanr(ADF, np.abs(DIRECT["score"])).statistic
    assert wanted < 0
    assert found["rank_correlation"][1] == pytest.approx(wanted)
    assert (found["rank_correlation_low"] <= found["rank_correlation"]).all()
    np.testing.assert_allclose(found["adf_by_chance"], 0.015)
    np.testing.assert_allclose(found["largest_adf"], 0.05)
    np.testing.assert_allclose(found["largest_effect"], 0.5)
    notes = [name for name in found if name.endswith("_note")]
    assert found[notes].isna().all(axis=None)
    (shown,) = split(found, study)
    assert shown.headings[:2] == ("Label", "Attribute")
    assert shown.rows[0][4].text == "1.000"


def test_too_few_variants_say_nothing(study):
    adf = np.where(np.arange(5) < 3, ADF, np.nan)
    found = make(replace(study, summary=_summary(adf)))
    assert found["rank_correlation"].isna().all()
    assert (found["rank_correlation_note"] == "fewer than 4 variants").all()
    assert (found["n_variants"] == 3).all()


def test_without_adf_that_is_said(study):
    found = make(replace(study, summary=_summary().iloc[:0]))
    assert found[["adf_by_chance", "largest_adf"]].isna().all(axis=None)
    assert (found["largest_adf_note"] == "ADF is undefined or was not asked for").all()
    assert (found["n_variants"] == 0).all()


def test_without_its_corrected_form_what_chance_adds_is_not_known(study):
    found = make(replace(study, summary=_summary(corrected=False)))
    assert found["adf_by_chance"].isna().all()
    assert found["adf_by_chance_note"].notna().all()
    assert found["largest_adf"].notna().all()


def test_effects_that_are_nowhere_defined_are_said_to_be(study):
    values = {**DIRECT, "decision": np.full(5, np.nan)}
    found = make(replace(study, effects=_effects(values)))
    assert found["largest_effect_note"].tolist()[0] == "no direct effect is defined"
    assert found["rank_correlation_note"].tolist()[0] == "fewer than 4 variants"
    assert found["rank_correlation"].notna().tolist() == [False, True]


def test_nothing_measured_is_nothing_shown(results):
    found = make(results)
    assert len(found) == 0
    assert found.columns[0] == "dataset"
