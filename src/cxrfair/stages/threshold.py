"""Validation scores to one threshold a label."""

from pathlib import Path

from cxrfair import tables
from cxrfair.stages._cli import call
from cxrfair.thresholds import ThresholdConfig, fit


def threshold(predictions: Path, config: ThresholdConfig, thresholds: Path) -> None:
    """Fit thresholds; the fitting function is handed validation rows and nothing else."""
    rows = tables.PREDICTIONS.read(predictions)
    fitted = fit(rows[rows["fold"] == "validation"].reset_index(drop=True), config)
    tables.THRESHOLDS.write(fitted, thresholds)


if __name__ == "__main__":
    call(threshold)
