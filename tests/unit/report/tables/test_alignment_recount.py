"""How many comparisons are better: counted by hand on made-up gaps, and on the printed ones."""

from dataclasses import replace

import pandas as pd

from cxrfair.report._present import split
from cxrfair.report.tables import alignment_recount as recount


def row(found, dataset, counted, over, variant):
    keys = ["dataset", "counted", "over", "variant"]
    return found.set_index(keys).loc[(dataset, counted, over, variant)]


def counts(line):
    return [line[name] for name in ("n_comparisons", *recount.COUNTS)]


def test_nothing_to_compare_is_no_table(results, guided):
    assert recount.make(results).empty
    assert recount.make(replace(guided, lists={})).empty


def test_ours_by_hand(guided):
    """Four gaps, one label (jsrt) or two (chexpert), two attributes: 8 and 16 comparisons."""
    found = recount.make(guided)
    gaps = ("gaps", "this data set")
    assert counts(row(found, "jsrt", *gaps, "aligned_50")) == [8, 8, 0, 8, 0]
    assert counts(row(found, "chexpert", *gaps, "aligned_50")) == [16, 16, 0, 16, 0]
    assert counts(row(found, "jsrt", "gaps", "all", "aligned_50")) == [24, 24, 0, 24, 0]
    assert counts(row(found, "jsrt", *gaps, "aligned_100")) == [8, 0, 8, 0, 0]
    assert counts(row(found, "jsrt", *gaps, "literal")) == [8, 0, 8, 0, 8]
    assert counts(row(found, "jsrt", *gaps, "random_maps")) == [8, 0, 0, 0, 0]  # all alike
    both = row(found, "jsrt", "gaps and hit rates", "this data set", "aligned_100")
    assert counts(both) == [10, 2, 8, 2, 0]  # the hit rate once for each attribute
    assert both["against"] == "plain"


def test_without_the_reference_there_is_no_interval(guided):
    half = row(recount.make(guided), "jsrt", "gaps", "this data set", "half_aligned")
    assert counts(half)[:3] == [8, 8, 0]
    assert half["against"] == "half"
    assert pd.isna(half["n_surely_better"])
    assert half["n_surely_better_note"] == recount.NO_INTERVAL


def test_with_what_it_is_compared_with_there_is_one(guided):
    variants = dict(guided.study.variants)
    variants["half_aligned"] = variants["half_aligned"].model_copy(update={"against": "half"})
    told = replace(guided, study=guided.study.model_copy(update={"variants": variants}))
    half = row(recount.make(told), "jsrt", "gaps", "this data set", "half_aligned")
    assert half["against"] == "half"
    assert not pd.isna(half["n_surely_better"])
    assert pd.isna(half["n_surely_better_note"])


def test_the_paper_s_own_recount_stands_beside_what_it_claims(guided):
    found = recount.make(guided)
    every = row(found, "jsrt", "gaps and hit rates", "all", "paper: Aligner")
    assert counts(every)[:3] == [30, 24, 6]
    assert every["claimed"] == "27 of 30"
    gaps = row(found, "chexpert", "gaps", "all", "paper: Aligner")
    assert counts(gaps)[:3] == [24, 18, 6]
    assert gaps["claimed"] == ""
    here = row(found, "jsrt", "gaps", "this data set", "paper: Aligner")
    assert counts(here)[:3] == [8, 4, 4]
    assert set(recount.make(replace(guided, paper=None))["claimed"]) == {""}


def test_external_data_sets_alone_are_counted_together(guided):
    of = guided.study.model_copy(update={"external": ("chexpert",)})
    found = recount.make(replace(guided, study=of))
    ours = found[found["over"].eq("all") & ~found["variant"].str.startswith("paper")]
    assert ours.empty  # there is but one
    three = guided.study.model_copy(update={"external": ("chexpert", "jsrt")})
    found = recount.make(replace(guided, study=three))
    assert counts(row(found, "jsrt", "gaps", "all", "aligned_50"))[0] == 24


def test_hidden_gaps_are_not_counted(guided):
    age = guided.summary["attribute"].eq("age")
    hidden = guided.summary.assign(value=guided.summary["value"].mask(age))
    found = recount.make(replace(guided, summary=hidden))
    assert counts(row(found, "jsrt", "gaps", "this data set", "aligned_50")) == [4, 4, 0, 4, 0]


def test_a_gap_without_an_interval_is_sure_of_nothing(guided):
    lost = guided.summary["metric"].eq("f1_gap")
    unsure = guided.summary.assign(difference_low=guided.summary["difference_low"].mask(lost))
    line = row(
        recount.make(replace(guided, summary=unsure)), "jsrt", "gaps", "this data set", "aligned_50"
    )
    assert counts(line) == [8, 8, 0, 6, 0]
    assert line["n_surely_better_note"] == "2 of 8 without an interval"


def test_a_reader_sees_counts_as_counts(guided):
    shown = split(recount.make(guided), guided)[0]
    assert shown.headings[4:] == (
        *("Comparisons", "Better", "Worse", "Surely better", "Surely worse", "Claimed"),
    )
    texts = [[cell.text for cell in line] for line in shown.rows]
    assert texts[0][2:] == ["aligned_50", "plain", "8", "8", "0", "8", "0", ""]
    half = next(line for line in texts if line[2] == "half_aligned")
    assert half[4:] == ["8", "8", "0", "undefined", "undefined", ""]
