"""Label states to targets: the only place for what becomes of uncertain and unmentioned labels."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar

import pandas as pd
from pydantic import field_validator

from cxrfair.config import Section
from cxrfair.errors import CxrfairError

Uncertain = Literal["ignore", "zero", "one", "keep"]
Unmentioned = Literal["ignore", "zero"]
Policy = TypeVar("Policy", bound=str)

DEFAULT = "default"
IN_DOUBT = -1
TARGETS = {"ignore": None, "zero": 0, "one": 1, "keep": IN_DOUBT}
SOFT = 0.5  # what training learns of a label in doubt


class LabelError(CxrfairError):
    """A label that the data set does not have."""


class LabelConfig(Section):
    """Section `labels` of params.yaml: a policy for every label (`default`) and by name.

    `ignore` is neither learnt from nor judged; `zero` and `one` take a side. `keep` keeps the
    doubt: the target is `IN_DOUBT`, from which training learns `SOFT`, which is never judged, and
    which counts as neither positive nor negative.
    """

    uncertain: dict[str, Uncertain]
    unmentioned: dict[str, Unmentioned]

    @field_validator("uncertain", "unmentioned")
    @classmethod
    def _default_is_written_out(cls, policies: dict[str, str]) -> dict[str, str]:
        if DEFAULT not in policies:
            raise ValueError(f"no {DEFAULT!r}; write out what holds for labels not named here")
        return policies


def faults(config: LabelConfig, labels: Iterable[str]) -> list[str]:
    """List the labels that policies name but that are not among `labels` (all studies')."""
    known = sorted(set(labels))
    return [
        f"params.yaml labels.{state}.{name}: no study has this label; have {', '.join(known)}"
        for state, policies in (
            ("uncertain", config.uncertain),
            ("unmentioned", config.unmentioned),
        )
        for name in policies
        if name != DEFAULT and name not in known
    ]


def targets(labels: pd.DataFrame, wanted: tuple[str, ...], config: LabelConfig) -> pd.DataFrame:
    """Decide what is to be learnt and judged of each image and wanted label.

    Parameters
    ----------
    labels
        Rows of `tables.LABELS`. A label without a row for an image counts as unmentioned there.

    Returns
    -------
    DataFrame
        Rows of `tables.TARGETS`, one for each image in `labels` and each wanted label; target
        (Int8) is 1, 0, `IN_DOUBT` or missing.

    Raises
    ------
    LabelError
        If a wanted label has no row at all.
    """
    known = sorted(labels["label"].unique())
    if odd := [label for label in wanted if label not in known]:
        raise LabelError(f"labels: no {odd}; the data set has {', '.join(known)}")
    every = pd.MultiIndex.from_product(
        [labels["image_id"].unique(), wanted], names=["image_id", "label"]
    )
    stated = labels[labels["label"].isin(wanted)].set_index(["image_id", "label"])["state"]
    states = stated.reindex(every, fill_value="unmentioned")
    found = pd.Series(pd.NA, index=every, dtype="Int8", name="target")
    for label in wanted:
        of_label = every.get_level_values("label") == label
        found[of_label] = states[of_label].map(_target_of(label, config)).astype("Int8")
    return found.reset_index()


def judged(target: pd.Series) -> pd.Series:
    """Return targets (of `tables.TARGETS`) with those in doubt emptied."""
    return target.mask(target == IN_DOUBT)


def _target_of(label: str, config: LabelConfig) -> dict[str, int | None]:
    """Give each state of a label its target."""
    return {
        "positive": 1,
        "negative": 0,
        "uncertain": TARGETS[_policy(config.uncertain, label)],
        "unmentioned": TARGETS[_policy(config.unmentioned, label)],
    }


def _policy(policies: Mapping[str, Policy], label: str) -> Policy:
    """Return what holds for a label: what is said of it by name, or of all."""
    return policies.get(label, policies[DEFAULT])
