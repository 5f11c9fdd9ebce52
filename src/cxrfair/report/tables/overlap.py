"""How far what speaks for a label in an image is what speaks for an attribute of the patient."""

import pandas as pd

from cxrfair.report._results import StudyResults
from cxrfair.report.tables import _pivot as pivot

TITLE = "Do the maps of diagnosis and of attribute overlap?"
CAPTION = (
    "Of each test image two Grad-CAM maps: what speaks for or against the label, and what speaks "
    "for one of the attribute's two values, as a linear probe on the network's features reads it "
    "(fitted on training images, the same way for every variant; the paper uses a discriminator "
    "of its own method, and does not say what for vanilla); each of the side that the image as a "
    "whole speaks for. Overlap: Dice of the fifths of the image where the two are largest, mean "
    "over the images of which both maps have an area; of an image with a map that is the same "
    "everywhere (blank) there is none. "
    "Beside it the difference from the reference variant, whose blank images may be others, on the "
    "same resampled patients. Unrelated: what areas of these sizes would give that know nothing of "
    "one another. Elsewhere: the overlap with the attribute's areas in the other images; what "
    "exceeds it follows the image. Mean over seeds; ranges are from the lowest to the highest end "
    "of the seeds' intervals; images and patients are the fewest of a seed. That maps overlap does "
    "not show that the attribute changes the answer; the table of effects measures that."
)
SECTION = "looks"
KEYS = ["dataset", "label", "attribute", "variant"]
COLUMNS = [
    *(*KEYS[:3], "minus", "plus", "variant", "n", "n_patients", "blank"),
    *("overlap", "overlap_low", "overlap_high"),
    *("overlap_difference", "overlap_difference_low", "overlap_difference_high", "overlap_note"),
    *("unrelated", "unrelated_note", "elsewhere", "elsewhere_note", "seed_sd", "seed_sd_note"),
]


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set, label, attribute and variant whose maps were compared."""
    found = study.overlap.groupby(KEYS, as_index=False, sort=False).agg(
        minus=("minus", "first"),
        plus=("plus", "first"),
        n=("n", "min"),
        n_patients=("n_patients", "min"),
        blank=("blank", "max"),
        overlap=("value", "mean"),
        overlap_low=("ci_low", "min"),
        overlap_high=("ci_high", "max"),
        overlap_difference=("difference", "mean"),
        overlap_difference_low=("difference_low", "min"),
        overlap_difference_high=("difference_high", "max"),
        overlap_note=("note", pivot.said),
        unrelated=("expected", "mean"),
        elsewhere=("elsewhere", "mean"),
        seed_sd=("value", "std"),
    )
    for name in ("unrelated", "elsewhere"):
        found[f"{name}_note"] = found["overlap_note"].where(found[name].isna())
    why = found["overlap_note"].where(found["overlap"].isna(), pivot.ONE_SEED)
    found["seed_sd_note"] = why.where(found["seed_sd"].isna())
    return _ordered(found, study)[COLUMNS]


def _ordered(rows: pd.DataFrame, study: StudyResults) -> pd.DataFrame:
    """Sort rows as params.yaml lists data sets, labels, attributes and variants."""
    known = {
        "dataset": study.study.datasets,
        "label": study.study.labels,
        "attribute": tuple(study.study.effects),
        "variant": tuple(study.study.variants),
    }
    return pivot.arranged(rows, known)
