"""What a public report hides: small cells, and whatever would give them away by subtraction."""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.config import Section
from cxrfair.report._results import Decoding, Leakage, StudyResults
from cxrfair.report.composition import ANY
from cxrfair.statistics.cells import ALL, BETWEEN
from cxrfair.statistics.panels import MEAN
from cxrfair.studies import SEPARATOR
from cxrfair.tables import UNKNOWN

Group = tuple[str, str]  # attribute, value
Profile = NDArray[np.int64]  # counts of one group that are shown somewhere
WHOLE: Group = (ALL, ALL)
NOTE = "hidden: small group"
COUNTS = ("n", "n_positive", "n_patients")
NUMBERS = (
    *("value", "ci_low", "ci_high", "seed_sd"),
    *("difference", "difference_low", "difference_high"),
)


class ReportConfig(Section):
    """Section `report` of params.yaml."""

    public: bool


def suppress(study: StudyResults) -> StudyResults:
    """Return results in which no cell below `min_group_size` can be read or worked out.

    A group is hidden altogether when it has few images in some fold, and for one label when it has
    few positives or few negatives (few: at least one, fewer than `min_group_size`). Further groups
    are hidden until none of the hidden is a sum or difference of those still shown, and until the
    hidden ones of an attribute are not few together. Comparisons that a hidden group enters are
    hidden too; steps of the flow that lose few are joined with the next.
    """
    hidden = hidden_groups(study.composition, study.min_group_size)
    smallest = study.min_group_size
    return replace(
        study,
        metrics=_hide_results(study.metrics, hidden),
        summary=_hide_results(study.summary, hidden),
        flows={name: join_small_steps(flow, smallest) for name, flow in study.flows.items()},
        composition=_hide_counts(study.composition, hidden, smallest),
        thresholds=_hide_fitting(study.thresholds, smallest),
        decoding={name: _hide_decoding(of, smallest) for name, of in study.decoding.items()},
        cuts={name: _hide_cuts(of, smallest) for name, of in study.cuts.items()},
        leakage={name: _hide_leakage(of, smallest) for name, of in study.leakage.items()},
    )


def hidden_groups(
    composition: pd.DataFrame, smallest: int
) -> dict[tuple[str, str], frozenset[Group]]:
    """Return the groups to hide, by (data set, label); label `any` holds for every label."""
    found = {}
    for dataset, rows in composition.groupby("dataset"):
        whole = close(frozenset(), _profiles(rows, ["n"]), smallest)
        found[str(dataset), ANY] = whole
        classes = rows.assign(n_negative=rows["n"] - rows["n_positive"])
        for label, of_label in classes[rows["label"] != ANY].groupby("label"):
            profiles = _profiles(of_label, ["n_positive", "n_negative"])
            found[str(dataset), str(label)] = close(whole, profiles, smallest)
    return found


def close(
    hidden: frozenset[Group], profiles: Mapping[Group, Profile], smallest: int
) -> frozenset[Group]:
    """Add groups to `hidden` until nothing few can be read or worked out from the rest."""
    found = hidden | {group for group, counts in profiles.items() if _is_few(counts, smallest)}
    if WHOLE in found:
        return frozenset(profiles)
    patterns = _patterns(list(profiles))
    while True:
        more = _few_together(found, profiles, smallest) or _derivable(found, patterns, profiles)
        if more is None:
            return found
        found = frozenset(profiles) if more == WHOLE else found | {more}


