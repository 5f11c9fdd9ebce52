"""A full audit of one model, on two cores: every metric in every group, with intervals.

Run: `python benchmarks/audit.py [--rows 30000] [--labels 14]`. Four attributes and all six pairs of
them; all metrics, forms and comparisons; with and without the test sets in which groups are made
alike. Peak memory is of the whole process, made-up predictions included. Beside it, in the same
run, one `MetricFrame` of fairlearn for each label and attribute, measured on a few of its own
resamples (`n_boot`) of one label and scaled.
"""

import argparse
import os
import resource
import time
import warnings
from collections.abc import Callable, Mapping
from itertools import combinations

import fairlearn.metrics
import numpy as np
import pandas as pd
import sklearn.metrics
from rich.console import Console
from rich.table import Table

from cxrfair import comparisons, metrics
from cxrfair.audit import Audit, AuditConfig, Evidence, Model, audit
from cxrfair.studies import SEPARATOR, Study

CORES = 2
THRESHOLD = 0.5
IMAGES_OF_A_PATIENT = 3
GROUPS = {
    "sex": {"female": 0.45, "male": 0.55},
    "age": {"0-20": 0.05, "20-40": 0.2, "40-60": 0.35, "60-80": 0.3, "80+": 0.1},
    "race": {"asian": 0.05, "black": 0.2, "hispanic": 0.1, "other": 0.05, "white": 0.6},
    "insurance": {"medicaid": 0.2, "medicare": 0.4, "other": 0.4},
}
MATCHED = ("prevalence", "case_mix")
MODEL = Model("made_up", "erm", 0)
CALLED = {
    "accuracy": sklearn.metrics.accuracy_score,
    "balanced_accuracy": sklearn.metrics.balanced_accuracy_score,
    "f1": sklearn.metrics.f1_score,
    "fnr": fairlearn.metrics.false_negative_rate,
    "fpr": fairlearn.metrics.false_positive_rate,
    "positive_rate": fairlearn.metrics.selection_rate,
    "ppv": sklearn.metrics.precision_score,
    "tnr": fairlearn.metrics.true_negative_rate,
    "tpr": fairlearn.metrics.true_positive_rate,
}
SCORED = {
    "auroc": sklearn.metrics.roc_auc_score,
    "average_precision": sklearn.metrics.average_precision_score,
    "brier": sklearn.metrics.brier_score_loss,
}


def study(labels: int) -> Study:
    """Return a study of one model: four attributes and every pair of them."""
    pairs = [SEPARATOR.join(pair) for pair in combinations(GROUPS, 2)]
    return Study.model_validate(
        {
            "datasets": (MODEL.dataset,),
            "labels": tuple(f"finding_{i:02d}" for i in range(labels)),
            "attributes": (*GROUPS, *pairs),
            "reference": MODEL.variant,
            "variants": {MODEL.variant: {"method": "erm"}},
            "seeds": (MODEL.seed,),
        }
    )


