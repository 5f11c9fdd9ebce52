from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report._present import split
from cxrfair.report.suppression import suppress
from cxrfair.report.suppression._rows import NOTE
from cxrfair.report.tables.search import make
from cxrfair.tables import SEARCH

VALUES = '{"settings": {"odds": true, "rate": 0.25}, "train": {"optimiser": {"weight_decay": 0.0}}}'


def draws(*rows):
    """Rows (dataset, variant, draw, chosen, overall) of SEARCH."""
    frame = pd.DataFrame(rows, columns=["dataset", "variant", "draw", "chosen", "overall"])
    same = {"study": "quick", "settings": VALUES, "rule": "minimax", "note": None}
    found = frame.assign(worst=frame["overall"] - 0.1, gap=0.15004, **same)
    return found[SEARCH.schema.names]


ROWS = (
    ("mimic", "erm", 0, True, 0.8),
    ("nih", "dro", 1, False, np.nan),
    ("nih", "dro", 0, True, 0.7004),
    ("nih", "erm", 2, True, 0.8),
    ("nih", "erm", 10, False, 0.7),
    ("nih", "erm", 0, False, 0.6),
)


@pytest.fixture
def study(results):
    return replace(results, search=draws(*ROWS))


def test_every_draw_is_there_in_order_and_the_chosen_one_marked(study):
    found = make(study)[["dataset", "variant", "rule", "draw", "chosen"]]
    assert found.to_numpy().tolist() == [
        ["nih", "erm", "minimax", 0, ""],
        ["nih", "erm", "minimax", 2, "yes"],
        ["nih", "erm", "minimax", 10, ""],
        ["nih", "dro", "minimax", 0, "yes"],
        ["nih", "dro", "minimax", 1, ""],
        ["mimic", "erm", "minimax", 0, "yes"],
    ]


def test_settings_are_one_line_and_those_of_train_say_so(study):
    told = "odds True, rate 0.25, train.optimiser.weight_decay 0.0"
    assert set(make(study)["settings"]) == {told}


def test_a_draw_is_a_number_of_its_own_and_no_share(study):
    shown = split(make(study), study)[0]
    place = shown.headings.index("Draw")
    assert [row[place].text for row in shown.rows] == ["0", "2", "10", "0", "1"]


def test_a_public_report_hides_what_small_groups_enter(study):
    broken = study.search["note"].mask(study.search["overall"].isna(), "broken")
    public = suppress(replace(study, search=study.search.assign(note=broken))).search
    scored = public["overall"].notna()
    assert public.loc[public["dataset"] == "nih", ["worst", "gap"]].isna().all(axis=None)
    assert set(public.loc[scored & public["dataset"].eq("nih"), "note"]) == {NOTE}
    assert public.loc[~scored, "note"].tolist() == ["broken"]
    assert 0.7 in set(public["overall"])  # to three digits


def test_where_no_group_is_small_nothing_is_hidden_but_digits(study):
    kept = suppress(replace(study, min_group_size=1)).search
    assert kept["gap"].eq(0.15).all()
    assert kept["note"].isna().all()


def test_without_a_search_there_are_no_rows(results):
    found = make(replace(results, search=SEARCH.empty()))
    assert len(found) == 0
    assert found.columns[0] == "dataset"
