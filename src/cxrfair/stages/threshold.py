"""Validation scores to one threshold a label."""

from pathlib import Path

from cxrfair import tables
from cxrfair.stages._cli import call
from cxrfair.thresholds import FOLD, ThresholdConfig, fit


def threshold(predictions: Path, config: ThresholdConfig, thresholds: Path) -> None:
    """Fit thresholds; the fitting function is handed validation rows and nothing else."""
    rows = tables.PREDICTIONS.read(predictions, only=("fold", FOLD))
    tables.THRESHOLDS.write(fit(rows, config), thresholds)


if __name__ == "__main__":
    call(threshold)
