"""Every draw of a search for settings, and the one that was chosen."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cxrfair.report._results import StudyResults

TITLE = "Search for settings"
CAPTION = (
    "Every draw of each variant's settings from their ranges, as many for every variant; draw 0 is "
    "what params.yaml says. Each was trained once, with the study's first seed, and judged on "
    "validation images alone: AUROC overall, in the worst group of all attributes, and the largest "
    "gap between the groups of one, all means over labels. With the draw that the rule chose the "
    "variant was trained again, with every seed, before any test image was scored. Rules: best "
    "overall; best worst group (minimax); nearest to the best of every group (dto). Differences "
    "between draws hold no seed but one, and the best of many draws looks better on validation "
    "than it is."
)
SECTION = "choice"
JUDGED = ("overall", "worst", "gap")


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, variant and draw."""
    rows = _ordered(study)
    table = rows[["dataset", "variant", "rule", "draw"]].assign(
        chosen=rows["chosen"].map({True: "yes", False: ""}),
        settings=[_told(json.loads(text)) for text in rows["settings"]],
    )
    for name in JUDGED:
        table[f"{name}_on_validation"] = rows[name]
        table[f"{name}_on_validation_note"] = rows["note"]
    return table


def _ordered(study: StudyResults) -> pd.DataFrame:
    """Sort rows as params.yaml lists data sets and variants, and by draw."""
    rows = study.search
    known = {"dataset": study.study.datasets, "variant": tuple(study.study.variants)}
    places = pd.DataFrame({name: rows[name].map(of.index) for name, of in known.items()})
    order = places.assign(draw=rows["draw"]).sort_values([*known, "draw"]).index
    return rows.loc[order].reset_index(drop=True)


def _told(values: Mapping[str, Mapping[str, Any]]) -> str:
    """Write settings as one line, those of `train` with that name before them."""
    plain = {**_flat(values["settings"]), **_flat(values["train"], "train.")}
    return ", ".join(f"{name} {value}" for name, value in plain.items())


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Write nested settings under dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{before}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat
