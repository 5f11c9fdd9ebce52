"""The table of trials: order, spread, and the paper's numbers beside ours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrfair.report._present import split
from cxrfair.report.references import read
from cxrfair.report.suppression._trials import hide_trials
from cxrfair.report.tables import trials
from cxrfair.studies import Variant

FOLDER = Path(__file__).parents[4] / "workflow" / "references"
GROUPS = "income x insurance_coverage x race"
VARIANTS = {
    "erm": Variant(method="erm"),
    "dfr": Variant(head="dfr", upstream="erm", groups=("race",)),
    "fair_class_balanced": Variant(head="fair_class_balanced", upstream="erm", groups=("race",)),
}


@pytest.fixture
def study(results, made):
    """Trials of two heads on two data sets, of the eight groups and of sex."""
    of = results.study.model_copy(
        update={
            "datasets": ("nih", "mimic_cxr"),
            "attributes": (GROUPS, "sex"),
            "variants": VARIANTS,
            "seeds": (0,),
        }
    )
    tried = made.tried(of).sample(frac=1, random_state=0)
    return replace(results, study=of, trials=tried, paper=read(FOLDER / "class_balanced.yaml"))


def at(found, *place):
    """The one row of a data set, attribute, metric and variant."""
    rows = found.set_index(["dataset", "attribute", "metric", "variant"])
    return rows.loc[place]


def test_a_study_without_trials_has_no_such_table(study):
    assert trials.make(replace(study, trials=study.trials.iloc[:0])).empty


def test_rows_are_in_the_order_of_the_study_and_of_the_measures(study):
    found = trials.make(study)
    assert tuple(found.columns) == trials.COLUMNS
    assert list(found["dataset"].unique()) == ["nih", "mimic_cxr"]
    nih = found[found["dataset"] == "nih"]
    assert list(nih["attribute"].unique()) == ["all", GROUPS, "sex"]
    assert list(nih["variant"])[:3] == list(VARIANTS)
    assert list(nih["metric"].unique()) == ["AUROC", "Balanced accuracy", "EO difference", "AF"]


def test_mean_spread_and_difference_are_those_of_the_trials(study):
    """Trials 0.780 to 0.784: mean 0.782, SD 0.001 sqrt(2.5); the reference is one of 0.8."""
    dfr = at(trials.make(study), "nih", "all", "AUROC", "dfr")
    assert dfr["mean"] == pytest.approx(0.782)
    assert dfr["trial_sd"] == pytest.approx(0.001 * np.sqrt(2.5))
    assert dfr["mean_difference"] == pytest.approx(-0.018)
    assert 0.78 < dfr["mean_low"] < 0.782 < dfr["mean_high"] < 0.784
    assert dfr["n_trials"] == 5
    erm = at(trials.make(study), "nih", "all", "AUROC", "erm")
    assert (erm["n_trials"], erm["mean"]) == (1, pytest.approx(0.8))
    assert np.isnan(erm["trial_sd"])
    assert erm["trial_sd_note"] == "not applicable"


def test_the_paper_s_numbers_stand_beside_ours_where_it_prints_some(study):
    found = trials.make(study)
    mimic = found[found["dataset"] == "mimic_cxr"]
    printed = mimic.dropna(subset="paper")
    got = {(r.metric, r.variant): r.paper for r in printed.itertuples()}
    assert got == {
        ("AUROC", "erm"): 0.7861, ("AUROC", "dfr"): 0.7806,
        ("AUROC", "fair_class_balanced"): 0.7763,
        ("Balanced accuracy", "erm"): 0.6438, ("Balanced accuracy", "dfr"): 0.6526,
        ("Balanced accuracy", "fair_class_balanced"): 0.6045,
        ("EO difference", "erm"): 0.4243, ("EO difference", "dfr"): 0.3677,
        ("EO difference", "fair_class_balanced"): 0.3224,
        ("AF", "erm"): 0.2195, ("AF", "dfr"): 0.2579, ("AF", "fair_class_balanced"): 0.282,
    }  # fmt: skip
    assert set(printed["attribute"]) == {"all", GROUPS}
    assert "0.2849, not 0.2579" in at(mimic, "mimic_cxr", GROUPS, "AF", "dfr")["paper_note"]
    assert pd.isna(at(mimic, "mimic_cxr", GROUPS, "AF", "erm")["paper_note"])
    assert found[found["dataset"] == "nih"]["paper"].isna().all()
    assert set(found[found["dataset"] == "nih"]["paper_note"]) == {"not applicable"}
    alone = trials.make(replace(study, paper=None))
    pd.testing.assert_frame_equal(
        alone.drop(columns=["paper", "paper_note"]), found.drop(columns=["paper", "paper_note"])
    )


def test_a_reader_sees_value_spread_and_the_paper_s_number(study):
    (_, mimic) = split(trials.make(study), study)
    erm, dfr = mimic.rows[:2]
    assert [cell.text for cell in erm] == ["All", "AUROC", "erm", "1", "0.800", "", "0.786"]
    assert [cell.text for cell in dfr[2:]] == ["dfr", "5", "0.782", "0.002", "0.781"]
    assert (erm[4].interval, dfr[4].interval) == ("", "0.780–0.784")


def test_in_public_a_hidden_group_takes_all_comparisons_of_its_attribute(study):
    hidden = {("nih", "any"): frozenset(), ("nih", "edema"): frozenset({("sex", "female")})}
    hidden |= {("mimic_cxr", "any"): frozenset()}
    public = replace(study, trials=hide_trials(study.trials, hidden, {}))
    found = trials.make(public)
    gone = found[found["mean"].isna()]
    assert set(zip(gone["dataset"], gone["attribute"], strict=True)) == {("nih", "sex")}
    assert set(gone["mean_note"]) == {"hidden: small group"}
    assert len(gone) == 6
    cells = [row[4] for row in split(found, public)[0].rows if row[0].text == "Sex"]
    assert {cell.state for cell in cells} == {"hidden"}
    kept = public.trials["value"].dropna()
    np.testing.assert_array_equal(kept, kept.round(3))
    assert list(public.trials.columns) == list(study.trials.columns)


def test_in_public_means_with_a_label_without_counts_have_fewer_digits(study):
    """Of two positives among women a share is told to one digit: 0.28 becomes 0.3."""
    hidden = {("nih", "any"): frozenset(), ("mimic_cxr", "any"): frozenset()}
    fewest = {("nih", "mean", "all", "all"): 1000, ("nih", "mean", "sex", "between"): 2}
    found = hide_trials(study.trials, hidden, fewest)
    nih, other = (found[found["dataset"] == name] for name in ("nih", "mimic_cxr"))
    sex = nih[nih["attribute"] == "sex"]["value"]
    np.testing.assert_array_equal(sex, sex.round(1))
    across = nih[nih["attribute"] == "all"]["value"]
    np.testing.assert_array_equal(across, across.round(3))
    assert (across != across.round(2)).any()
    assert (other["value"] != other["value"].round(2)).any()


def test_no_trials_are_none_in_public(study):
    assert hide_trials(study.trials.iloc[:0], {}, {}).empty
