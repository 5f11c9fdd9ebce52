"""The cohort flow: how many images and patients each step takes in, lets through and loses.

Ingest, link and cohort each write a flow of their own; `join` lines them up for the report.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pandas as pd

from cxrfair import tables


@dataclass
class Flow:
    """The steps so far; each adds one row of `tables.FLOW`."""

    _steps: list[dict[str, object]] = field(default_factory=list)

    def step(
        self, name: str, before: pd.DataFrame, after: pd.DataFrame, why: str | None = None
    ) -> pd.DataFrame:
        """Count one step (frames with patient_id, one row an image) and hand on `after`."""
        self._steps.append(
            {
                "position": len(self._steps),
                "step": name,
                "images_in": len(before),
                "images_out": len(after),
                "images_lost": len(before) - len(after),
                "patients_out": after["patient_id"].nunique(),
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


def ingested(records: pd.DataFrame, absent: pd.DataFrame) -> pd.DataFrame:
    """Make the flow of a data set's reading: all it lists, then a step for each reason of absence.

    Parameters
    ----------
    records, absent
        As in `datasets.Images`.
    """
    flow = Flow()
    rows = pd.concat([records[["image_id", "patient_id"]], absent], ignore_index=True)
    rows = flow.step("listed by the source", rows, rows)
    for reason in dict.fromkeys(absent["why"]):
        name = str(reason).replace("no ", "with ", 1)
        rows = flow.keep(name, rows, rows["why"] != reason, rows["why"])
    return flow.table()


def join(*flows: pd.DataFrame) -> pd.DataFrame:
    """Line up the flows of consecutive stages as one."""
    joined = pd.concat([flow.sort_values("position") for flow in flows], ignore_index=True)
    return joined.assign(position=joined.index.astype("int32"))


def _pairs(counts: pd.Series) -> Iterator[tuple[str, int]]:
    """Yield (word, count)."""
    for word, count in counts.items():
        yield str(word), int(count)
