"""The cohort flow: how many images and patients each step takes in, lets through and loses.

Ingest, link and cohort each write a flow of their own; `join` lines them up for the report.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cxrfair import tables


@dataclass
class Flow:
    """The steps so far; each adds one row of `tables.FLOW`."""

    _steps: list[dict[str, object]] = field(default_factory=list)
    _rows: pd.DataFrame | None = None  # what the last step handed on
    _patients: int = 0  # in these

    def step(
        self, name: str, before: pd.DataFrame, after: pd.DataFrame, why: str | None = None
    ) -> pd.DataFrame:
        """Count one step (frames with patient_id, one row an image) and hand on `after`."""
        if after is not self._rows:
            self._rows, self._patients = after, after["patient_id"].nunique()
        self._steps.append(
            {
                "position": len(self._steps),
                "step": name,
                "images_in": len(before),
                "images_out": len(after),
                "images_lost": len(before) - len(after),
                "patients_out": self._patients,
                "why": why,
            }
        )
        return after

    def keep(
        self, name: str, rows: pd.DataFrame, kept: pd.Series, reasons: pd.Series
    ) -> pd.DataFrame:
        """Hand on the rows that are `kept`; `reasons` says of each row why it might be lost."""
        return self.step(name, rows, rows[kept], tally(reasons[~kept]))

    def table(self) -> pd.DataFrame:
        """Return the steps as rows of `tables.FLOW`."""
        types = {"position": "int32", "why": "str"}
        return pd.DataFrame(self._steps, columns=list(tables.FLOW.columns)).astype(types)


def tally(reasons: pd.Series) -> str | None:
    """Count reasons in words, the commonest first: `LATERAL 12, none 3`."""
    counts = reasons.fillna("none").value_counts().sort_index().sort_values(ascending=False)
    return ", ".join(f"{reason} {n:,}" for reason, n in _pairs(counts)) or None


def tally_first(reasons: Mapping[str, pd.Series], otherwise: str) -> str | None:
    """Count rows by the first reason that holds, in the words of `tally`."""
    left = np.ones(len(next(iter(reasons.values()))), dtype=np.bool_)
    counts = {}
    for reason, holds in reasons.items():
        counts[reason] = int((left & holds).sum())
        left &= ~holds.to_numpy()
    counts[otherwise] = int(left.sum())
    often = sorted((-n, reason) for reason, n in counts.items() if n)
    return ", ".join(f"{reason} {-n:,}" for n, reason in often) or None


def noted(notes: Mapping[str, int]) -> str | None:
    """Say how often each rule was applied, the commonest first: `blank sex is unknown: 12; ...`."""
    often = sorted((-n, rule) for rule, n in notes.items() if n)
    return "; ".join(f"{rule}: {-n:,}" for n, rule in often) or None


def ingested(
    records: pd.DataFrame, absent: pd.DataFrame, notes: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """Make the flow of a data set's reading: all it lists, then a step for each reason of absence.

    A last step loses nothing and says which rules were applied to rows that were not as they
    should be, where there were any.

    Parameters
    ----------
    records, absent, notes
        As in `datasets.Images`.
    """
    flow = Flow()
    rows = pd.concat([records[["image_id", "patient_id"]], absent], ignore_index=True)
    rows = flow.step("listed by the source", rows, rows)
    for reason in dict.fromkeys(absent["why"]):
        name = str(reason).replace("no ", "with ", 1)
        rows = flow.keep(name, rows, rows["why"] != reason, rows["why"])
    if said := noted(notes or {}):
        flow.step("as the source's rules say", rows, rows, said)
    return flow.table()


def join(*flows: pd.DataFrame) -> pd.DataFrame:
    """Line up the flows of consecutive stages as one."""
    parts = [flow.sort_values("position") for flow in flows if len(flow)]
    joined = pd.concat(parts, ignore_index=True) if parts else tables.FLOW.empty()
    return joined.assign(position=joined.index.astype("int32"))


def _pairs(counts: pd.Series) -> Iterator[tuple[str, int]]:
    """Yield (word, count)."""
    for word, count in counts.items():
        yield str(word), int(count)