def join_small_steps(flow: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Join each step that loses few images or patients with the next one (the last: before it).

    The numbers between two joined steps are gone, so that the loss can't be worked out; reasons
    keep their words and lose their counts, which are of cells of any size.
    """
    rows = flow.sort_values("position", ignore_index=True)
    images, patients = rows["images_out"].to_numpy(), rows["patients_out"].to_numpy()
    member, start = np.zeros(len(rows), int), 0
    for end in range(len(rows)):
        member[start : end + 1] = start
        lost = [rows["images_in"].iloc[start] - images[end]]
        lost += [patients[start - 1] - patients[end]] if start else []
        if not _is_few(np.array(lost), smallest):
            start = end + 1
    if 0 < start < len(rows):
        member[start:] = member[start - 1]
    joined = rows.groupby(member).agg(
        position=("position", "first"),
        step=("step", "; ".join),
        images_in=("images_in", "first"),
        images_out=("images_out", "last"),
        images_lost=("images_lost", "sum"),
        patients_out=("patients_out", "last"),
        why=("why", lambda reasons: _uncounted("; ".join(reasons.dropna())) or None),
    )
    return joined.reset_index(drop=True)


def _uncounted(reasons: str) -> str:
    """Take the counts out of reasons: `LATERAL 12, none 3` is LATERAL, none."""
    return re.sub(r":? \d[\d,]*(?=[,;]|$)", "", reasons)


def _profiles(rows: pd.DataFrame, columns: list[str]) -> dict[Group, Profile]:
    """Collect each group's counts over folds and labels."""
    ordered = rows.sort_values(["label", "fold"])
    return {
        (str(attribute), str(group)): of[columns].to_numpy(np.int64).ravel()
        for (attribute, group), of in ordered.groupby(["attribute", "group"])
    }


def _is_few(counts: Profile, smallest: int) -> bool:
    """Tell whether some count is at least one and below the smallest allowed."""
    return bool(((counts > 0) & (counts < smallest)).any())


def _few_together(
    hidden: frozenset[Group], profiles: Mapping[Group, Profile], smallest: int
) -> Group | None:
    """Find a group to hide where an attribute's hidden groups are few even when added up."""
    for attribute in sorted({attribute for attribute, _ in hidden}):
        inside = [group for group in hidden if group[0] == attribute]
        total = np.sum([profiles[group] for group in inside], axis=0)
        others = [g for g in profiles if g[0] == attribute and g not in hidden]
        if others and _is_few(total, smallest):
            return _smallest(others, profiles)
    return None


def _derivable(
    hidden: frozenset[Group],
    patterns: Mapping[Group, NDArray[np.float64]],
    profiles: Mapping[Group, Profile],
) -> Group | None:
    """Find a shown group without which some hidden group would not be a sum of shown ones."""
    shown = sorted(set(patterns) - hidden)
    basis = np.array([patterns[group] for group in shown]).T
    for group in sorted(hidden):
        share, *_ = np.linalg.lstsq(basis, patterns[group], rcond=None)
        if np.allclose(basis @ share, patterns[group], atol=1e-9):
            used = [g for g, part in zip(shown, share, strict=True) if abs(part) > 1e-9]
            return (
                _smallest([g for g in used if g != WHOLE], profiles) if used != [WHOLE] else WHOLE
            )
    return None


def _smallest(groups: list[Group], profiles: Mapping[Group, Profile]) -> Group:
    """Return the group with the fewest images."""
    return min(groups, key=lambda group: (int(profiles[group].sum()), group))


def _patterns(groups: list[Group]) -> dict[Group, NDArray[np.float64]]:
    """Write each group as the finest cells (crossings of all attributes) that it is made of.

    Cells outside every listed group of some attribute are empty, as anyone can see, and left out.
    """
    values: dict[str, set[str]] = {}
    for attribute, group in groups:
        names = attribute.split(SEPARATOR)
        parts = [group] * len(names) if group == UNKNOWN else group.split(SEPARATOR)
        for name, part in zip(names, parts, strict=True):
            values.setdefault(name, {UNKNOWN}).add(part)
    names = sorted(values)
    cells = [
        dict(zip(names, cell, strict=True)) for cell in product(*(sorted(values[n]) for n in names))
    ]
    attributes = sorted({attribute for attribute, _ in groups})
    listed = set(groups)
    cells = [c for c in cells if all((a, _group_of(c, a)) in listed for a in attributes)]
    return {
        (a, group): np.array([float(_group_of(cell, a) == group) for cell in cells])
        for a, group in groups
    }


def _group_of(cell: Mapping[str, str], attribute: str) -> str:
    """Return the group of `attribute` that a finest cell belongs to."""
    parts = [cell[name] for name in attribute.split(SEPARATOR)]
    return UNKNOWN if UNKNOWN in parts else SEPARATOR.join(parts)


def _hide_results(
    rows: pd.DataFrame, hidden: Mapping[tuple[str, str], frozenset[Group]]
) -> pd.DataFrame:
    """Empty the numbers of hidden groups, and of comparisons and means that they enter."""
    places = zip(rows["dataset"], rows["label"], rows["attribute"], rows["group"], strict=True)
    mask = np.array([_is_hidden(hidden, *place) for place in places], bool)
    found = rows.astype(dict.fromkeys(COUNTS, "Int64"))
    found.loc[mask, list(COUNTS)] = pd.NA
    found.loc[mask, [name for name in NUMBERS if name in rows]] = np.nan
    vague = found["note"].str.replace(r"rate of [\d.]+ images", "rate of few images", regex=True)
    return found.assign(note=vague.mask(mask, NOTE))


def _is_hidden(
    hidden: Mapping[tuple[str, str], frozenset[Group]],
    dataset: str,
    label: str,
    attribute: str,
    group: str,
) -> bool:
    """Tell whether a row of METRICS or SUMMARY is hidden."""
    labels = [name for of, name in hidden if of == dataset] if label == MEAN else [label]
    groups = frozenset[Group]().union(*(hidden[dataset, name] for name in labels))
    if group == BETWEEN:
        return attribute in {name for name, _ in groups}
    return (attribute, group) in groups


def _hide_counts(
    composition: pd.DataFrame,
    hidden: Mapping[tuple[str, str], frozenset[Group]],
    smallest: int,
) -> pd.DataFrame:
    """Empty the counts of hidden groups; images in doubt in a whole data set if some are few."""
    keys = ["dataset", "label", "attribute", "group"]
    mask = np.array([_is_hidden(hidden, *place) for place in composition[keys].to_numpy()], bool)
    found = composition.astype(dict.fromkeys((*COUNTS, "n_uncertain"), "Int64"))
    found.loc[mask, [*COUNTS, "n_uncertain"]] = pd.NA
    few = composition["n_uncertain"].between(1, smallest - 1)
    found.loc[few.groupby(composition["dataset"]).transform("any"), "n_uncertain"] = pd.NA
    return found


def _hide_decoding(found: Decoding, smallest: int) -> Decoding:
    """Empty a count of unreadable images that is few, or all but few."""
    lost = found.quarantined or 0
    few = _is_few(np.array([lost, found.images - lost], np.int64), smallest)
    return replace(found, quarantined=None if few else found.quarantined)


def _hide_cuts(
    cuts: Mapping[str, Mapping[str, Any]], smallest: int
) -> dict[str, Mapping[str, Any]]:
    """Leave out cuts that were fitted on few patients: a median of few is somebody's value."""
    return {name: cut for name, cut in cuts.items() if cut["n_patients"] >= smallest}


def _hide_leakage(found: Leakage, smallest: int) -> Leakage:
    """Empty counts that are few, and a share of few or of all but few."""
    counts = np.array([found.patients or 0, found.images or 0], np.int64)
    parts = np.array([found.beside, found.tested - found.beside], np.int64)
    return replace(
        found,
        patients=None if _is_few(counts, smallest) else found.patients,
        images=None if _is_few(counts, smallest) else found.images,
        share=None if _is_few(parts, smallest) else found.share,
    )


def _hide_fitting(thresholds: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Empty the counts behind thresholds that were fitted on few positives or negatives."""
    positive, negative = thresholds["n_positive"], thresholds["n"] - thresholds["n_positive"]
    few = (positive > 0) & (positive < smallest) | (negative > 0) & (negative < smallest)
    found = thresholds.astype({"n": "Int64", "n_positive": "Int64"})
    found.loc[few, ["n", "n_positive"]] = pd.NA
    return found
