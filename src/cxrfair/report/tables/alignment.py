"""Gaps between groups with and without guidance by outlines, laid out as Table 2 of its paper."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxrfair.report import guidance
from cxrfair.report._results import StudyResults
from cxrfair.report.printed_gaps import KINDS, GapRow, GapTable, Kind
from cxrfair.report.tables import _pivot as pivot
from cxrfair.statistics.cells import ALL

TITLE = "Guided by outlines"
CAPTION = (
    "All numbers in per cent, on test images. Gaps: largest less smallest value over the groups of "
    "an attribute, less is better; hit rate: how often the largest value of a map lies inside the "
    "outline, of all test images that have one, the same in all attributes; more is better. "
    "Guidance: the share of the outlined positive training images that guided the map. Mean over "
    "seeds with interval, over resampled patients (of the hit rate from the lowest to the highest "
    "end of the seeds' own), and below it the difference from the variant without guidance, on the "
    "same patients, where it is compared with that one. SD: over seeds. Rows of the paper: the "
    "printed means, and in place of the SD what stands behind their plus-minus, of images, splits "
    "and trainings of its own. A gap is never below 0, and its mean above the true one."
)
SECTION = "paper"
MEASURES = (*guidance.GAPS, guidance.HIT_RATE)
KEYS = ["dataset", "label", "attribute", "variant"]
ENDINGS = {
    "value": "_percent",
    "ci_low": "_percent_low",
    "ci_high": "_percent_high",
    "difference": "_percent_difference",
    "difference_low": "_percent_difference_low",
    "difference_high": "_percent_difference_high",
    "note": "_percent_note",
    "seed_sd": "_seed_sd_percent",
    "seed_sd_note": "_seed_sd_percent_note",
}
NUMBERS = tuple(part for part in ENDINGS if "note" not in part)
COLUMNS = (*KEYS, "guidance", *(f"{name}{part}" for name in MEASURES for part in ENDINGS.values()))
NOT_ASKED = "not asked for in section audit of params.yaml"
NOT_POINTED = "maps of nobody are held against outlines"
NOT_PRINTED, NOT_APPLICABLE = "not printed", "not applicable"  # the last leaves a cell blank
PER_CENT, DECIMALS = 100.0, 12  # without what multiplying adds


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, judged label, attribute and variant, then the paper's rows.

    None without variants of method `aligner` on lists of strategy `guided_share`.
    """
    every = guidance.guided(study)
    if not every:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = guidance.measured(study)
    places = rows[guidance.KEYS].itertuples(index=False, name=None)
    ours = {
        place: {str(key): of for key, of in line.items()}
        for place, line in zip(places, rows.to_dict("records"), strict=True)
    }
    found = [
        line
        for dataset in study.study.datasets
        for label in guidance.judged(study, dataset)
        for attribute in study.study.attributes
        for line in _of_place((dataset, label, attribute), every, ours, study)
    ]
    table = pd.DataFrame(found, columns=list(COLUMNS))
    numbers = [f"{name}{ENDINGS[part]}" for name in MEASURES for part in NUMBERS]
    return table.astype(dict.fromkeys(numbers, "float64"))


def _of_place(
    place: tuple[str, str, str],
    every: list[guidance.Guided],
    ours: Mapping[tuple[Any, ...], Mapping[str, Any]],
    study: StudyResults,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one data set, label and attribute."""
    dataset, label, attribute = place
    named = dict(zip(KEYS, place, strict=False))
    for of in every:
        line = {**named, "variant": of.variant, "guidance": of.words}
        for metric in MEASURES:
            inside = ALL if metric == guidance.HIT_RATE else attribute
            numbers = ours.get((dataset, label, inside, metric, of.variant))
            line |= _ours(metric, numbers)
        yield line
    table = None if study.paper is None else study.paper.gaps
    for row in () if table is None else table.rows:
        if table is not None and (row.dataset, row.label, row.attribute) == place:
            yield from (named | _printed(table, row, kind) for kind in KINDS)


def _ours(metric: str, line: Mapping[str, Any] | None) -> dict[str, Any]:
    """Write what was measured in per cent, and why something is missing."""
    if line is None:
        why = NOT_POINTED if metric == guidance.HIT_RATE else NOT_ASKED
        line = {**dict.fromkeys(NUMBERS, np.nan), "note": why}
    found = {part: PER_CENT * float(line[part]) for part in NUMBERS}
    alone = np.isnan(found["seed_sd"])
    why = line["note"] if np.isnan(found["value"]) else pivot.ONE_SEED
    told = {**found, "note": line["note"], "seed_sd_note": why if alone else None}
    return {f"{metric}{ENDINGS[part]}": of for part, of in told.items()}


def _printed(table: GapTable, row: GapRow, kind: Kind) -> dict[str, Any]:
    """Write one of the paper's rows in per cent."""
    line: dict[str, Any] = {
        "variant": f"paper: {table.named[kind]}",
        "guidance": "none" if kind == "without" else "not said",
    }
    printed = row.without if kind == "without" else row.aligned
    numbers = {c.metric: (c.unit, *of) for c, of in zip(table.columns, printed, strict=True)}
    for metric in MEASURES:
        unit, mean, spread = numbers.get(metric, (1.0, np.nan, np.nan))
        note = table.said(row, kind, metric) if metric in numbers else NOT_PRINTED
        told = {
            **{"value": round(PER_CENT * unit * mean, DECIMALS), "note": note or None},
            **{"seed_sd": round(PER_CENT * unit * spread, DECIMALS)},
            "seed_sd_note": None if metric in numbers else NOT_PRINTED,
        }
        line |= {f"{metric}{ENDINGS[part]}": of for part, of in told.items()}
    return line
