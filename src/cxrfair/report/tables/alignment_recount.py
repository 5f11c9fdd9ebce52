"""How many comparisons got better with guidance by outlines: ours, and the paper's printed ones."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from cxrfair.report import guidance
from cxrfair.report._results import StudyResults
from cxrfair.report.printed_gaps import GapTable
from cxrfair.statistics.cells import ALL

TITLE = "What guidance made better, counted"
CAPTION = (
    "Each variant guided by outlines (or by random maps) against the one trained alike without "
    "guidance: comparisons are of every gap (accuracy, AUROC, sensitivity, F1) x label x attribute "
    "x data set that is defined for both. Better: the gap of the means is smaller at all, which "
    "chance alone makes of about half. Surely: the interval of the difference on the same "
    "resampled patients leaves out 0; it is known only where the study compares the one with the "
    "other. With hit rates: as the paper counts them, once for each attribute, though they are "
    "the same number. Over all: all external data sets, or all of a study that has none; of the "
    "paper all that it prints, whatever data sets are here. Paper: recounted from its printed "
    "means, whichever is bold; surely: the interval of the difference of two means of five repeats "
    "(Welch's t, with what stands behind the plus-minus as SD) leaves out 0. An interval does not "
    "know how many others there are: at 95 %, one of 20 without any difference is sure by chance."
)
SECTION = "paper"
COUNTS = ("n_better", "n_worse", "n_surely_better", "n_surely_worse")
SURE = COUNTS[2:]
COLUMNS = (
    *("dataset", "counted", "over", "variant", "against", "n_comparisons", *COUNTS),
    *(f"{name}_note" for name in SURE),
    "claimed",
)
HERE, EVERYWHERE = "this data set", "all"  # external ones, where there are any
GAPS, BOTH = "gaps", "gaps and hit rates"
NO_INTERVAL = "no interval: the study does not compare it with the variant without guidance"
PLACE = ["dataset", "label", "attribute", "metric", "gain", "surely"]
Told = tuple[str, str, pd.DataFrame]  # variant, against, comparisons


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, what is counted, over which data sets, and pair of variants.

    Counts over all data sets stand with each of them. Empty where no variant with guidance has a
    partner without.
    """
    told = list(_ours(study))
    table = None if study.paper is None else study.paper.gaps
    if told and table is not None:
        told.append(_of_paper(table, study.confidence))
    found = [
        {"dataset": dataset, **line, "claimed": claimed}
        for dataset in study.study.datasets
        for measure in (GAPS, BOTH)
        for over in (HERE, EVERYWHERE)
        for variant, other, rows in told
        for claimed in [_claimed(variant, measure, over, table)]
        for line in _counted((dataset, measure, over), (variant, other, rows), study)
    ]
    frame = pd.DataFrame(found, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(("n_comparisons", *COUNTS), "Int64"))


def _ours(study: StudyResults) -> Iterator[Told]:
    """Yield the comparisons of each pair of our variants; hit rates once for each attribute."""
    rows = guidance.measured(study)
    for pair in guidance.pairs(study):
        found = guidance.against(rows, pair)[PLACE]
        hits = found["attribute"].eq(ALL)
        each = [found[hits].assign(attribute=name) for name in study.study.attributes]
        yield (
            pair.aligned.variant,
            pair.without.variant,
            pd.concat([found[~hits], *each], ignore_index=True),
        )


def _of_paper(table: GapTable, confidence: float) -> Told:
    """Return the comparisons of the printed means."""
    rows = pd.DataFrame(table.compared(confidence), columns=PLACE).astype({"surely": "float64"})
    return _named(table, "aligned"), _named(table, "without"), rows


def _named(table: GapTable, kind: Any) -> str:
    return f"paper: {table.named[kind]}"


def _claimed(variant: str, measure: str, over: str, table: GapTable | None) -> str:
    """Say how many the paper claims, beside the count that should be that."""
    if table is None or (measure, over) != (BOTH, EVERYWHERE):
        return ""
    said = f"{table.claimed.better} of {table.claimed.of}"
    return said if variant == _named(table, "aligned") else ""


def _counted(
    place: tuple[str, str, str], told: Told, study: StudyResults
) -> Iterator[dict[str, Any]]:
    """Yield one row of counts; none where there is nothing to count, or only one data set."""
    (dataset, measure, over), (variant, other, rows) = place, told
    ours = variant in study.study.variants
    among = study.study.external or study.study.datasets
    if over == HERE:
        rows = rows[rows["dataset"].eq(dataset)]
    elif ours:
        rows = rows[rows["dataset"].isin(among) & (len(among) > 1)]
    hits = rows["metric"].eq(guidance.HIT_RATE)
    chosen = rows[~hits] if measure == GAPS else rows
    if chosen.empty or (measure == BOTH and not hits.any()):
        return
    yield {
        **{"counted": measure, "over": over, "variant": variant, "against": other},
        "n_comparisons": len(chosen),
        **{"n_better": chosen["gain"].gt(0).sum(), "n_worse": chosen["gain"].lt(0).sum()},
        **_surely(chosen["surely"]),
    }


def _surely(told: pd.Series) -> dict[str, Any]:
    """Count what intervals say; missing with a note where there are none at all."""
    lacking = int(told.isna().sum())
    if lacking == len(told):
        return dict.fromkeys(SURE, pd.NA) | {f"{name}_note": NO_INTERVAL for name in SURE}
    said = f"{lacking} of {len(told)} without an interval" if lacking else None
    counts = {"n_surely_better": told.gt(0).sum(), "n_surely_worse": told.lt(0).sum()}
    return counts | {f"{name}_note": said for name in SURE}
