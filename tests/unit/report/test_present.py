from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report import _words
from cxrfair.report._latex import escape, latex
from cxrfair.report._present import captioned, present
from cxrfair.report._results import in_order

ROWS = pd.DataFrame(
    {
        "label": ["no_finding", "no_finding"],
        "variant": ["erm", "group_dro"],
        "n": pd.array([1234, None], "Int64"),
        "auroc": [0.8125, np.nan],
        "auroc_low": [0.7, np.nan],
        "auroc_high": [0.9, np.nan],
        "auroc_difference": [-0.0104, np.nan],
        "auroc_difference_low": [-0.02, np.nan],
        "auroc_difference_high": [0.0001, np.nan],
        "auroc_note": [None, "no positives"],
    }
)


@pytest.fixture
def shown(results):
    return present(ROWS, "nih", results)


def test_a_value_and_its_intervals_share_a_cell(shown):
    assert shown.headings == ("Label", "Variant", "Images", "AUROC")
    cell = shown.rows[0][3]
    assert (cell.text, cell.interval) == ("0.812", "0.700–0.900")
    assert (cell.difference, cell.difference_interval) == ("−0.010", "−0.020 to 0.000")


def test_undefined_and_hidden_are_words_with_a_reason(shown):
    assert (shown.rows[1][3].text, shown.rows[1][3].note) == ("undefined", "no positives")
    assert shown.rows[1][2].text == "hidden"


def test_repeats_are_marked(shown):
    assert [cell.state for cell in shown.rows[1]] == ["repeat", "", "hidden", "undefined"]


def test_numbers():
    assert _words.count(1234567) == "1,234,567"
    assert _words.signed(-0.0001) == "0.000"
    assert _words.signed(0.25) == "+0.250"


def test_groups_are_sorted_as_people_count():
    groups = ["80+", "unknown", "5-10", "20-40", "10-20"]
    assert in_order(groups) == ["5-10", "10-20", "20-40", "80+", "unknown"]


def test_latex_is_escaped(shown):
    assert escape("a_b & 5%") == r"a\_b \& 5\%"
    text = latex([shown], "Cells_of", frozenset({"nih"}))
    assert text.startswith("% PHANTOM: simulated data\n")
    assert r"0.812 (0.700--0.900) $-$0.010 ($-$0.020 to 0.000) \\" in text
    assert "PHANTOM" not in latex([shown], "Cells_of", frozenset())


def test_captions_of_differences_say_which_are_not_from_the_reference(results):
    variants = dict(results.study.variants)
    name = next(name for name in variants if name != results.study.reference)
    variants |= {
        "half": variants[name],
        "half_told": variants[name].model_copy(update={"against": "half"}),
    }
    told = replace(results, study=results.study.model_copy(update={"variants": variants}))
    said = "Means. Differences that are not from the study's reference: half_told from half."
    assert captioned("Means.", ["auroc", "auroc_difference"], told) == said
    assert captioned("Means.", ["auroc", "n"], told) == "Means."
    assert captioned("Means.", ["auroc", "auroc_difference"], results) == "Means."
