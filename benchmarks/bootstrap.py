"""Patient bootstrap: our way against a loop over fairlearn's MetricFrame and scikit-learn.

Run: `python benchmarks/bootstrap.py`. The loop runs on few resamples and is extrapolated.
"""

import argparse
import time
from collections.abc import Callable

import fairlearn.metrics
import numpy as np
import sklearn.metrics
from rich.console import Console
from rich.table import Table

from cxrfair import metrics
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import Cell
from cxrfair.statistics.estimates import Judged, Sample, estimate

RATES = {
    "accuracy": sklearn.metrics.accuracy_score,
    "tpr": fairlearn.metrics.true_positive_rate,
    "fpr": fairlearn.metrics.false_positive_rate,
}


def main() -> None:
    """Time both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--labels", type=int, default=14)
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--looped", type=int, default=2, help="resamples that the loop really runs")
    size = parser.parse_args()
    rng = np.random.default_rng(0)
    patient = rng.integers(size.rows // 3, size=size.rows)
    group = rng.integers(size.groups, size=size.rows)
    score = rng.random((size.labels, size.rows)).astype(np.float32).astype(float)
    target = (rng.random((size.labels, size.rows)) < 0.15 + 0.2 * score).astype(np.int8)
    counts = patient_counts(size.rows // 3, size.resamples, 0)
    cells = [Cell("group", str(g), np.flatnonzero(group == g)) for g in range(size.groups)]

    def ours(names: tuple[str, ...]) -> float:
        chosen = [metrics.get(name) for name in names]
        start = time.perf_counter()
        for y, s in zip(target, score, strict=True):
            judged = Judged(s[None], np.array([0.5]))
            estimate(Sample(y, patient, cells), judged, chosen, counts)
        return time.perf_counter() - start

    def looped(judge: Callable[[np.ndarray, np.ndarray, np.ndarray], object]) -> float:
        start = time.perf_counter()
        for draw in counts[1 : size.looped + 1]:
            rows = np.repeat(np.arange(size.rows), draw[patient])
            judge(target[0, rows], score[0, rows], group[rows])
        return (time.perf_counter() - start) / size.looped * size.resamples * size.labels

    shape = f"{size.labels} labels x {size.groups} groups, {size.rows:,} rows, {size.resamples:,}"
    table = Table(
        "metrics", "ours, s", "loop, s (extrapolated)", "ratio", title=f"{shape} resamples"
    )
    for name, fast, slow in (
        ("accuracy, TPR, FPR", ours(tuple(RATES)), looped(_rates)),
        ("AUROC", ours(("auroc",)), looped(_auroc)),
    ):
        table.add_row(name, f"{fast:.2f}", f"{slow:,.0f}", f"{slow / fast:,.0f}")
    Console().print(table)


def _rates(target: np.ndarray, score: np.ndarray, group: np.ndarray) -> object:
    """Judge one resample with fairlearn."""
    frame = fairlearn.metrics.MetricFrame(
        metrics=RATES, y_true=target, y_pred=score >= 0.5, sensitive_features=group
    )
    return frame.by_group


def _auroc(target: np.ndarray, score: np.ndarray, group: np.ndarray) -> object:
    """Judge one resample with scikit-learn."""
    return [
        sklearn.metrics.roc_auc_score(target[group == g], score[group == g])
        for g in np.unique(group)
    ]


if __name__ == "__main__":
    main()
