"""Our numbers in a paper's layout: which is which, and what is not there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report.suppression import suppress
from cxrfair.report.tables.paper import COLUMNS, make
from cxrfair.studies import Variant

PLACE = ["block", "row", "dataset", "metric"]
VARIANTS = {"erm": {"method": "erm"}, "dro": {"method": "group_dro", "groups": ("sex",)}}


@pytest.fixture(scope="module")
def study(made):
    return made.results(paper="made_up", variants=VARIANTS)


def at(found, *place):
    """The one row at a block, row, data set and metric."""
    (row,) = found[(found[PLACE] == list(place)).all(axis=1)].to_dict("records")
    return row


def changed(study, made, *, of=None, **changes):
    """The study with another paper, or with other fields of its own."""
    fields = study.study.model_copy(update=of or {})
    return replace(study, study=fields, paper=made.printed(**changes))


def test_a_study_without_a_paper_has_no_such_table(study):
    assert make(replace(study, paper=None)).empty


def test_all_images_are_judged_as_one_and_groups_against_one_another(study):
    found, ours = make(study), study.summary
    assert tuple(found.columns) == COLUMNS
    ours = ours[ours["label"].eq("mean") & ours["dataset"].eq("nih") & ours["variant"].eq("dro")]
    for metric, attribute, group in (
        ("accuracy", "all", "all"),
        ("pqd", "sex", "between"),
        ("accuracy_gap", "sex", "between"),
    ):
        here = ours["metric"].eq(metric) & ours["attribute"].eq(attribute)
        (wanted,) = ours[here & ours["group"].eq(group)].to_dict("records")
        number = at(found, "sex", "Robust", "nih", metric)
        assert number["variant"] == "dro"
        for part in ("value", "ci_low", "ci_high"):
            assert number[part] == wanted[part]
    assert at(found, "sex", "Robust", "nih", "accuracy")["paper"] == 0.722
    assert at(found, "sex", "Plain", "nih", "accuracy")["paper"] == 0.711


def test_blocks_are_the_paper_s_in_its_order_then_the_study_s_own(study):
    found = make(study)
    assert list(found["block"].unique()) == ["age", "sex", "sex x age"]
    assert found[found["block"] == "sex x age"]["paper"].isna().all()
    assert list(found["dataset"].unique()) == ["nih", "mimic"]
    assert found[found["dataset"] == "mimic"]["paper"].isna().all()
    assert found[found["dataset"] == "mimic"]["value"].notna().any()


def test_a_number_that_the_paper_leaves_out_is_left_out(study):
    number = at(make(study), "sex", "Robust", "nih", "pqd")
    assert np.isnan(number["paper"])
    assert not np.isnan(number["value"])


def test_a_variant_that_the_study_has_not_is_not_run(study):
    number = at(make(study), "age", "Lost", "nih", "pqd")
    assert np.isnan([number["value"], number["ci_low"], number["ci_high"]]).all()
    assert (number["paper"], number["note"], number["variant"]) == (0.4, "not run", "never")


def test_a_row_neither_printed_nor_run_is_left_out_of_its_block(study):
    rows = make(study)[["block", "row"]].drop_duplicates().to_numpy().tolist()
    assert rows == [
        ["age", "Plain"], ["age", "Robust"], ["age", "Lost"],
        ["sex", "Plain"], ["sex", "Robust"],
        ["sex x age", "Plain"], ["sex x age", "Robust"],
    ]  # fmt: skip


def test_a_table_of_which_nothing_is_run_is_left_out(study, made):
    lost = {"name": "Lost", "variant": "never", "printed": {"sex": {"nih": [0.1, 0.2, 0.3]}}}
    assert make(changed(study, made, rows=[lost])).empty


def test_a_comparison_nobody_asked_for_says_so(study, made):
    found = make(changed(study, made, columns=[{"metric": "f1", "heading": "F1"}], rows=ONE))
    assert found["value"].isna().all()
    assert set(found["note"]) == {"not asked for in section audit of params.yaml"}


ONE = [{"name": "Plain", "variant": "erm", "printed": {"sex": {"nih": [84.46]}}}]


def test_printed_per_cent_are_shares_as_ours(study, made):
    columns = [{"metric": "accuracy", "heading": "ACC%", "unit": 0.01, "digits": 2}]
    found = make(changed(study, made, columns=columns, rows=ONE))
    assert at(found, "sex", "Plain", "nih", "accuracy")["paper"] == 0.8446
    assert 0 < at(found, "sex", "Plain", "nih", "accuracy")["value"] < 1


def test_a_table_may_be_of_one_label(study, made):
    found = make(changed(study, made, label="pleural_effusion"))
    ours = study.summary
    here = ours["label"].eq("pleural_effusion") & ours["attribute"].eq("all")
    here &= ours["variant"].eq("erm") & ours["dataset"].eq("nih") & ours["metric"].eq("accuracy")
    (wanted,) = ours[here]["value"]
    assert at(found, "sex", "Plain", "nih", "accuracy")["value"] == wanted


def test_each_block_may_have_its_variant(study, made):
    """Of sex x age, which is not printed, it is the variant told of sex and age."""
    variant = {"race": "by_race", "age": "by_age", "sex": "dro"}
    row = {"name": "Told", "variant": variant, "printed": {"sex": {"nih": [0.7, 0.8, 0.9]}}}
    one = changed(study, made, rows=[row])
    found = make(one)
    assert list(found["block"].unique()) == ["sex"]
    assert set(found["variant"]) == {"dro"}
    both = {**study.study.variants, "dro": Variant(method="group_dro", groups=("age", "sex"))}
    found = make(replace(one, study=one.study.model_copy(update={"variants": both})))
    assert set(found.loc[found["block"] == "sex x age", "variant"]) == {"dro"}


def test_footnotes_stand_with_the_numbers_they_are_of(study, made):
    notes = [
        {"text": "Odd.", "at": [{"row": "Plain", "metric": "pqd"}]},
        {"text": "Old.", "at": [{"block": "sex", "dataset": "nih"}]},
    ]
    found = make(changed(study, made, footnotes=notes))
    assert at(found, "sex", "Plain", "nih", "pqd")["footnotes"] == "Odd. Old."
    assert at(found, "age", "Plain", "mimic", "pqd")["footnotes"] == "Odd."
    assert at(found, "sex", "Robust", "nih", "accuracy")["footnotes"] == "Old."
    assert pd.isna(at(found, "age", "Robust", "nih", "accuracy")["footnotes"])


def test_what_a_public_report_hides_is_hidden_here_too(study):
    private, public = make(study), make(suppress(study))
    between = public["metric"].isin(["pqd", "accuracy_gap"]) & public["block"].eq("age")
    run = between & public["variant"].ne("never")
    assert private[run]["value"].notna().any()
    assert public[run][["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert public[run]["note"].str.startswith("hidden").all()
    assert public["paper"].equals(private["paper"])
    whole = public["metric"].eq("accuracy") & public["variant"].ne("never")
    assert public[whole]["value"].notna().all()
