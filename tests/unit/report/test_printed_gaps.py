"""A paper's printed gaps: what they come to, and what such a file may not say."""

import math
from pathlib import Path

import pytest
from pydantic import ValidationError
from scipy.stats import ttest_ind_from_stats

from cxrfair.report.printed_gaps import GapTable, surely
from cxrfair.report.references import read

FOLDER = Path(__file__).parents[3] / "workflow" / "references"


@pytest.fixture(scope="module")
def table():
    return read(FOLDER / "alignment.yaml").gaps


def test_the_recount_of_table_2_is_24_of_30_and_not_27(table):
    """By eye: accuracy 4 of 6, AUC 3, sensitivity 6, F1 5, hit rate 6."""
    found = table.compared(0.95)
    better = {}
    for of in found:
        better[of.metric] = better.get(of.metric, 0) + (of.gain > 0)
    assert better == {"accuracy_gap": 4, "auroc_gap": 3, "tpr_gap": 6, "f1_gap": 5, "hit_rate": 6}
    assert (sum(better.values()), len(found)) == (24, 30)
    assert (table.claimed.better, table.claimed.of) == (27, 30)
    worse = {(of.label, of.attribute, of.metric) for of in found if of.gain < 0}
    assert worse == {
        ("nodule_or_mass", "age", "accuracy_gap"),
        ("nodule_or_mass", "age", "auroc_gap"),
        ("nodule_or_mass", "sex", "accuracy_gap"),
        ("nodule_or_mass", "sex", "f1_gap"),
        ("pleural_effusion", "age", "auroc_gap"),
        ("pleural_effusion", "sex", "auroc_gap"),
    }


def test_gains_are_in_our_unit_and_hit_rates_gain_upwards(table):
    gains = {of[:4]: of.gain for of in table.compared(0.95)}
    assert gains["chexpert", "edema", "age", "auroc_gap"] == pytest.approx(0.0090)
    assert gains["chexpert", "edema", "age", "hit_rate"] == pytest.approx(0.1144)
    assert gains["jsrt", "nodule_or_mass", "age", "accuracy_gap"] == pytest.approx(-0.0398)


def test_two_worse_numbers_are_bold_and_one_hit_rate_is_printed_of_two_data_sets(table):
    bold = []
    for row in table.rows:
        for column, before, after, of in zip(
            table.columns, row.without, row.aligned, row.bold, strict=True
        ):
            gained = (after[0] > before[0]) == column.more_is_better
            if (of == "aligned") != gained:
                bold.append((row.label, row.attribute, column.metric))
                assert "it is the worse one" in table.said(row, of, column.metric)
    assert bold == [
        ("nodule_or_mass", "sex", "f1_gap"),
        ("pleural_effusion", "age", "auroc_gap"),
    ]
    rows = {(row.label, row.attribute): row for row in table.rows}
    edema, nodule = rows["edema", "age"], rows["nodule_or_mass", "age"]
    assert edema.aligned[-1] == nodule.without[-1] == (14.47, 8.71)
    for row, kind in ((edema, "aligned"), (nodule, "without")):
        assert "14.47 and 8.71" in table.said(row, kind, "hit_rate")
    assert "14.47" not in table.said(edema, "without", "hit_rate")
    for label in ("edema", "nodule_or_mass", "pleural_effusion"):  # the same in both attributes
        for kind in ("without", "aligned"):
            one, other = (getattr(rows[label, a], kind)[-1][0] for a in ("sex", "age"))
            assert one == other


def test_what_is_sure_by_the_paper_s_own_plus_minus(table):
    """Four gaps of 24 are surely better and one worse; of hit rates one, which stands twice."""
    found = table.compared(0.95)
    gaps = [of for of in found if of.metric != "hit_rate"]
    assert {of[1:4] for of in gaps if of.surely > 0} == {
        ("edema", "age", "auroc_gap"),
        ("pleural_effusion", "age", "accuracy_gap"),
        ("pleural_effusion", "age", "tpr_gap"),
        ("pleural_effusion", "age", "f1_gap"),
    }
    worse = {of[1:4] for of in found if of.surely < 0}
    assert worse == {("pleural_effusion", "age", "auroc_gap")}
    sure_hits = {of[1:3] for of in found if of.metric == "hit_rate" and of.surely}
    assert sure_hits == {("edema", "age"), ("edema", "sex")}


def test_what_is_sure_is_what_another_implementation_says(table):
    found = iter(table.compared(0.95))
    for row in table.rows:
        for before, after in zip(row.without, row.aligned, strict=True):
            test = ttest_ind_from_stats(*before, 5, *after, 5, equal_var=False)
            assert abs(next(found).surely) == (test.pvalue < 0.05)


def test_welch_by_hand():
    """SDs 3 and 4, five repeats: s^2 / n is 1.8 and 3.2, the standard error sqrt(5).

    Degrees of freedom: 5^2 * 4 / (1.8^2 + 3.2^2) = 7.418, so that t at 0.975 lies between those of
    7 (2.3646) and of 8 (2.3060).
    """
    low, high = 2.3060 * math.sqrt(5), 2.3646 * math.sqrt(5)
    assert not surely((10.0, 3.0), (10.0 + low, 4.0), 5, 0.95)
    assert surely((10.0, 3.0), (10.0 + high, 4.0), 5, 0.95)
    assert surely((10.0, 3.0), (10.0 - high, 4.0), 5, 0.95)
    assert surely((1.0, 0.0), (1.1, 0.0), 5, 0.95)
    assert not surely((1.0, 0.0), (1.0, 0.0), 5, 0.95)


def changed(table, **changes):
    return GapTable.model_validate_json(table.model_copy(update=changes).model_dump_json())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: {"rows": (*t.rows, t.rows[0])}, "rows holds an entry twice"),
        (lambda t: {"columns": t.columns[:4]}, "5 entries; there are 4 columns"),
        (lambda _: {"named": {"aligned": "Aligner"}}, "nothing of ['without']"),
        (lambda t: {"rows": t.rows[:2]}, "a footnote on dataset 'jsrt'"),
        (lambda _: {"repeats": 1}, "greater than or equal to 2"),
    ],
)
def test_what_does_not_hang_together_is_refused(table, change, said):
    with pytest.raises(ValidationError, match=".*") as caught:
        changed(table, **change(table))
    assert said in str(caught.value)


def test_a_footnote_on_no_place_is_refused(table):
    told = table.model_dump(mode="json")
    told["footnotes"] = [{"text": "Nowhere.", "at": [{}]}]
    with pytest.raises(ValidationError, match="a footnote on no place"):
        GapTable.model_validate(told, strict=False)
