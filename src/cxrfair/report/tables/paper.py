"""Our numbers where a paper prints its own."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.report.references import Column, PaperTable, Row
from cxrfair.report.spread import over_trials
from cxrfair.statistics.cells import ALL, BETWEEN
from cxrfair.statistics.judgement import MEAN
from cxrfair.studies import SEPARATOR, Study

TITLE = "The paper's tables"
CAPTION = (
    "In the paper's layout: our mean over seeds on test images, with interval, and below it what "
    "the paper prints, of images, splits and trainings of its own. Letters point to what is known "
    "of a printed number. Not run: no variant of this study is that row. Where last layers were "
    "fitted in many trials, ours is the mean over trials with every decision at 0.5, and the "
    "interval where the trials lie: one trial has none."
)
SECTION = "paper"
NOT_RUN = "not run"
NOT_ASKED = "not asked for in section audit of params.yaml"
COLUMNS = (
    *("dataset", "table", "block", "row", "variant", "metric", "value", "ci_low", "ci_high"),
    *("paper", "note", "footnotes"),
)
DECIMALS = 12  # a printed number in our unit, without what multiplying adds
NUMBERS = ("value", "ci_low", "ci_high", "paper")
Ours = Mapping[tuple[str, ...], Mapping[str, Any]]


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a table of the paper, block, row, data set and column.

    Both numbers are in the unit of our metric. Blocks are those of the paper whose attribute is the
    study's, then one for each other attribute of the study, of which nothing is printed. A row is
    left out of a block where nothing is printed and no variant is that row; a table, where the
    study has none of its variants.
    """
    if study.paper is None:
        return pd.DataFrame(columns=list(COLUMNS))
    ours = _ours(study)
    found = [
        line
        for table in study.paper.tables
        if _is_run(table, study.study)
        for block in _blocks(table, study.study)
        for row in table.rows
        for line in _lines(table, block, row, study, ours)
    ]
    return pd.DataFrame(found, columns=list(COLUMNS)).astype(dict.fromkeys(NUMBERS, "float64"))


def _ours(study: StudyResults) -> Ours:
    """Arrange what may be shown of all images and between groups, by place; trials where any."""
    rows = study.summary[study.summary["group"].isin([ALL, BETWEEN])]
    if not study.trials.empty:
        tried = over_trials(study.trials, study.study, study.confidence)
        rows = pd.concat([rows, tried.assign(label=MEAN)], ignore_index=True)  # the last stands
    keys = ["dataset", "label", "attribute", "metric", "variant"]
    places = rows[keys].itertuples(index=False, name=None)
    lines = rows[["value", "ci_low", "ci_high", "note"]].to_dict("records")
    return {
        place: {str(k): v for k, v in line.items()}
        for place, line in zip(places, lines, strict=True)
    }


def _is_run(table: PaperTable, study: Study) -> bool:
    """Tell whether the study has a variant of any row of a table."""
    named = (_variant(row, block, study) for row in table.rows for block in _blocks(table, study))
    return any(variant in study.variants for variant in named)


def _blocks(table: PaperTable, study: Study) -> list[str]:
    """Return the attributes of a table: the paper's that the study has, then the study's own."""
    printed = [name for name in table.names["block"] if name in study.attributes]
    return [*printed, *(name for name in study.attributes if name not in printed)]


def _variant(row: Row, attribute: str, study: Study) -> str | None:
    """Name the variant that stands in a row for an attribute, run or not.

    Where a paper's row is of several variants, each told of the groups of its block, that of an
    attribute of our own is the one told of just that attribute.
    """
    if isinstance(row.variant, str):
        return row.variant
    if attribute in row.variant:
        return row.variant[attribute]
    told = {
        name: set(study.variants[name].groups) - set(study.labels)
        for name in row.variant.values()
        if name in study.variants
    }
    parts = set(attribute.split(SEPARATOR))
    return next((name for name, groups in told.items() if groups == parts), None)


def _lines(
    table: PaperTable, block: str, row: Row, study: StudyResults, ours: Ours
) -> Iterator[dict[str, Any]]:
    """Yield the numbers of a row of a block, data set by data set."""
    variant = _variant(row, block, study.study)
    printed = row.printed.get(block, {})
    datasets = study.study.datasets
    if variant not in study.study.variants and not set(printed) & set(datasets):
        return
    for dataset in datasets:
        of_paper = printed.get(dataset, (None,) * len(table.columns))
        for column, number in zip(table.columns, of_paper, strict=True):
            place = {"block": block, "row": row.name, "dataset": dataset, "metric": column.metric}
            said = [note.text for note in table.footnotes if note.concerns(place)]
            yield {
                **place,
                "table": table.number,
                "variant": variant,
                **_our_number(table, column, (dataset, block, variant), study.study, ours),
                "paper": number if number is None else round(number * column.unit, DECIMALS),
                "footnotes": " ".join(said) or None,
            }


def _our_number(
    table: PaperTable,
    column: Column,
    place: tuple[str, str, str | None],
    study: Study,
    ours: Ours,
) -> dict[str, Any]:
    """Return our value, interval and note at a (data set, block, variant); NaN where not run."""
    dataset, block, variant = place
    nothing = dict.fromkeys(("value", "ci_low", "ci_high"), float("nan"))
    if variant is None or variant not in study.variants:
        return {**nothing, "note": NOT_RUN}
    attribute = block if column.compares else ALL
    found = ours.get((dataset, table.label, attribute, column.metric, variant))
    return {**nothing, "note": NOT_ASKED} if found is None else dict(found)
