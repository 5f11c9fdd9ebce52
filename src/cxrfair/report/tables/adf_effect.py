"""Whether ADF puts variants in the order of the direct effect that it stands for."""

import pandas as pd

from cxrfair.effects import beside_adf
from cxrfair.report._results import StudyResults
from cxrfair.report.tables import _pivot as pivot
from cxrfair.statistics.association import rank_correlation

TITLE = "Does ADF track the direct effect?"
CAPTION = (
    "Spearman's rank correlation, over the trained variants, of ADF (what a real data set could "
    "tell) and the size of the direct effect on decisions or scores (what simulated data alone "
    "tell): 1 where ADF orders variants as the direct effect does, 0 where it says nothing of it. "
    "Both are means over seeds. The interval is that of resampled variants: what other variants "
    "would have shown; with few it is wide. By chance: what ADF is expected to be where there is "
    "nothing but chance. It is the same for all variants of a data set, so that ADF corrected for "
    "it gives the same order. The last columns are the largest values of any variant: where direct "
    "effects are all near 0, their order is mostly chance."
)
SECTION = "effects"
SHOWN = {"decision": "decisions", "score": "scores"}
KEYS = ["dataset", "label", "attribute", "of"]
COLUMNS = [
    *("dataset", "label", "attribute", "direct_effect_on", "n_variants"),
    *("rank_correlation", "rank_correlation_low", "rank_correlation_high"),
    *("rank_correlation_note", "adf_by_chance", "adf_by_chance_note"),
    *("largest_adf", "largest_adf_note", "largest_effect", "largest_effect_note"),
]
NO_ADF = "ADF is undefined or was not asked for"
NO_EFFECT = "no direct effect is defined"


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, label, attribute and kind of answer."""
    points = beside_adf(study.summary, study.effects)
    rows = [
        {**dict(zip(KEYS, map(str, place), strict=True)), **_row(of, study)}
        for place, of in points.groupby(KEYS, sort=False)
    ]
    found = pd.DataFrame(rows, columns=[*KEYS, *COLUMNS[4:]])
    known = {
        "dataset": study.study.datasets,
        "label": study.study.labels,
        "attribute": tuple(study.study.effects),
        "of": tuple(SHOWN),
    }
    ordered = pivot.arranged(found, known).replace({"of": SHOWN})
    return ordered.rename(columns={"of": "direct_effect_on"})[COLUMNS]


def _row(points: pd.DataFrame, study: StudyResults) -> dict[str, float | int | str | None]:
    """Correlate the variants of one data set, label, attribute and kind of answer."""
    size, adf = (points[name].to_numpy("float64") for name in ("size", "adf"))
    found = rank_correlation(size, adf, study.resamples, study.confidence)
    chance, most, largest = points["chance"].median(), points["adf"].max(), points["size"].max()
    return {
        "n_variants": found.n,
        "rank_correlation": found.value,
        "rank_correlation_low": found.low,
        "rank_correlation_high": found.high,
        "rank_correlation_note": found.note or None,
        "adf_by_chance": chance,
        "adf_by_chance_note": NO_ADF if pd.isna(chance) else None,
        "largest_adf": most,
        "largest_adf_note": NO_ADF if pd.isna(most) else None,
        "largest_effect": largest,
        "largest_effect_note": NO_EFFECT if pd.isna(largest) else None,
    }
