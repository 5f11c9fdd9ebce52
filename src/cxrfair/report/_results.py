"""What a report is made of."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cxrfair import tables
from cxrfair.pictured import Examples
from cxrfair.pictured_saliency import Panels
from cxrfair.report.references import Reference
from cxrfair.sights import Sights
from cxrfair.studies import Study
from cxrfair.tables import UNKNOWN


@dataclass(frozen=True)
class Leakage:
    """What the gate found of a data set's folds, and what a split by image would have leaked.

    Of its `tested` images `beside`, a `share` of them, have an image of the same patient in
    training. What is None is hidden, or a share of nothing; `tested` and `beside` are None of a
    data set that is tested only, which has no other fold to split.
    """

    patients: int | None
    images: int | None
    tested: int | None
    beside: int | None
    share: float | None


@dataclass(frozen=True)
class Decoding:
    """How many of a data set's `images` could not be read, and how exactly the others were.

    `error` and `worst` are grey levels over `sampled` images that were decoded at a fraction of
    their size; None where none was. `quarantined` is None where it is hidden.
    """

    images: int
    quarantined: int | None
    sampled: int
    error: float | None
    worst: float | None


@dataclass(frozen=True)
class StudyResults:
    """Everything a study's tables and figures may show.

    Attributes
    ----------
    metrics, summary
        Rows of `tables.METRICS` and `tables.SUMMARY`.
    flows
        Rows of `tables.FLOW` by data set.
    composition
        What `composition.count` gives: images, patients and positives by group and fold.
    thresholds
        Rows of `tables.THRESHOLDS` with columns dataset, variant and seed.
    decoding
        How images were read, by data set.
    cuts
        Where attributes of places were cut, by data set and attribute (`cohort.sdoh.fit_cuts`).
    leakage
        What the gate between folds found, by data set.
    simulated
        The data sets that are phantoms.
    facts
        What was run, in words: backbone, pretrained weights, image size, versions, ...
    resamples, confidence
        Of the bootstrap intervals.
    min_group_size
        Images; smaller groups are flagged, and hidden in a public report.
    matched, label_shift, curves, attribute_leakage, selection, search, localisation, downstream
        Rows of the tables of those names; empty where a study has none.
    effects
        Rows of `tables.EFFECTS`, of simulated data sets alone.
    overlap
        Rows of `tables.OVERLAP`; empty where a study has none.
    pointing
        Rows of `tables.POINTING`; empty where a study has none.
    trials
        Rows of `tables.TRIALS`; empty where a study has none.
    rebalanced
        Rows of `tables.TRAINED_ON`; empty where a study rebalances nothing.
    coverage
        Rows of `tables.COVERAGE`; empty where no list leaves images out by their features.
    drawn
        Rows of `tables.REDRAWN`; empty where every method draws all images once.
    panels
        Pictures of simulated images with their saliency maps, by data set; of no patient.
    examples
        Pictures of simulated images and where variants look in them, by data set; of no patient.
    sights
        Pictures of simulated images with outlined labels and variants' maps of them, by data set;
        of no patient.
    lists
        How training lists are made, as section `rebalance` of params.yaml says, by its entries: a
        variant's is `variant.rebalance`. Empty where nobody said.
    cards
        What lies beside the weights of each model that was trained (`backbones.Card`), by data set,
        variant and seed; empty where predictions were given.
    paper
        What the paper of the study prints (`references.read`); None where it has none.
    titles
        Names for readers, where a name with blanks for underscores would not do.
    """

    name: str
    study: Study
    metrics: pd.DataFrame
    summary: pd.DataFrame
    flows: Mapping[str, pd.DataFrame]
    composition: pd.DataFrame
    thresholds: pd.DataFrame
    decoding: Mapping[str, Decoding]
    cuts: Mapping[str, Mapping[str, Mapping[str, Any]]]
    leakage: Mapping[str, Leakage]
    simulated: frozenset[str]
    facts: Mapping[str, str]
    resamples: int
    confidence: float
    min_group_size: int
    cards: Mapping[tuple[str, str, int], Mapping[str, Any]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    matched: pd.DataFrame = field(default_factory=tables.MATCHED.empty)
    label_shift: pd.DataFrame = field(default_factory=tables.LABEL_SHIFT.empty)
    curves: pd.DataFrame = field(default_factory=tables.CURVES.empty)
    attribute_leakage: pd.DataFrame = field(default_factory=tables.ATTRIBUTE_LEAKAGE.empty)
    selection: pd.DataFrame = field(default_factory=tables.SELECTION.empty)
    search: pd.DataFrame = field(default_factory=tables.SEARCH.empty)
    localisation: pd.DataFrame = field(default_factory=tables.LOCALISATION.empty)
    downstream: pd.DataFrame = field(default_factory=tables.DOWNSTREAM.empty)
    effects: pd.DataFrame = field(default_factory=tables.EFFECTS.empty)
    overlap: pd.DataFrame = field(default_factory=tables.OVERLAP.empty)
    trials: pd.DataFrame = field(default_factory=tables.TRIALS.empty)
    rebalanced: pd.DataFrame = field(default_factory=tables.TRAINED_ON.empty)
    coverage: pd.DataFrame = field(default_factory=tables.COVERAGE.empty)
    drawn: pd.DataFrame = field(default_factory=tables.REDRAWN.empty)
    panels: Mapping[str, Panels] = field(default_factory=dict)
    examples: Mapping[str, Examples] = field(default_factory=dict)
    pointing: pd.DataFrame = field(default_factory=tables.POINTING.empty)
    sights: Mapping[str, Sights] = field(default_factory=dict)
    lists: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    paper: Reference | None = None

    def title(self, name: str) -> str:
        """Return a name as readers know it: `pleural_effusion` is Pleural effusion."""
        plain = name.replace("_", " ")
        return self.titles.get(name, plain[:1].upper() + plain[1:])


def in_order(groups: Iterable[str]) -> list[str]:
    """Sort groups as people count (5-10 before 10-20), with `unknown` last."""
    return sorted(set(groups), key=lambda group: (group == UNKNOWN, _by_number(group)))


def _by_number(text: str) -> list[tuple[int, int, str]]:
    """Cut a text so that its numbers are compared as numbers."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", text.replace("[", ""))
        if part
    ]
