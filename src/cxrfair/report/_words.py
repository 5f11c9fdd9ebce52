"""How names and numbers are written for readers."""

from collections.abc import Mapping

from cxrfair import comparisons, metrics
from cxrfair.report._results import StudyResults

UNDEFINED = "undefined"
HIDDEN = "hidden"
DIGITS = 3
EN_DASH = "\N{EN DASH}"
INFINITY = "\N{INFINITY}"
PERCENT, OVER_SEEDS = "_percent", "_seed_sd"  # endings of columns

HEADINGS: Mapping[str, str] = {
    "n": "Images",
    "n_images": "Images",
    "n_positive": "Positives",
    "n_patients": "Patients",
    "n_train": "Train",
    "n_validation": "Validation",
    "n_test": "Test",
    "n_paper": "The paper's images",
    "images_in": "Images in",
    "images_lost": "Images lost",
    "images_out": "Images out",
    "patients_out": "Patients left",
    "why": "Reason",
    "dataset": "Data set",
    "fitted_on": "Fitted on",
    "value": "Threshold",
    "as_is": "As they are",
    "kept_prevalence": "Kept, same prevalence",
    "kept_case_mix": "Kept, same case mix",
    "n_effective_prevalence": "Effective images, same prevalence",
    "n_effective_case_mix": "Effective images, same case mix",
    "within": "Among",
    "seed_sd": "SD over seeds",
    "trial_sd": "SD over trials",
    "n_trials": "Trials",
    "n_comparisons": "Comparisons",
    "n_better": "Better",
    "n_worse": "Worse",
    "n_surely_better": "Surely better",
    "n_surely_worse": "Surely worse",
    "adf_by_chance": "ADF by chance",
    "largest_adf": "Largest ADF",
    "n_groups": "Groups",
    "gini": "Lorenz Gini",
    "gini_simpson": "Gini-Simpson",
    "entropy": "Entropy (nats)",
    "normalised_entropy": "Entropy / ln n",
    "n_entries": "Entries",
    "n_chosen": "Of these chosen",
    "list_share": "Share of list",
    "chosen_share": "Share of chosen",
    "rebalance": "Training list",
    "n_kept": "Kept",
    "largest": "Largest distance (SDs)",
    "random": "At random (SDs)",
    "entropy_gain": "Entropy gained",
    "entropy_left": "Could be gained",
    "sd": "SD over groups",
    "p_value": "p",
    "p_holm": "p, Holm",
}


def heading(column: str, study: StudyResults) -> str:
    """Return the heading of a table's column."""
    if column in HEADINGS:
        return HEADINGS[column]
    if column.endswith(PERCENT):
        return f"{heading(column.removesuffix(PERCENT), study)} (%)"
    if column.endswith(OVER_SEEDS):
        return HEADINGS[OVER_SEEDS.lstrip("_")]
    base, _ = metrics.split_name(column)
    if base in metrics.names() or column in comparisons.names():
        return comparisons.title(column)
    stem, _, counted = column.rpartition("_")
    if stem in study.study.labels and counted in ("positive", "uncertain"):
        return f"{study.title(stem)}, {counted}"
    return study.title(column)


def number(value: float, digits: int = DIGITS) -> str:
    """Write a share with three digits, with a true minus sign; one that rounds to 0 has none."""
    text = f"{value:.{digits}f}"
    text = text.lstrip("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")
    return text.replace("inf", INFINITY)


def chance(value: float) -> str:
    """Write a p value; below a thousandth it is said to be."""
    return "<0.001" if value < 0.001 else number(value)


def signed(value: float) -> str:
    """Write a difference with its sign; one that rounds to nothing has none."""
    text = f"{value:+.{DIGITS}f}"
    if float(text) == 0:
        return f"{0:.{DIGITS}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, digits: int = DIGITS) -> str:
    """Write an interval; with words where a dash would stand beside a minus sign."""
    return f"{number(low, digits)}{' to ' if low < 0 else EN_DASH}{number(high, digits)}"


def signed_interval(low: float, high: float) -> str:
    """Write an interval of differences."""
    return f"{signed(low)} to {signed(high)}"


def count(value: float) -> str:
    """Write a number of things, thousands set apart by a comma."""
    return f"{int(value):,}"
