"""Table 2 of the alignment paper: our rows, its rows, and their units."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrfair.report._latex import latex
from cxrfair.report._present import split
from cxrfair.report.tables import alignment


def at(found, *place):
    rows = found.set_index(["dataset", "label", "attribute", "variant"])
    return rows.loc[place]


def test_a_study_without_guidance_has_no_such_table(results, guided):
    assert alignment.make(results).empty
    assert alignment.make(replace(guided, lists={})).empty


def test_rows_are_variants_and_then_the_paper_s_of_every_judged_label(guided):
    found = alignment.make(guided)
    assert tuple(found.columns) == alignment.COLUMNS
    places = list(
        found[["dataset", "label", "attribute"]].drop_duplicates().itertuples(index=False)
    )
    assert [tuple(place) for place in places] == [
        (d, label, attribute)
        for d, label in (
            ("jsrt", "nodule_or_mass"),
            ("chexpert", "nodule_or_mass"),
            ("chexpert", "edema"),
        )
        for attribute in ("sex", "age")
    ]
    jsrt = found[found["dataset"].eq("jsrt") & found["attribute"].eq("sex")]
    assert list(jsrt["variant"]) == [
        *("plain", "aligned_50", "aligned_100", "random_maps", "literal", "half", "half_aligned"),
        *("paper: w/o [33]", "paper: Aligner"),
    ]
    nothing = found[found["label"].eq("nodule_or_mass") & found["dataset"].eq("chexpert")]
    assert not nothing["variant"].str.startswith("paper").any()
    assert not alignment.make(replace(guided, paper=None))["variant"].str.startswith("paper").any()


def test_numbers_are_per_cent_with_intervals_and_paired_differences(guided):
    row = at(alignment.make(guided), "chexpert", "edema", "age", "aligned_50")
    for name, number in {
        **{"": 8.0, "_low": 6.0, "_high": 11.0},
        **{"_difference": -2.0, "_difference_low": -3.0, "_difference_high": -1.0},
    }.items():
        assert row[f"auroc_gap_percent{name}"] == pytest.approx(number)
    assert row["auroc_gap_seed_sd_percent"] == pytest.approx(1.0)
    assert row["hit_rate_percent"] == pytest.approx(41.0)
    assert row["guidance"] == "50 %"
    other = at(alignment.make(guided), "chexpert", "edema", "age", "half_aligned")
    assert np.isnan(other["auroc_gap_percent_difference"])
    assert other["auroc_gap_percent"] == pytest.approx(15.0)


def test_the_paper_s_rows_are_as_printed_with_what_is_known_of_them(guided):
    found = alignment.make(guided)
    without = at(found, "jsrt", "nodule_or_mass", "sex", "paper: w/o [33]")
    aligned = at(found, "jsrt", "nodule_or_mass", "sex", "paper: Aligner")
    assert (without["f1_gap_percent"], without["f1_gap_seed_sd_percent"]) == (6.02, 3.52)
    assert (aligned["f1_gap_percent"], aligned["f1_gap_seed_sd_percent"]) == (7.68, 4.7)
    assert "it is the worse one (w/o: 6.02)" in aligned["f1_gap_percent_note"]
    assert "14.47 and 8.71" in without["hit_rate_percent_note"]
    assert pd.isna(without["accuracy_gap_percent_note"])
    assert np.isnan(aligned["f1_gap_percent_low"])


def test_what_was_not_asked_for_says_so(guided):
    less = replace(
        guided,
        summary=guided.summary[guided.summary["metric"] != "f1_gap"],
        pointing=guided.pointing.iloc[:0],
    )
    row = at(alignment.make(less), "jsrt", "nodule_or_mass", "sex", "plain")
    assert np.isnan(row["f1_gap_percent"])
    assert "not asked for" in row["f1_gap_percent_note"]
    assert "held against" in row["hit_rate_percent_note"]


def test_one_seed_has_no_spread(guided):
    alone = replace(guided, summary=guided.summary.assign(seed_sd=np.nan))
    row = at(alignment.make(alone), "jsrt", "nodule_or_mass", "sex", "plain")
    assert row["tpr_gap_seed_sd_percent_note"] == "defined for one seed alone"
    assert pd.isna(
        at(alignment.make(guided), "jsrt", "nodule_or_mass", "sex", "plain")[
            "tpr_gap_seed_sd_percent_note"
        ]
    )


def test_a_reader_sees_headings_with_units(guided):
    shown = split(alignment.make(guided), guided)
    heads = shown[0].headings
    assert heads[:6] == (
        "Label",
        "Attribute",
        "Variant",
        "Guidance",
        "Accuracy gap (%)",
        "SD over seeds (%)",
    )
    assert heads[-2:] == ("Hit rate (%)", "SD over seeds (%)")
    fifty = shown[0].rows[1]
    assert (fifty[4].text, fifty[4].interval) == ("8.000", "6.000–11.000")
    assert fifty[4].difference == "−2.000"
    assert "Aligner" in latex(shown, alignment.CAPTION, guided.simulated)
