"""Balance of training lists: measures, what is gained, and what a public report hides."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report._present import split
from cxrfair.report.suppression._rebalanced import hide_rebalanced
from cxrfair.report.tables import rebalanced
from cxrfair.statistics.balance import entropy, gini, gini_simpson, normalised_entropy
from cxrfair.studies import Variant

VARIANTS = {
    "erm": Variant(method="erm"),
    "even": Variant(method="erm", rebalance="resample"),
    "again": Variant(method="erm", rebalance="resample"),
}
SHARES = {"0-20": 12.0, "20-40": 25.0, "40-60": 28.0, "60-80": 24.0, "80+": 11.0}


@pytest.fixture
def study(results, made):
    """Ages as the paper says they are, before and after; all else of little interest."""
    of = results.study.model_copy(update={"variants": VARIANTS})
    rows = made.lists_of(of, n=300)
    one = rows[rows["attribute"].eq("age") & rows["group"].eq("20-40")]
    ages = [one.assign(group=name, weight=weight) for name, weight in SHARES.items()]
    for each in ages:
        each.loc[each["rebalance"] == "resample", "weight"] = 20.0
    rows = pd.concat([rows[rows["attribute"] != "age"], *ages], ignore_index=True)
    return replace(results, study=of, rebalanced=rows)


def _at(study, attribute, name, dataset="nih"):
    rows = rebalanced.make(study).set_index(["dataset", "attribute", "rebalance"])
    return rows.loc[(dataset, attribute, name)]


def test_measures_are_of_weights(study):
    before, counts = _at(study, "age", "none"), list(SHARES.values())
    assert before["n_groups"] == 5
    assert before["gini"] == gini(counts)
    assert before["gini_simpson"] == gini_simpson(counts)
    assert before["entropy"] == entropy(counts)
    assert before["normalised_entropy"] == normalised_entropy(counts)


def test_the_paper_s_gain_in_entropy_is_impossible(study):
    """ln 5 / 1.5427 - 1 = 4.3%, and not 37%."""
    before, after = _at(study, "age", "none"), _at(study, "age", "resample")
    assert before["entropy_left"] == after["entropy_left"] == pytest.approx(0.0432, abs=5e-5)
    assert after["entropy_gain"] == pytest.approx(after["entropy_left"])
    assert after["entropy"] == pytest.approx(np.log(5))
    assert (np.isnan(before["entropy_gain"]), before["entropy_gain_note"]) == (
        True,
        "not applicable",
    )


def test_labels_stand_last_and_a_list_of_two_variants_once(study):
    found = rebalanced.make(study)
    nih = found[found["dataset"] == "nih"]
    assert list(nih["attribute"].unique()) == ["sex", "age", "sex x age", "label"]
    assert list(nih["rebalance"])[:2] == ["none", "resample"]
    assert len(nih) == 8
    labels = _at(study, "label", "none")
    rows = study.rebalanced.query("dataset == 'nih' and rebalance == 'none' and seed == 0")
    of = rows[rows["label"] != "any"]
    assert labels["n_entries"] == of["n"].sum()
    assert labels["gini"] == gini(of["weight"])


def test_images_are_the_different_ones_of_the_whole_list(study):
    """The first half lies in the list three times."""
    before, after = _at(study, "sex", "none"), _at(study, "sex", "resample")
    assert before["n_images"] == after["n_images"] == before["n_entries"]
    assert after["n_entries"] == before["n_entries"] + 2 * (before["n_entries"] // 2)


def test_without_lists_there_is_no_table(results):
    assert results.rebalanced.empty
    assert rebalanced.make(results).empty


def test_nothing_in_a_list_has_no_measure(study):
    rows = study.rebalanced
    empty = replace(study, rebalanced=rows.assign(weight=rows["weight"] * 0))
    row = _at(empty, "age", "resample")
    assert np.isnan([row["gini"], row["entropy"], row["entropy_gain"], row["entropy_left"]]).all()
    assert row["gini_note"] == row["entropy_gain_note"] == "nothing in the list"


def test_in_public_a_hidden_group_takes_its_attribute_and_a_label_without_counts_goes(study):
    hidden = {(d, label): frozenset() for d in ("nih", "mimic") for label in study.study.labels}
    hidden |= {("nih", "any"): frozenset({("age", "0-20")}), ("mimic", "any"): frozenset()}
    secret = frozenset({("mimic", "no_finding")})
    found = hide_rebalanced(study.rebalanced, hidden, secret)
    public = replace(study, rebalanced=found)
    age = _at(public, "age", "resample")
    assert age["gini_note"] == age["entropy_left_note"] == "hidden: small group"
    assert np.isnan(age["gini"])
    assert _at(public, "age", "none", "mimic")["gini"] > 0
    assert np.isnan(_at(public, "label", "none", "mimic")["gini"])
    assert _at(public, "label", "none")["gini"] > 0
    named = found[found["attribute"].ne("all") | found["label"].ne("any")]
    assert named["n_images"].isna().all()
    cells = [row[3] for row in split(rebalanced.make(public), public)[0].rows]
    assert [cell.state for cell in cells[2:4]] == ["hidden", "hidden"]


def test_no_rows_are_none_in_public(results):
    assert hide_rebalanced(results.rebalanced, {}, frozenset()).empty
