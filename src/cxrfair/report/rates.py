"""Rates of groups over all labels, and rates that are another's complement."""

import pandas as pd

from cxrfair.statistics.cells import BETWEEN
from cxrfair.statistics.judgement import MEAN
from cxrfair.tables import UNKNOWN

OF = {"fnr": "tpr", "fnr_sd": "tpr_sd"}
TURNED = (  # a part of FNR, the part of TPR that it is 1 less (or 0 less), and which of them
    *(("value", "value", 1.0), ("ci_low", "ci_high", 1.0), ("ci_high", "ci_low", 1.0)),
    *(("difference", "difference", 0.0), ("difference_low", "difference_high", 0.0)),
    ("difference_high", "difference_low", 0.0),
)


def with_fnr(rows: pd.DataFrame) -> pd.DataFrame:
    """Add rows of FNR = 1 - TPR, and of its SD over groups, to rows of SUMMARY that lack them.

    The standard deviation over groups is that of TPR.
    """
    have = set(rows["metric"])
    wanted = {name: of for name, of in OF.items() if name not in have and of in have}
    parts = [rows[rows["metric"] == of].assign(metric=name) for name, of in wanted.items()]
    return pd.concat([rows, *map(_turned, parts)], ignore_index=True) if parts else rows


def _turned(rows: pd.DataFrame) -> pd.DataFrame:
    """Turn what is no comparison of groups into its complement."""
    plain = rows["group"] != BETWEEN
    found = {name: rows[name].mask(plain, one - rows[of]) for name, of, one in TURNED}
    return rows.assign(**found)


def of_groups(rows: pd.DataFrame, metrics: tuple[str, ...], smallest: int) -> pd.DataFrame:
    """Average metrics of each known group over labels, the same labels for all groups.

    Those are the labels for which the metric is known of every variant in every group of the
    attribute that has at least `smallest` images; a smaller group is averaged over whichever of
    them it has.

    Parameters
    ----------
    rows
        Rows of SUMMARY.

    Returns
    -------
    DataFrame
        A row for each data set, metric, attribute, group and variant: `value`, `n` (the most
        images that any label has; missing where all are hidden) and `n_labels`. No intervals: a
        mean over labels has none that could be worked out from those of each.
    """
    plain = ~rows["group"].isin([BETWEEN, UNKNOWN]) & ~rows["label"].isin([MEAN])
    keys = ["dataset", "metric", "attribute"]
    found = []
    for place, of in rows[plain & rows["metric"].isin(metrics)].groupby(keys, sort=False):
        dataset, metric, attribute = map(str, place)
        named = {"dataset": dataset, "metric": metric, "attribute": attribute}
        found.append(_averaged(of, smallest).assign(**named))
    columns = [*keys, "group", "variant", "value", "n", "n_labels"]
    if not found:
        return pd.DataFrame(columns=columns)
    return pd.concat(found, ignore_index=True)[columns]


def _averaged(rows: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Average one metric of an attribute's groups."""
    wide = rows.pivot(index="label", columns=["group", "variant"], values="value")
    n = rows.groupby("group")["n"].max().astype("Int64")
    small = set(n.index[(n < smallest).fillna(value=False).to_numpy(bool)])
    large = ~wide.columns.get_level_values("group").isin(small)
    kept = wide[wide.loc[:, large].notna().all(axis=1)]
    found = pd.DataFrame({"value": kept.mean(), "n_labels": kept.notna().sum()}).reset_index()
    return found.assign(n=found["group"].map(n))
