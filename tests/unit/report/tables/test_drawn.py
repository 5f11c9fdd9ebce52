"""Whose images are chosen: shares and ratios by hand, and what a public report hides."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair import tables
from cxrfair.report._present import split
from cxrfair.report.suppression import suppress
from cxrfair.report.suppression._drawn import hide_drawn
from cxrfair.report.tables import drawn
from cxrfair.studies import Variant

VARIANTS = {
    "gce": Variant(method="gce"),
    "low_loss": Variant(method="low_loss"),
    "jtt": Variant(method="jtt"),
}
NOTHING = frozenset()


def _rows(variant, counts, dataset="nih", seed=0):
    """Rows of a training, from (attribute, group, label, n, left out, more)."""
    names = ["attribute", "group", "label", "n", "n_left_out", "n_more"]
    place = {"study": "quick", "dataset": dataset, "variant": variant, "seed": seed, "note": None}
    return pd.DataFrame(counts, columns=names).assign(**place)[tables.REDRAWN.schema.names]


LOW = [
    ("all", "all", "any", 1000, 100, 0),
    ("sex", "female", "any", 400, 80, 0),
    ("sex", "male", "any", 500, 20, 0),
    ("sex", "unknown", "any", 100, 0, 0),
    ("age", "0-20", "any", 0, 0, 0),
    ("age", "20-40", "any", 1000, 100, 0),
    ("all", "all", "no_finding", 500, 75, 0),
    ("all", "all", "pleural_effusion", 250, 25, 0),
]
ERRORS = [(*place, n, 0, n // 4) for *place, n, _, _ in LOW]


@pytest.fixture
def study(results):
    variants = {**results.study.variants, **VARIANTS}
    of = results.study.model_copy(update={"variants": variants, "attributes": ("sex", "age")})
    rows = [_rows("low_loss", LOW), _rows("jtt", ERRORS), _rows("jtt", LOW, seed=1)]
    rows = [*rows, _rows("low_loss", LOW, "mimic")]
    return replace(results, study=of, drawn=pd.concat(rows, ignore_index=True))


def _at(study, variant, attribute, group, dataset="nih"):
    keys = ["dataset", "variant", "attribute", "group"]
    return drawn.make(study).set_index(keys).sort_index().loc[(dataset, variant, attribute, group)]


def test_shares_and_ratios_by_hand(study):
    row = _at(study, "low_loss", "sex", "female")
    assert row["chosen"] == "left out"
    assert (row["n_entries"], row["n_chosen"]) == (400, 80)
    assert (row["list_share"], row["chosen_share"]) == (0.4, 0.8)
    assert row["ratio"] == pytest.approx(2)
    assert _at(study, "low_loss", "sex", "male")["ratio"] == pytest.approx(0.4)
    assert _at(study, "low_loss", "label", "no_finding")["ratio"] == pytest.approx(1.5)
    assert _at(study, "low_loss", "label", "pleural_effusion")["ratio"] == pytest.approx(1)


def test_of_the_first_seed_each_variant_shows_what_it_does_and_labels_stand_last(study):
    found = drawn.make(study)
    assert list(found["dataset"].unique()) == ["nih", "mimic"]
    nih = found[found["dataset"] == "nih"]
    assert list(nih["variant"].unique()) == ["low_loss", "jtt"]
    assert set(nih.loc[nih["variant"] == "jtt", "chosen"]) == {"drawn more"}
    assert _at(study, "jtt", "sex", "female")["n_chosen"] == 100
    own = nih[nih["variant"] == "low_loss"]
    assert list(own["attribute"].unique()) == ["sex", "age", "label"]
    assert "unknown" not in set(own["group"])
    assert list(own["group"][-2:]) == list(study.study.labels)


def test_a_group_that_is_not_in_the_list_has_no_ratio(study):
    row = _at(study, "low_loss", "age", "0-20")
    assert (row["list_share"], row["chosen_share"]) == (0, 0)
    assert np.isnan(row["ratio"])
    assert row["ratio_note"] == "no image in the list"
    assert row["chosen_share_note"] is None


def test_where_nothing_is_chosen_that_is_said(study):
    """An early network that makes no error leaves an empty error set."""
    rows = study.drawn.assign(n_left_out=0, n_more=0)
    found = drawn.make(replace(study, drawn=rows))
    of_jtt = found[found["variant"] == "jtt"]
    assert set(of_jtt["chosen"]) == {"left out", "drawn more"}
    assert of_jtt["ratio"].isna().all()
    assert set(of_jtt["ratio_note"]) == set(of_jtt["chosen_share_note"]) == {"no image is chosen"}
    assert of_jtt["list_share"].notna().all()


def test_without_a_method_that_chooses_there_is_no_table(results):
    assert results.drawn.empty
    assert drawn.make(results).empty
    assert hide_drawn(results.drawn, {}, NOTHING, 20).empty


def _hidden(study, **groups):
    names = [*study.study.labels, "any"]
    hidden = {(d, name): frozenset() for d in ("nih", "mimic") for name in names}
    return hidden | {("nih", "any"): frozenset(groups.items())}


def test_in_public_a_hidden_group_takes_its_attribute_along(study):
    found = hide_drawn(study.drawn, _hidden(study, age="0-20"), NOTHING, 20)
    public = replace(study, drawn=found)
    for group in ("0-20", "20-40"):
        row = _at(public, "low_loss", "age", group)
        assert row[["n_entries", "n_chosen"]].isna().all()
        assert row[["list_share", "chosen_share", "ratio"]].isna().all()
        assert row["list_share_note"] == row["ratio_note"] == "hidden: small group"
    assert _at(public, "low_loss", "sex", "female")["ratio"] == pytest.approx(2)
    assert _at(public, "low_loss", "age", "20-40", "mimic")["ratio"] == pytest.approx(1)
    rows = [row for row in split(drawn.make(public), public)[0].rows if row[3].text == "20-40"]
    assert [cell.state for cell in rows[0][4:]] == ["hidden"] * 5


def test_in_public_few_chosen_of_a_group_take_its_attribute_along(study):
    found = hide_drawn(study.drawn, _hidden(study), NOTHING, 21)  # 20 men are left out
    public = replace(study, drawn=found)
    assert np.isnan(_at(public, "low_loss", "sex", "female")["ratio"])
    assert np.isnan(_at(public, "jtt", "sex", "male")["ratio"])  # else the list tells of them
    assert _at(public, "low_loss", "age", "20-40")["ratio"] == pytest.approx(1)
    assert _at(public, "low_loss", "label", "no_finding")["ratio"] == pytest.approx(1.5)


def test_in_public_a_label_goes_with_few_positives_or_few_others_among_the_chosen(study):
    for smallest, gone in ((25, []), (26, ["no_finding", "pleural_effusion"])):
        found = hide_drawn(study.drawn, _hidden(study), NOTHING, smallest)
        rows = found[found["dataset"].eq("nih") & found["label"].ne("any")]
        assert sorted(set(rows.loc[rows["n"].isna(), "label"])) == gone  # 25 and 100 - 75
    secret = frozenset({("nih", "no_finding")})
    found = hide_drawn(study.drawn, _hidden(study), secret, 20)
    assert sorted(set(found.loc[found["n"].isna(), "label"])) == ["no_finding"]


def test_a_public_report_hides_it(study):
    found = suppress(replace(study, min_group_size=21)).drawn
    few = found["attribute"].eq("sex") & found["dataset"].eq("nih")
    assert found.loc[few, ["n", "n_left_out", "n_more"]].isna().all(axis=None)
    assert set(found.loc[few, "note"]) == {"hidden: small group"}