def cohort(rows: int) -> pd.DataFrame:
    """Make up images of patients with several; a patient's groups are the same in all."""
    rng = np.random.default_rng(0)
    patient = np.sort(rng.integers(rows // IMAGES_OF_A_PATIENT, size=rows))
    theirs = {
        name: rng.choice(list(groups), patient.max() + 1, p=list(groups.values()))[patient]
        for name, groups in GROUPS.items()
    }
    ids = np.char.mod("i%06d", np.arange(rows))
    return pd.DataFrame({"image_id": ids, "patient_id": np.char.mod("p%06d", patient), **theirs})


def evidence(of: Study, frame: pd.DataFrame) -> Evidence:
    """Make up labels (5 to 25% positive) and the scores of a fair model."""
    rng, parts = np.random.default_rng(1), []
    for label in of.labels:
        target = (rng.random(len(frame)) < rng.uniform(0.05, 0.25)).astype(float)
        latent = 1.5 * target + rng.normal(size=len(frame)) - 1
        rows = {
            "label": label,
            "fold": "test",
            "target": target,
            "score": 1 / (1 + np.exp(-latent)),
        }
        parts.append(frame[["image_id"]].assign(**rows))
    predictions = pd.concat(parts, ignore_index=True).astype({"score": "float32"})
    return Evidence(
        predictions, pd.DataFrame({"label": of.labels, "group": "all", "value": THRESHOLD})
    )


def config(resamples: int, matched: tuple[str, ...]) -> AuditConfig:
    """Ask for everything there is."""
    return AuditConfig.model_validate(
        {
            "metrics": metrics.names(),
            "forms": tuple(metrics.FORMS),
            "comparisons": comparisons.names(),
            "matched": matched,
            "resamples": resamples,
            "confidence": 0.95,
            "seed": 0,
            "min_group_size": 20,
        }
    )


def by_fairlearn(of: Study, frame: pd.DataFrame, rows: pd.DataFrame, measured: int) -> float:
    """Return the seconds of one resample of one label, in all attributes."""
    calls = (rows["score"] >= THRESHOLD).astype(int)
    total = 0.0
    for attribute in of.attributes:
        features = frame[attribute.split(SEPARATOR)]
        for functions, answer in ((CALLED, calls), (SCORED, rows["score"])):
            total += _resample(functions, rows["target"], answer, features, measured)
    return total


def _resample(
    functions: Mapping[str, Callable[..., float]],
    target: pd.Series,
    answer: pd.Series,
    features: pd.DataFrame,
    measured: int,
) -> float:
    """Return the seconds of one of a `MetricFrame`'s own resamples."""
    given = {
        "metrics": dict(functions),
        "y_true": target.astype(int).to_numpy(),
        "y_pred": answer.to_numpy(),
        "sensitive_features": features.reset_index(drop=True),
    }
    start = time.perf_counter()
    fairlearn.metrics.MetricFrame(**given)
    middle = time.perf_counter()
    fairlearn.metrics.MetricFrame(**given, n_boot=measured, ci_quantiles=[0.5], random_state=0)
    return (time.perf_counter() - middle - (middle - start)) / measured


def timed(made: Callable[[], Audit]) -> tuple[float, float, int]:
    """Return the seconds it takes, those of them on a core, and the rows of all its tables."""
    start, busy = time.perf_counter(), time.process_time()
    found = made()
    rows = sum(len(frame) for frame in found)
    return time.perf_counter() - start, time.process_time() - busy, rows


def main() -> None:
    """Time an audit on two cores, and fairlearn beside it; print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--labels", type=int, default=14)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--measured", type=int, default=2, help="resamples theirs really runs")
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    of, frame = study(given.labels), cohort(given.rows)
    judged = evidence(of, frame)
    table = Table(
        *("", "seconds", "CPU seconds", "peak memory, GB", "rows", "ratio"),
        title=f"{given.labels} labels, {given.rows:,} images, {len(of.attributes)} attributes and "
        f"pairs, {given.resamples:,} resamples, {CORES} cores",
    )
    taken = []
    for name, matched in (("audit", ()), ("the same with matched test sets", MATCHED)):
        asked = config(given.resamples, matched)
        seconds, busy, rows = timed(
            lambda asked=asked: audit("made_up", of, {MODEL: judged}, {MODEL.dataset: frame}, asked)
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts kibibytes
        taken.append(seconds)
        table.add_row(name, f"{seconds:.1f}", f"{busy:.1f}", f"{peak:.2f}", f"{rows:,}", "")
    first = judged.predictions[judged.predictions["label"] == of.labels[0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # groups of one class, once a resample
        one = by_fairlearn(of, frame, first, given.measured)
    theirs = one * given.labels * given.resamples
    name = f"fairlearn, {len(CALLED) + len(SCORED)} metrics, from {given.measured} resamples"
    table.add_row(name, f"{theirs:,.0f}", "", "", "", f"{theirs / taken[0]:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
