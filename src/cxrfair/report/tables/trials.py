"""How far the trials of each variant spread, beside what the paper prints of their mean."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from cxrfair import comparisons
from cxrfair.report._results import StudyResults
from cxrfair.report.references import Column, PaperTable
from cxrfair.report.spread import over_trials
from cxrfair.report.tables import _pivot as pivot
from cxrfair.statistics.cells import ALL
from cxrfair.statistics.judgement import MEAN
from cxrfair.trials import MEASURES

TITLE = "Trials"
CAPTION = (
    "Each trial of a variant draws training images anew and fits a fresh last layer on features of "
    "a frozen network; a variant that was trained whole is one trial a seed. Mean over trials of "
    "the mean over labels, on test images, every decision at 0.5; beneath it the percentiles "
    "between which the trials lie, and the difference from the study's reference, trial by trial "
    "where both have as many. With several seeds from the lowest to the highest end of theirs. "
    "Trials share their test patients: how much those matter is told by the intervals of the other "
    "tables, not here. AF: balanced accuracy less EO difference. Paper: what it prints there, of "
    "images, splits and trainings of its own."
)
SECTION = "fairness"
NAMED = {
    "value": "mean",
    "ci_low": "mean_low",
    "ci_high": "mean_high",
    "difference": "mean_difference",
    "difference_low": "mean_difference_low",
    "difference_high": "mean_difference_high",
    "note": "mean_note",
}
COLUMNS = (
    *("dataset", "attribute", "metric", "variant", "n_trials", *NAMED.values()),
    *("trial_sd", "trial_sd_note", "paper", "paper_note"),
)
NOT_APPLICABLE = "not applicable"  # leaves a cell blank
DECIMALS = 12  # a printed number in our unit, without what multiplying adds
Place = tuple[str, str, str, str]  # data set, attribute, metric, variant


class Printed(NamedTuple):
    """What a paper prints, in our unit, and what is known of it."""

    number: float
    footnotes: str


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, attribute, metric and variant; none where there are no trials."""
    if study.trials.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    found = over_trials(study.trials, study.study, study.confidence)
    known = {
        "dataset": study.study.datasets,
        "attribute": (ALL, *study.study.attributes),
        "metric": MEASURES,
        "variant": tuple(study.study.variants),
    }
    rows, printed = pivot.arranged(found, known), _printed(study)
    places = rows[["dataset", "attribute", "metric", "variant"]].itertuples(index=False, name=None)
    beside = [printed.get(place, Printed(np.nan, NOT_APPLICABLE)) for place in places]
    one = rows["trial_sd"].isna() & rows["value"].notna()
    table = rows.rename(columns=NAMED).assign(
        metric=[comparisons.title(name) for name in rows["metric"]],
        trial_sd_note=rows["note"].mask(one, NOT_APPLICABLE),
        paper=[of.number for of in beside],
        paper_note=pd.Series([of.footnotes for of in beside], dtype="str").replace("", None),
    )
    return table[list(COLUMNS)]


def _printed(study: StudyResults) -> Mapping[Place, Printed]:
    """Return what the paper prints of the means over labels that trials have."""
    of = () if study.paper is None else study.paper.tables
    return {
        place: number
        for table in of
        if table.label == MEAN
        for place, number in _of_table(table)
        if place[2] in MEASURES
    }


def _of_table(table: PaperTable) -> Iterator[tuple[Place, Printed]]:
    """Yield the numbers of a table; one of all images has no attribute, whatever its block."""
    blocks = [(row, block) for row in table.rows for block in row.printed]
    for row, block in blocks:
        variant = row.variant if isinstance(row.variant, str) else row.variant[block]
        each = [
            (of, *one) for of, line in row.printed[block].items() for one in _beside(table, line)
        ]
        for dataset, column, number in each:
            at = {"block": block, "row": row.name, "dataset": dataset, "metric": column.metric}
            said = " ".join(note.text for note in table.footnotes if note.concerns(at))
            attribute = block if column.compares else ALL
            yield (dataset, attribute, column.metric, variant), Printed(number, said)


def _beside(table: PaperTable, line: Sequence[float | None]) -> Iterator[tuple[Column, float]]:
    """Yield the columns of a line in which something is printed, in our unit."""
    for column, number in zip(table.columns, line, strict=True):
        if number is not None:
            yield column, round(number * column.unit, DECIMALS)
