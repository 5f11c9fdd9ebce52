"""The cells of a training set: values of attributes crossed, or which labels are positive."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.rebalance._strategy import RebalanceError


class Cells(NamedTuple):
    """Cells that have a row, and which one each row is in.

    `patterns` is (g, l) for labels, true where the label is positive in all of the cell's rows.
    """

    names: tuple[str, ...]
    of: NDArray[np.int64]
    patterns: NDArray[np.bool_] | None = None

    def sizes(self) -> NDArray[np.int64]:
        """Count each cell's rows, (g,)."""
        return np.bincount(self.of, minlength=len(self.names)).astype(np.int64)

    def rows(self) -> list[NDArray[np.int64]]:
        """List each cell's rows, in their order."""
        order = np.argsort(self.of, kind="stable")
        return np.split(order, np.cumsum(self.sizes()))[: len(self.names)]


def attributes_and_labels(members: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Tell the columns of members apart: attributes are words, labels numbers."""
    named = [str(column) for column in members if column != "image_id"]
    labels = [name for name in named if pd.api.types.is_numeric_dtype(members[name])]
    return [name for name in named if name not in labels], labels


def cells(members: pd.DataFrame, over: tuple[str, ...], where: str) -> Cells:
    """Divide the rows by attributes or by labels.

    Attributes are crossed; a value that is missing or unknown is a value like others, as long as
    the cohort keeps such images. Labels divide by which are positive: a missing or doubtful one
    is not.

    Parameters
    ----------
    where
        The section of params.yaml, for errors.

    Raises
    ------
    RebalanceError
        If `over` names a column that the members do not have, or attributes and labels at once.
    """
    attributes, labels = attributes_and_labels(members)
    if odd := [name for name in over if name not in (*attributes, *labels)]:
        have = ", ".join((*attributes, *labels))
        raise RebalanceError(f"params.yaml rebalance.{where}.over: no {odd}; have {have}")
    of_labels = [name for name in over if name in labels]
    if of_labels and len(of_labels) < len(over):
        raise RebalanceError(
            f"params.yaml rebalance.{where}.over: labels {of_labels} beside attributes; "
            "name attributes or labels, not both"
        )
    return _by_label(members, over) if of_labels else _by_attribute(members, over)


def _by_attribute(members: pd.DataFrame, over: tuple[str, ...]) -> Cells:
    """Cross the values of attributes."""
    grouped = members.groupby(list(over), dropna=False, observed=True)
    values = grouped.size().index.to_frame().astype(str)
    names = tuple(", ".join(row) for row in values.to_numpy())
    return Cells(names, np.asarray(grouped.ngroup(), dtype=np.int64))


def _by_label(members: pd.DataFrame, over: tuple[str, ...]) -> Cells:
    """Tell rows apart by which of these labels are positive."""
    positive = np.stack([(members[name] == 1).fillna(False).to_numpy(bool) for name in over], 1)
    codes = positive @ (1 << np.arange(len(over), dtype=np.int64))
    kinds, first, at = np.unique(codes, return_index=True, return_inverse=True)
    patterns = positive[first].reshape(len(kinds), len(over))
    names = ("+".join(np.array(over)[pattern]) or "none of them" for pattern in patterns)
    return Cells(tuple(names), np.asarray(at, dtype=np.int64), patterns)
