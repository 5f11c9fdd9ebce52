"""Our metrics equal the field's, and docs/agreement.md says how closely and where not."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair import comparisons, metrics
from cxrfair.audit import Evidence, Model, audit
from cxrfair.metrics import FORMS, Counts

SPEC = spec_from_file_location("field", Path(__file__).with_name("field.py"))
FIELD = module_from_spec(SPEC)
SPEC.loader.exec_module(FIELD)
OUTDATED = "run `python tests/agreement/field.py --write`"


@pytest.fixture(scope="module")
def page():
    return FIELD.on_page(FIELD.PAGE.read_text(encoding="utf-8"))


def test_everything_is_compared():
    assert {name for name, _ in FIELD.ORACLES} == set(metrics.names())
    assert {name for name, _ in FIELD.COMPARED} == set(comparisons.names())
    assert {form for form, _ in FIELD.BY_FORM} == {k for k, f in FORMS.items() if not f.each}


def test_equal_wherever_both_are_defined_and_the_page_says_so(page):
    rows = FIELD.agreement()
    for what, oracle, _, n, apart in rows:
        assert n >= 12, f"{what} and {oracle} are hardly compared"
        assert apart <= FIELD.LIMIT, f"{what} and {oracle} differ by {apart}"
    said, found = (
        [line.split(" | ") for line in of.splitlines()] for of in (page[0], FIELD.equal(rows))
    )
    assert [line[:-1] for line in said] == [line[:-1] for line in found], OUTDATED
    for line, (*_, apart) in zip(said[2:], rows, strict=True):
        figure = float(line[-1].rstrip(" |"))
        assert apart <= 10 * figure, OUTDATED  # another machine adds up in another order
        assert figure <= FIELD.LIMIT


def test_the_page_lists_every_difference(page):
    assert page[1] == FIELD.different(), OUTDATED


@pytest.mark.parametrize("difference", FIELD.DIFFERENCES, ids=lambda d: f"{d.what}, {d.images}")
def test_a_listed_difference_is_one(difference):
    ours, theirs = difference.ours(), difference.theirs()
    assert ours != pytest.approx(theirs, abs=1e-3)


SMALL = [key for key in FIELD.ORACLES if key[0] != "ece"]


@pytest.mark.parametrize(("name", "oracle"), SMALL)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_equal_on_any_images(name, oracle, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    few = rng.integers(1, 12)
    case = FIELD.Case(
        target=(rng.random(n) < rng.random()).astype(np.int8),
        score=rng.integers(few, size=n) / few,
        group=rng.integers(3, size=n),
        patient=rng.integers(rng.integers(1, n + 1), size=n),
    )
    assert max(FIELD.compare_metric(name, oracle, case), default=0) <= FIELD.LIMIT


TABLES = (
    st.integers(2, 5)
    .flatmap(
        lambda groups: st.lists(
            st.integers(0, 6) | st.integers(0, 2000), min_size=4 * groups, max_size=4 * groups
        )
    )
    .filter(sum)
)


def _tables(cells):
    """Counts [group, class, decision], and the same as confusion matrices."""
    table = np.array(cells, float).reshape(-1, 2, 2)
    parts = {"tp": (1, 1), "fp": (0, 1), "tn": (0, 0), "fn": (1, 0)}
    return table, Counts(**{k: table[:, y, d][:, None] for k, (y, d) in parts.items()})


@given(TABLES)
def test_adf_is_its_sum(cells):
    table, counts = _tables(cells)
    p, total = table / table.sum(), 0.0
    for s, y, d in zip(*np.nonzero(table), strict=True):
        total += p[s, y, d] * np.log(
            p[:, y].sum() * p[s, y, d] / (p[s, y].sum() * p[:, y, d].sum())
        )
    found = comparisons.get("adf").compute(counts)
    expected = total if (table.sum(axis=(1, 2)) > 0).sum() > 1 else np.nan
    np.testing.assert_allclose(found, [expected], atol=1e-12)


@given(TABLES)
def test_adf_is_scikit_learn_s_information_within_each_class(cells):
    table, counts = _tables(cells)
    total = sum(
        of.sum() / table.sum() * sklearn.metrics.mutual_info_score(None, None, contingency=of)
        for of in (table[:, 0], table[:, 1])
        if of.any()
    )
    found = comparisons.get("adf").compute(counts)
    expected = total if (table.sum(axis=(1, 2)) > 0).sum() > 1 else np.nan
    np.testing.assert_allclose(found, [expected], atol=1e-12)


def test_adf_is_nothing_where_odds_are_equal():
    _, counts = _tables([8, 2, 3, 3, 16, 4, 6, 6])
    np.testing.assert_allclose(comparisons.get("adf").compute(counts), [0], atol=1e-15)


def test_adf_corrected_is_nothing_on_average_where_there_is_only_chance():
    rng = np.random.default_rng(3)
    shape = (3, 4000)  # groups, repeats
    tp, fp = rng.binomial(200, 0.6, shape), rng.binomial(300, 0.3, shape)
    counts = Counts(tp=1.0 * tp, fp=1.0 * fp, tn=300.0 - fp, fn=200.0 - tp)
    plain, corrected = (comparisons.get(name).compute(counts) for name in ("adf", "adf_corrected"))
    assert plain.mean() == pytest.approx(4 / (2 * 1500), rel=0.05)  # (3 - 1)(2 - 1) a class
    assert abs(corrected.mean()) < 0.05 * plain.mean()


def test_scores_that_are_no_numbers_are_not_judged_where_the_field_refuses_all(made):
    one = {"erm": {"method": "erm"}}
    study = made.study(datasets=("nih",), attributes=("sex",), seeds=(0,), variants=one)
    key, (cohort, fold) = Model("nih", "erm", 0), made.cohort("nih")
    rows = made.predictions(study, cohort, fold, key)
    women = cohort.loc[cohort["sex"] == "female", "image_id"]
    lost = (rows["label"] == "no_finding") & rows["image_id"].isin(women)
    thresholds = pd.DataFrame({"label": study.labels, "group": "all", "value": 0.5})
    models = {key: Evidence(rows.assign(score=rows["score"].mask(lost)), thresholds)}
    found = audit("quick", study, models, {"nih": cohort}, made.CONFIG).metrics
    rows = found[found["metric"] == "auroc"].set_index(["label", "group"])
    nothing, rest = rows.loc["no_finding", "female"], rows.loc["no_finding", "male"]
    assert np.isnan(nothing["value"])
    assert nothing["n"] == 0
    assert "needs a positive and a negative" in nothing["note"]
    assert rest["value"] > 0.5
    assert rows.loc[("no_finding", "all"), "value"] == rest["value"]
    assert rows.loc[("pleural_effusion", "female"), "value"] > 0.5
    with pytest.raises(ValueError, match="NaN"):
        sklearn.metrics.roc_auc_score([0, 1, 1], [0.2, np.nan, 0.4])
