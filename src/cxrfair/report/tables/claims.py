"""What a paper says in its text, restated with our numbers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cxrfair import comparisons
from cxrfair.report import lists
from cxrfair.report._results import StudyResults
from cxrfair.report.rates import of_groups, with_fnr
from cxrfair.report.references import BALANCES, EXAMPLES, Claim
from cxrfair.statistics.cells import ALL, BETWEEN
from cxrfair.statistics.judgement import MEAN
from cxrfair.studies import home_of

TITLE = "What the paper says"
CAPTION = (
    "Each number of the paper's text, and ours: of the reference variant (original) and of the "
    "variant that was rebalanced, means over labels on test images; change is meant as the paper "
    "means its own, which stands beside it, of images, splits and trainings of its own. As a "
    "reduction or an increase, the share of the original; below 0 it went the other way. Intervals "
    "are of the same resampled patients; measures of training lists have none, nor have means over "
    "all groups but the largest (minorities), which are of groups of at least the smallest size, "
    "over the labels that all of these have. Examples: learnt from in all, entries of the list "
    "times epochs; with the same network the time goes with them."
)
SECTION = "paper"
NOT_ASKED = "not asked for in section audit of params.yaml"
NOT_MEASURED, UNKNOWN_LENGTH = "not measured", "nothing is known of the training"
HIDDEN = "hidden: small group"
FEW = "no second group that is large enough, or no label that all such groups have"
NUMBERS = ("original", "ours", "ours_low", "ours_high", "change", "change_low", "change_high")
COLUMNS = (
    *("dataset", "claim", "metric", "attribute", "variant", "original", "original_note"),
    *("ours", "ours_low", "ours_high", "ours_note", "as"),
    *("change", "change_low", "change_high", "change_note", "paper", "paper_note"),
)
MINORITIES = "minorities of {}"
Line = dict[str, Any]
Place = tuple[str, str, str]  # data set, attribute, variant


class Judged(NamedTuple):
    """A study's summary with FNR beside TPR, as rows, and its means over labels by their place."""

    rows: pd.DataFrame
    means: Mapping[tuple[str, ...], Mapping[str, Any]]


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, claim, attribute and variant; none where a paper claims nothing.

    Only variants that the study has. `change` is in the unit of the paper's number.
    """
    claims = () if study.paper is None else study.paper.claims
    rows = with_fnr(study.summary) if claims else study.summary
    judged = Judged(rows, _by_place(rows))
    found = [
        {**_named(claim, dataset, attribute, variant), **_changed(claim, line)}
        for dataset in study.study.datasets
        for claim in claims
        for attribute in claim.attributes
        for variant in claim.variants
        if variant in study.study.variants
        for line in [_numbers(claim, (dataset, attribute, variant), study, judged)]
    ]
    return pd.DataFrame(found, columns=list(COLUMNS)).astype(dict.fromkeys(NUMBERS, "float64"))


def _by_place(rows: pd.DataFrame) -> Mapping[tuple[str, ...], Mapping[str, Any]]:
    """Arrange means over labels by data set, metric, attribute, group and variant."""
    rows = rows[rows["label"] == MEAN]
    keys = ["dataset", "metric", "attribute", "group", "variant"]
    places = rows[keys].itertuples(index=False, name=None)
    lines = rows.to_dict("records")
    return {
        place: {str(k): v for k, v in line.items()}
        for place, line in zip(places, lines, strict=True)
    }


def _named(claim: Claim, dataset: str, attribute: str, variant: str) -> Line:
    """Say what a row is of, and what the paper prints."""
    metric = "" if claim.metric is None else claim.metric
    known = metric in (*BALANCES, EXAMPLES, "")
    return {
        "dataset": dataset,
        "claim": f"{claim.says} ({claim.where})",
        "metric": metric.replace("_", " ").capitalize() if known else comparisons.title(metric),
        "attribute": MINORITIES.format(attribute) if claim.minorities else attribute,
        "variant": variant,
        "as": claim.change,
        "paper": claim.printed,
        "paper_note": claim.note,
    }


def _numbers(claim: Claim, place: Place, study: StudyResults, judged: Judged) -> Line:
    """Return both variants' numbers, and the change where the audit has its interval."""
    dataset, attribute, variant = place
    reference = study.study.compared_with(variant) or variant
    metric = claim.metric
    if metric is None:
        return _pair((np.nan, np.nan), NOT_MEASURED)
    first, second = (dataset, attribute, reference), place
    if metric == EXAMPLES:
        return _pair((_examples(first, study), _examples(second, study)), UNKNOWN_LENGTH)
    if metric in BALANCES:
        return _pair((_of_list(metric, first, study), _of_list(metric, second, study)), HIDDEN)
    if claim.minorities:
        pair = [
            _minorities(of, metric, judged.rows, study.min_group_size) for of in (first, second)
        ]
        return _pair((pair[0], pair[1]), FEW)
    group = ALL if attribute == ALL else BETWEEN
    before, after = (
        judged.means.get((dataset, metric, attribute, group, name)) for name in (reference, variant)
    )
    if before is None or after is None:
        return _pair((np.nan, np.nan), NOT_ASKED)
    return {**after, "original": before["value"], "original_note": before["note"]}


