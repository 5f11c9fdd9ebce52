"""Who is in a cohort: images, patients and positives by group and fold."""

from collections.abc import Mapping

import pandas as pd

from cxrfair.labels import IN_DOUBT
from cxrfair.statistics import cells
from cxrfair.studies import Study
from cxrfair.tables import FOLDS

ANY = "any"  # the label of rows that count all images, judged or not
COLUMNS = (
    *("dataset", "attribute", "group", "fold", "label"),
    *("n", "n_positive", "n_uncertain", "n_patients"),
)


def count(
    study: Study,
    cohorts: Mapping[str, pd.DataFrame],
    splits: Mapping[str, pd.DataFrame],
    targets: Mapping[str, pd.DataFrame],
) -> pd.DataFrame:
    """Count a study's cohorts.

    Parameters
    ----------
    cohorts, splits, targets
        Rows of `tables.COHORT`, `tables.SPLITS` and `tables.TARGETS` by data set; images without
        a fold are left out.

    Returns
    -------
    DataFrame
        A row for each data set, group, fold and label (`COLUMNS`). Of label `any`, `n` is all
        images, `n_positive` those positive and `n_uncertain` those in doubt for at least one label;
        of others, `n` is the images that are judged for it, and those in doubt are beside them.
    """
    rows = []
    for dataset in study.datasets:
        wide = (
            targets[dataset]
            .astype({"target": "float64"})
            .pivot(index="image_id", columns="label", values="target")
        )
        frame = cohorts[dataset].merge(splits[dataset], on="image_id", validate="one_to_one")
        judged = wide.reindex(index=frame["image_id"], columns=list(study.labels)).reset_index()
        for cell in cells.make(frame, study.attributes):
            part = frame.iloc[cell.rows].assign(**{ANY: 0.0})
            place = {"dataset": dataset, "attribute": cell.attribute, "group": cell.group}
            part[list(study.labels)] = judged.iloc[cell.rows][list(study.labels)].to_numpy()
            part[ANY] = (part[list(study.labels)] == 1).any(axis=1).astype(float)
            rows += [place | row for row in _by_fold(part, study)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_fold(part: pd.DataFrame, study: Study) -> list[dict[str, object]]:
    """Count one group's images in each fold, for any label and for each."""
    found: list[dict[str, object]] = []
    for fold in FOLDS:
        inside = part[part["fold"] == fold]
        for label in (ANY, *study.labels):
            judged = inside[inside[label].isin([0, 1])]
            doubt = inside[list(study.labels) if label == ANY else [label]] == IN_DOUBT
            found.append(
                {
                    "fold": fold,
                    "label": label,
                    "n": len(judged),
                    "n_positive": int(judged[label].sum()),
                    "n_uncertain": int(doubt.any(axis=1).sum()),
                    "n_patients": judged["patient_id"].nunique(),
                }
            )
    return found
