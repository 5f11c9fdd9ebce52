"""What an attribute does to each variant's answers, along each path of the phantom's graph."""

import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.report.tables import _pivot as pivot

TITLE = "Effects of attributes on answers"
CAPTION = (
    "On simulated data alone, where the same people are pictured with an attribute set along each "
    "path and all else held. Direct: what the attribute does through what it does to the picture "
    "(S \N{RIGHTWARDS ARROW} X), disease held. Total: through disease as well. Indirect: total "
    "less direct (Fair Diagnosis, Eq. 2 and 3). Mean over test images: of decisions, how much the "
    "share called positive grows; of scores, how much the score grows. Beside it the difference "
    "from the reference variant on the same resampled patients. Mean over seeds; ranges are from "
    "the lowest to the highest end of the seeds' intervals; the SD over seeds is that of the "
    "direct effect."
)
SECTION = "effects"
SHOWN = {"decision": "decisions", "score": "scores"}
EFFECTS = ("direct", "indirect", "total")
KEYS = ["dataset", "label", "attribute", "change", "of", "variant"]
ENDS = ("", "_low", "_high", "_difference", "_difference_low", "_difference_high", "_note")
COLUMNS = [
    *("dataset", "label", "attribute", "change", "n", "n_patients", "of", "variant"),
    *(f"{effect}{end}" for effect in EFFECTS for end in ENDS),
    *("seed_sd", "seed_sd_note"),
]


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, label, attribute, kind of answer and trained variant."""
    rows = study.effects.assign(change=study.effects["minus"] + " to " + study.effects["plus"])
    found = rows[[*KEYS, "n", "n_patients"]].drop_duplicates(KEYS, ignore_index=True)
    for effect in EFFECTS:
        over = _over_seeds(rows[rows["effect"] == effect], effect)
        found = found.merge(over, "left", KEYS, validate="one_to_one")
    direct = rows[rows["effect"] == "direct"]
    spread = direct.groupby(KEYS, as_index=False, sort=False).agg(seed_sd=("value", "std"))
    found = found.merge(spread, "left", KEYS, validate="one_to_one")
    why = found["direct_note"].where(found["direct"].isna(), pivot.ONE_SEED)
    found["seed_sd_note"] = why.where(found["seed_sd"].isna())
    return _ordered(found, study)[COLUMNS].replace({"of": SHOWN})


def _over_seeds(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Average one effect over seeds, and span their intervals."""
    kinds = {
        **{name: ("value", "mean"), f"{name}_low": ("ci_low", "min")},
        **{f"{name}_high": ("ci_high", "max"), f"{name}_difference": ("difference", "mean")},
        f"{name}_difference_low": ("difference_low", "min"),
        f"{name}_difference_high": ("difference_high", "max"),
        f"{name}_note": ("note", pivot.said),
    }
    return rows.groupby(KEYS, as_index=False, sort=False).agg(**kinds)


def _ordered(rows: pd.DataFrame, study: StudyResults) -> pd.DataFrame:
    """Sort rows as params.yaml lists data sets, labels, attributes and variants."""
    known = {
        "dataset": study.study.datasets,
        "label": study.study.labels,
        "attribute": tuple(study.study.effects),
        "of": tuple(SHOWN),
        "variant": tuple(study.study.variants),
    }
    return pivot.arranged(rows, known)
