"""Label states to targets: the only place for what becomes of uncertain and unmentioned labels."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, TypeVar

import numpy as np
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
UNSTATED = "unstated"
SUREST = ("positive", "uncertain", "negative", "unmentioned")  # first: what a union says


class LabelError(CxrfairError):
    """A label that the data set does not have."""


class LabelConfig(Section):
    """Section `labels` of params.yaml: a policy for every label (`default`) and by name.

    `ignore` is neither learnt from nor judged; `zero` and `one` take a side. `keep` keeps the
    doubt: the target is `IN_DOUBT`, from which training learns `SOFT`, which is never judged, and
    which counts as neither positive nor negative.

    `union` names labels that are any of several: what sources call a nodule, a mass or a lesion is
    then one label, whichever of these words a source has. A policy may name a union.
    """

    uncertain: dict[str, Uncertain]
    unmentioned: dict[str, Unmentioned]
    union: dict[str, list[str]]

    @field_validator("uncertain", "unmentioned")
    @classmethod
    def _default_is_written_out(cls, policies: dict[str, str]) -> dict[str, str]:
        if DEFAULT not in policies:
            raise ValueError(f"no {DEFAULT!r}; write out what holds for labels not named here")
        return policies

    @field_validator("union")
    @classmethod
    def _parts_are_labels(cls, unions: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, of in unions.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"{name!r}; allowed: small letters, digits and _, a letter first")
            if not of or len(set(of)) < len(of):
                raise ValueError(f"{name} is made of {of}; allowed: one label or more, each once")
            if inside := sorted({*of} & {*unions}):
                raise ValueError(f"{name} is made of {inside}; allowed: labels that are no unions")
        return unions


def parts(label: str, config: LabelConfig) -> tuple[str, ...]:
    """Return the labels that a label is any of: of a union its parts, else itself alone."""
    return tuple(config.union.get(label, (label,)))


def stated(known: Iterable[str], config: LabelConfig) -> tuple[str, ...]:
    """Return the labels that can be asked for where a source states `known`, with unions, sorted.

    A union is there where any of its parts is.
    """
    have = set(known)
    return tuple(sorted(have | {name for name, of in config.union.items() if have & {*of}}))


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


def union_faults(config: LabelConfig, known: Collection[str]) -> list[str]:
    """List unions under the name of a label that some source states, and parts that none does."""
    found = []
    for name, of in config.union.items():
        where = f"params.yaml labels.union.{name}"
        if name in known:
            found.append(f"{where}: a source states this label itself; choose another name")
        if odd := [part for part in of if part not in known]:
            have = ", ".join(sorted(known))
            found.append(f"{where}: no source states {', '.join(odd)}; they have {have}")
    return found


def targets(labels: pd.DataFrame, wanted: tuple[str, ...], config: LabelConfig) -> pd.DataFrame:
    """Decide what is to be learnt and judged of each image and wanted label.

    Parameters
    ----------
    labels
        Rows of `tables.LABELS`. A label without a row for an image counts as unmentioned there; one
        that is `unstated` has no target, whatever the policy.

    Returns
    -------
    DataFrame
        Rows of `tables.TARGETS`, one for each image in `labels` and each wanted label; target
        (Int8) is 1, 0, `IN_DOUBT` or missing.

    Raises
    ------
    LabelError
        If a wanted label has no row at all; of a union, if none of its parts has.
    """
    known = sorted(labels["label"].unique())
    if odd := [label for label in wanted if label not in stated(known, config)]:
        raise LabelError(f"labels: no {odd}; the data set has {', '.join(known)}")
    images = pd.Index(labels["image_id"].unique(), name="image_id")
    every = pd.MultiIndex.from_product([images, wanted], names=["image_id", "label"])
    found = pd.Series(pd.NA, index=every, dtype="Int8", name="target")
    for label in wanted:
        of_label = every.get_level_values("label") == label
        states = _states(labels, images, [p for p in parts(label, config) if p in known])
        found[of_label] = states.map(_target_of(label, config)).astype("Int8").to_numpy()
    return found.reset_index()


def judged(target: pd.Series) -> pd.Series:
    """Return targets (of `tables.TARGETS`) with those in doubt emptied."""
    return target.mask(target == IN_DOUBT)


def _states(labels: pd.DataFrame, images: pd.Index, of: list[str]) -> pd.Series:
    """Return what is said of each image, (n,): of several labels the surest that is said of any."""
    said = []
    for part in of:
        rows = labels[labels["label"] == part].set_index("image_id")["state"]
        said.append(rows.reindex(images, fill_value="unmentioned").to_numpy())
    choices = [np.any([states == word for states in said], axis=0) for word in SUREST]
    return pd.Series(np.select(choices, SUREST, UNSTATED), images)


def _target_of(label: str, config: LabelConfig) -> dict[str, int | None]:
    """Give each state of a label its target."""
    return {
        "positive": 1,
        "negative": 0,
        "uncertain": TARGETS[_policy(config.uncertain, label)],
        "unmentioned": TARGETS[_policy(config.unmentioned, label)],
        UNSTATED: None,
    }


def _policy(policies: Mapping[str, Policy], label: str) -> Policy:
    """Return what holds for a label: what is said of it by name, or of all."""
    return policies.get(label, policies[DEFAULT])
