"""What a paper says, beside ours: which numbers, and in which sense they changed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from cxrfair.report.references import Claim, read
from cxrfair.report.tables import claims
from cxrfair.statistics.balance import entropy, gini, gini_simpson
from cxrfair.studies import Variant

FOLDER = Path(__file__).parents[4] / "workflow" / "references"
VARIANTS = {
    "erm": Variant(method="erm"),
    "dro": Variant(method="group_dro", rebalance="resample"),
    "even": Variant(method="erm", rebalance="resample"),
}


@pytest.fixture
def study(results, made):
    of = results.study.model_copy(update={"variants": VARIANTS})
    lists, paper = made.lists_of(of, n=300), made.printed()
    return replace(results, study=of, rebalanced=lists, paper=paper, cards=made.cards(of))


def _at(study, metric, attribute="all"):
    rows = claims.make(study)
    here = rows["dataset"].eq("nih") & rows["metric"].eq(metric) & rows["attribute"].eq(attribute)
    (found,) = rows[here].to_dict("records")
    return found


def _summary(study, metric, attribute="all", group="all", variant="dro"):
    rows = study.summary.set_index(["dataset", "label", "metric", "attribute", "group", "variant"])
    return rows.loc[("nih", "mean", metric, attribute, group, variant)]


def test_a_difference_is_the_summary_s(study):
    found, source = _at(study, "Accuracy"), _summary(study, "accuracy")
    assert found["ours"] == source["value"]
    assert found["original"] == _summary(study, "accuracy", variant="erm")["value"]
    ends = (found["change_low"], found["change_high"])
    assert ends == (source["difference_low"], source["difference_high"])
    assert found["change"] == pytest.approx(source["difference"])
    assert found["paper"] == -0.02


def test_a_reduction_has_the_interval_of_the_summary(study):
    found = _at(study, "Accuracy SD over groups", "age")
    source = _summary(study, "accuracy_sd", "age", "between")
    assert found["change"] == pytest.approx(source["reduction"])
    assert (found["change_low"], found["change_high"]) == (
        source["reduction_low"],
        source["reduction_high"],
    )
    assert (found["as"], found["paper_note"]) == ("reduction", "Made up.")


def test_an_increase_is_a_reduction_turned_round(study):
    found = _at(study, "Entropy", "sex")
    rows = study.rebalanced.query("dataset == 'nih' and seed == 0 and attribute == 'sex'")
    before, after = (
        entropy(rows.loc[rows["rebalance"] == name, "weight"]) for name in ("none", "resample")
    )
    assert (found["original"], found["ours"]) == (before, after)
    assert found["change"] == pytest.approx(after / before - 1)
    assert np.isnan(found["change_low"])


def test_examples_are_entries_times_epochs(study):
    """Two epochs; the list is twice as long as the training images."""
    found = _at(study, "Examples")
    n = study.rebalanced.query("dataset == 'nih' and seed == 0 and rebalance == 'none'")["n"].max()
    assert found["original"] == 2 * n
    assert found["ours"] == 2 * (n + 2 * (n // 2))
    assert found["change"] == pytest.approx(1, abs=0.02)


def test_minorities_are_all_groups_but_the_largest(study):
    found = _at(study, "Accuracy", "minorities of age")
    rows = study.summary[
        study.summary["metric"].eq("accuracy") & study.summary["dataset"].eq("nih")
    ]
    rows = rows[rows["attribute"].eq("age") & rows["variant"].eq("dro") & rows["label"].ne("mean")]
    rows = rows[~rows["group"].isin(["unknown", "between", "40-60"]) & rows["n"].ge(20)]
    assert set(rows["group"]) == {"20-40", "60-80"}
    assert found["ours"] == pytest.approx(rows.groupby("group")["value"].mean().mean())


def test_what_cannot_be_said_says_why(study):
    rows = claims.make(study).set_index("metric")
    assert set(rows.loc["Brier score", "ours_note"]) == {claims.NOT_ASKED}
    assert set(rows.loc["", "change_note"]) == {"not measured"}
    assert rows.loc["", "change"].isna().all()
    without = replace(study, rebalanced=study.rebalanced.iloc[:0])
    assert np.isnan(_at(without, "Examples")["ours"])
    assert np.isnan(_at(without, "Entropy", "sex")["change"])
    assert "never" not in set(rows["variant"])
    assert claims.make(replace(study, paper=None)).empty


def test_the_paper_s_numbers_are_not_of_one_kind():
    """What the footnotes of workflow/references/rebalancing.yaml say, worked out."""
    race, age = (70, 15, 8, 5, 2), (12, 25, 28, 24, 11)
    assert (sum(race), sum(age)) == (100, 100)
    assert gini_simpson(race) == pytest.approx(0.478, abs=5e-4)
    assert gini(race) == pytest.approx(0.584)
    assert gini_simpson((1,) * 5) == pytest.approx(0.8)
    assert entropy(age) == pytest.approx(1.543, abs=5e-4)
    assert np.log(5) / entropy(age) - 1 == pytest.approx(0.043, abs=5e-4)
    said = " ".join(str(claim.note) for claim in read(FOLDER / "rebalancing.yaml").claims)
    for number in ("0.478", "0.584", "0.8 for five", "1.543", "4.3% more"):
        assert number in said


def test_a_claim_of_no_metric_says_why():
    given = {"says": "x", "where": "y", "change": "increase", "printed": 1, "variants": ("a",)}
    with pytest.raises(ValidationError, match="no metric and no note"):
        Claim.model_validate({**given, "metric": None})
    with pytest.raises(ValidationError, match="no metric 'moose'"):
        Claim.model_validate({**given, "metric": "moose"})
    assert Claim.model_validate({**given, "metric": "examples"}).attributes == ("all",)
