"""Counts that belong to no result: of cohorts, thresholds, decoding, cuts and leakage."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cxrfair.report._results import Decoding, Leakage
from cxrfair.report.composition import ANY
from cxrfair.report.suppression._closing import is_few
from cxrfair.report.suppression._coarse import uncount
from cxrfair.report.suppression._groups import TEST, Hidden, Uncounted
from cxrfair.report.suppression._patterns import WHOLE
from cxrfair.report.suppression._rows import COUNTS, DIGITS, NOTE, is_between, is_hidden
from cxrfair.studies import SEPARATOR, Study
from cxrfair.thresholds import ALL, FOLD


def hide_composition(
    composition: pd.DataFrame, hidden: Hidden, secret: Uncounted, smallest: int
) -> pd.DataFrame:
    """Empty the counts of hidden groups, and those that no table shows but for their sums.

    These are images judged, and their patients, in training and validation: less than all images
    by those in doubt or not mentioned, which may be few; and images positive for any label, less
    than all positives by those positive for several. Images in doubt are emptied in a whole data
    set where they, or those not judged for other reasons, are few in some group; of a label
    without counts (`secret`), in the test fold, wherever there are any.
    """
    keys = ["dataset", "label", "attribute", "group"]
    mask = np.array([is_hidden(hidden, *place) for place in composition[keys].to_numpy()], bool)
    whole = (composition["label"] == ANY).to_numpy()
    unseen = ~whole & (composition["fold"] != TEST).to_numpy()
    found = composition.astype(dict.fromkeys((*COUNTS, "n_uncertain"), "Int64"))
    found.loc[mask, [*COUNTS, "n_uncertain"]] = pd.NA
    found.loc[unseen, ["n", "n_patients"]] = pd.NA
    found.loc[whole, "n_positive"] = pd.NA
    place = ["dataset", "attribute", "group", "fold"]
    images = composition["n"].where(whole).groupby([composition[k] for k in place]).transform("max")
    places = zip(composition["dataset"], composition["label"], strict=True)
    told = np.array([place in secret for place in places], bool)  # nobody knows how many others
    other = (images - composition["n"] - composition["n_uncertain"]).mask(whole | unseen | told)
    few = is_between(composition["n_uncertain"], smallest) | is_between(other, smallest)
    doubted = composition.groupby("dataset")["n_uncertain"].transform("max") > 0
    vague = pd.Series(few).groupby(composition["dataset"].to_numpy()).transform("any").to_numpy()
    found.loc[vague & doubted.to_numpy(), "n_uncertain"] = pd.NA
    of_label = composition.groupby(["dataset", "label", "fold"])["n_uncertain"]
    found.loc[told & ~unseen & of_label.transform("max").gt(0), "n_uncertain"] = pd.NA
    return uncount(found, secret)


def hide_fitting(
    thresholds: pd.DataFrame, composition: pd.DataFrame, smallest: int
) -> pd.DataFrame:
    """Empty counts behind thresholds that tell of few; round thresholds, which are images' scores.

    Few are positives, negatives, or images of the fold that are not judged.
    """
    rows = composition[(composition["fold"] == FOLD) & (composition["label"] == ANY)]
    every = rows[(rows["attribute"] == WHOLE[0])].set_index("dataset")["n"]
    positive, negative = thresholds["n_positive"], thresholds["n"] - thresholds["n_positive"]
    ignored = thresholds["dataset"].map(every).astype(float) - thresholds["n"]
    few = np.any([is_between(part, smallest) for part in (positive, negative, ignored)], axis=0)
    found = thresholds.astype({"n": "Int64", "n_positive": "Int64"})
    found.loc[few, ["n", "n_positive"]] = pd.NA
    vague = found["note"].str.replace(r"left out: .*", "some images left out", regex=True)
    return found.assign(
        value=found["value"].round(DIGITS), share=found["share"].round(DIGITS), note=vague
    )


def hide_groups_fitting(
    thresholds: pd.DataFrame, study: Study, hidden: Hidden, smallest: int
) -> pd.DataFrame:
    """Empty all counts behind thresholds of groups, and the thresholds of small groups.

    Those are hidden ones, and ones with few positives or negatives in validation. No other table
    shows how many images of a group are judged there, so nothing is left to subtract from.
    """
    own = (thresholds["group"] != ALL).to_numpy()
    named = [SEPARATOR.join(study.variants[variant].groups) for variant in thresholds["variant"]]
    places = zip(
        thresholds["dataset"], thresholds["label"], named, thresholds["group"], strict=True
    )
    small = np.array([is_hidden(hidden, *place) for place in places], bool)
    parts = (thresholds["n_positive"], thresholds["n"] - thresholds["n_positive"])
    small |= np.any([is_between(part, smallest) for part in parts], axis=0)
    found = thresholds.astype({"n": "Int64", "n_positive": "Int64"})
    found.loc[own, ["n", "n_positive"]] = pd.NA
    found.loc[own & small, ["value", "share"]] = np.nan
    return found.assign(note=found["note"].mask(own & small, NOTE))


def hide_decoding(found: Decoding, smallest: int) -> Decoding:
    """Empty a count of unreadable images that is few, or all but few."""
    lost = found.quarantined or 0
    few = is_few(np.array([lost, found.images - lost], np.int64), smallest)
    return replace(found, quarantined=None if few else found.quarantined)


def hide_cuts(cuts: Mapping[str, Mapping[str, Any]], smallest: int) -> dict[str, Mapping[str, Any]]:
    """Leave out cuts that were fitted on few patients: a median of few is somebody's value."""
    return {name: cut for name, cut in cuts.items() if cut["n_patients"] >= smallest}


def hide_gate(found: Leakage, smallest: int) -> Leakage:
    """Empty counts that are few, and a share of few or of all but few."""
    counts = np.array([found.patients or 0, found.images or 0], np.int64)
    beside = found.beside or 0
    parts = np.array([beside, (found.tested or 0) - beside], np.int64)
    return replace(
        found,
        patients=None if is_few(counts, smallest) else found.patients,
        images=None if is_few(counts, smallest) else found.images,
        share=None if is_few(parts, smallest) else found.share,
    )