def _pair(numbers: tuple[float, float], why: str) -> Line:
    """Return numbers without intervals, original and ours, and why they are missing where so."""
    found: Line = dict.fromkeys(("ci_low", "ci_high"), np.nan)
    told = dict(zip(("original", "value"), numbers, strict=True))
    said = why if np.isnan(numbers).any() else None
    return found | told | {"note": said, "original_note": said}


def _examples(place: Place, study: StudyResults) -> float:
    """Return how many examples the first seed of a variant learnt from in all; NaN if unknown."""
    dataset, _, variant = place
    of, seed = study.study.variants[variant].rebalance, study.study.seeds[0]
    if of not in lists.names(study):
        return np.nan
    home = home_of(study.study, dataset)
    epochs = study.cards.get((home, variant, seed), {}).get("epochs", np.nan)
    return float(lists.everyone(study, home, of)["n"]) * float(epochs)


def _of_list(metric: str, place: Place, study: StudyResults) -> float:
    """Measure the training list of a variant, first seed; NaN where it is hidden or unknown."""
    dataset, attribute, variant = place
    of = study.study.variants[variant].rebalance
    wanted = (home_of(study.study, dataset), attribute, of)
    found = [each.rows for each in lists.holdings(study) if each[:3] == wanted]
    if not found:
        return np.nan
    counts = found[0]["weight"].to_numpy("float64", na_value=np.nan)
    return np.nan if np.isnan(counts).any() else BALANCES[metric](counts)


def _minorities(place: Place, metric: str, rows: pd.DataFrame, smallest: int) -> float:
    """Average a metric over the groups of an attribute but the one with most test images.

    Groups below the smallest size enter no more than hidden ones; NaN where none is left.
    """
    # Of all variants: over which labels a group is averaged is the same for all of them.
    here = rows["dataset"].eq(place[0]) & rows["attribute"].eq(place[1])
    found = of_groups(rows[here], (metric,), smallest)
    own = found[found["variant"].eq(place[2]) & found["n"].ge(smallest).fillna(value=False)]
    ordered = own.astype({"n": "int64"}).sort_values("n", kind="stable")
    values = ordered["value"].iloc[:-1]
    return float(values.mean()) if len(values) else np.nan


def _changed(claim: Claim, line: Mapping[str, Any]) -> Line:
    """Write a variant's numbers, and their change as the paper means it."""
    original, ours = float(line["original"]), float(line["value"])
    low, high = np.nan, np.nan
    if claim.change == "difference":
        change = ours - original
        low, high = (line.get(f"difference_{end}", np.nan) for end in ("low", "high"))
    else:
        change = 1 - ours / original if original else np.nan
        low, high = (line.get(f"reduction_{end}", np.nan) for end in ("low", "high"))
    if claim.change == "increase":
        change, low, high = -change, -high, -low
    return {
        **{"original": original, "original_note": line["original_note"]},
        **{"ours": ours, "ours_low": line["ci_low"], "ours_high": line["ci_high"]},
        **{"ours_note": line["note"], "change": change, "change_low": low, "change_high": high},
        "change_note": line["note"] if np.isnan(change) else None,
    }
