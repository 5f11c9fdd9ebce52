"""Whose images methods leave out of training, or draw more often."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from cxrfair.report import lists
from cxrfair.report._results import StudyResults
from cxrfair.report.lists import LABELS
from cxrfair.statistics.cells import ALL
from cxrfair.tallies import ANY

TITLE = "Whose images are left out, or drawn more often"
CAPTION = (
    "What methods that choose among training images choose, in trainings with the study's first "
    "seed. Left out: of low_loss, the images that a network trained with generalised cross entropy "
    "finds easiest, which are said to show the data's bias. Drawn more: of jtt, its error set, "
    "which an early network got wrong. Share of list: how much of all training images, or entries "
    "of the training list, is the group's, or positive for the label; share of chosen: the same of "
    "those chosen. Ratio: share of chosen over share of list; over 1, the group has more of the "
    "chosen than chance would give it. A label that is easy has a ratio over 1 as well as a group "
    "that is: this tells of no cause."
)
SECTION = "cohort"
SHARES = ("list_share", "chosen_share", "ratio")
CHOSEN = {"left out": "n_left_out", "drawn more": "n_more"}
HIDDEN, NOBODY = "hidden: small group", "no image in the list"
COLUMNS = (
    *("dataset", "variant", "chosen", "attribute", "group", "n_entries", "n_chosen"),
    *(f"{name}{part}" for name in SHARES for part in ("", "_note")),
)


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, variant, kind of choice and group (labels last).

    Kinds that a variant never makes are left out, unless it makes none; none of a study without
    methods that choose.
    """
    rows = study.drawn[study.drawn["seed"] == study.study.seeds[0]]
    parts = dict(list(rows.groupby(["dataset", "variant"])))
    found = [
        {"dataset": dataset, "variant": variant, **row}
        for dataset in study.study.datasets
        for variant in study.study.variants
        if (dataset, variant) in parts
        for row in _of_model(parts[dataset, variant], study)
    ]
    table = pd.DataFrame(found, columns=list(COLUMNS))
    return table.astype({"n_entries": "Int64", "n_chosen": "Int64"})


def _of_model(rows: pd.DataFrame, study: StudyResults) -> Iterator[dict[str, object]]:
    """Yield what is chosen of each group, kind by kind."""
    whole = rows[rows["attribute"].eq(ALL) & rows["label"].eq(ANY)].iloc[0]
    made = {word: name for word, name in CHOSEN.items() if pd.isna(whole[name]) or whole[name] > 0}
    for word, name in (made or CHOSEN).items():
        for attribute in (*study.study.attributes, LABELS):
            named = "label" if attribute == LABELS else "group"
            for _, row in lists.inside(rows, attribute, study).iterrows():
                place = {"chosen": word, "attribute": attribute, "group": row[named]}
                yield place | _shares(row, whole, name)


def _shares(row: pd.Series, whole: pd.Series, name: str) -> dict[str, object]:
    """Compare a group's share of what is chosen with its share of the list."""
    of_list = _ratio(row["n"], whole["n"])
    of_chosen = _ratio(row[name], whole[name])
    ratio = _ratio(of_chosen, of_list)
    why = HIDDEN if pd.isna(row["n"]) or pd.isna(whole["n"]) else None
    return {
        **{"n_entries": row["n"], "n_chosen": row[name]},
        **{"list_share": of_list, "list_share_note": why},
        **{"chosen_share": of_chosen, "chosen_share_note": why or _nothing(of_chosen)},
        **{"ratio": ratio, "ratio_note": why or _nothing(of_chosen) or _nobody(ratio)},
    }


def _ratio(part: float, whole: float) -> float:
    """Divide; NaN where either is hidden or there is nothing to divide by."""
    if pd.isna(part) or pd.isna(whole) or not whole:
        return np.nan
    return float(part / whole)


def _nothing(share: float) -> str | None:
    """Say why there is no share of what is chosen."""
    return "no image is chosen" if np.isnan(share) else None


def _nobody(ratio: float) -> str | None:
    """Say why a group has no ratio though others have."""
    return NOBODY if np.isnan(ratio) else None
