"""How names and numbers are written for readers."""

from collections.abc import Mapping

from cxrfair import metrics
from cxrfair.report._results import StudyResults

UNDEFINED = "undefined"
HIDDEN = "hidden"
DIGITS = 3

HEADINGS: Mapping[str, str] = {
    "n": "Images",
    "n_images": "Images",
    "n_positive": "Positives",
    "n_patients": "Patients",
    "n_train": "Train",
    "n_validation": "Validation",
    "n_test": "Test",
    "images_in": "Images in",
    "images_lost": "Images lost",
    "images_out": "Images out",
    "patients_out": "Patients left",
    "why": "Reason",
    "dataset": "Data set",
    "fitted_on": "Fitted on",
    "value": "Threshold",
}


def heading(column: str, study: StudyResults) -> str:
    """Return the heading of a table's column."""
    base, _ = metrics.split_name(column)
    if column in HEADINGS:
        return HEADINGS[column]
    if base in metrics.names():
        return metrics.title(column)
    stem, _, counted = column.rpartition("_")
    if stem in study.study.labels and counted in ("positive", "uncertain"):
        return f"{study.title(stem)}, {counted}"
    return study.title(column)


def number(value: float) -> str:
    """Write a share with three digits, with a true minus sign."""
    return f"{value:.{DIGITS}f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """Write a difference with its sign; one that rounds to nothing has none."""
    text = f"{value:+.{DIGITS}f}"
    if float(text) == 0:
        return f"{0:.{DIGITS}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float) -> str:
    """Write an interval of shares."""
    return f"{number(low)}\N{EN DASH}{number(high)}"


def signed_interval(low: float, high: float) -> str:
    """Write an interval of differences."""
    return f"{signed(low)} to {signed(high)}"


def count(value: float) -> str:
    """Write a number of things, thousands set apart by a comma."""
    return f"{int(value):,}"
