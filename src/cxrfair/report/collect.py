"""Finished studies' files to what a report is made of."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from cxrfair import tables
from cxrfair.cohort import flow as flows
from cxrfair.config import Section
from cxrfair.lookup import places
from cxrfair.pictured import Examples
from cxrfair.pictured_saliency import Panels
from cxrfair.report import references
from cxrfair.report._results import Decoding, Leakage, StudyResults
from cxrfair.report._titles import TITLES
from cxrfair.report.composition import count
from cxrfair.scales import overridden
from cxrfair.sights import Sights
from cxrfair.studies import SEPARATOR, Study, Variant, headed, homes, single, trained

P = TypeVar("P")


class Facts(Section):
    """Settings a report states, beside those its tables hold."""

    scale: str
    simulated: tuple[str, ...]
    resamples: int
    confidence: float
    min_group_size: int
    epochs: int
    batch_size: int
    optimiser: dict[str, str | float]
    recipes: dict[str, dict[str, Any]]
    lists: dict[str, dict[str, Any]] = {}


class Files(Section):
    """One study's files: one of it all, one a data set, or one a model, in its order.

    `search` holds one a data set and trained variant, where settings were searched for, `paper` the
    file of printed numbers, where the study names one. Of what a study need not ask for there is
    one a data set, or none; of `effects` one a simulated data set. Models are in the order data
    set, variant, seed; `cards` and `made_with` are of those that were trained, `head_cards` of last
    layers. An external data set has no models of its own, and nothing that is made in training
    them; its `thresholds` are those of its home.
    """

    metrics: Path
    summary: Path
    matched: Path
    label_shift: Path
    curves: Path
    selection: Path
    attribute_leakage: tuple[Path, ...]
    localisation: tuple[Path, ...]
    pointing: tuple[Path, ...]
    sights: tuple[Path, ...]
    examples: tuple[Path, ...]
    effects: tuple[Path, ...]
    overlap: tuple[Path, ...]
    panels: tuple[Path, ...]
    downstream: tuple[Path, ...]
    trials: tuple[Path, ...]
    rebalanced: tuple[Path, ...]
    coverage: tuple[Path, ...]
    drawn: tuple[Path, ...]
    search: tuple[Path, ...]
    flows: tuple[Path, ...]
    cohorts: tuple[Path, ...]
    targets: tuple[Path, ...]
    splits: tuple[Path, ...]
    decoding: tuple[Path, ...]
    cuts: tuple[Path, ...]
    leakage: tuple[Path, ...]
    thresholds: tuple[Path, ...]
    cards: tuple[Path, ...]
    head_cards: tuple[Path, ...]
    made_with: tuple[Path, ...]
    paper: tuple[Path, ...]


def collect(name: str, study: Study, files: Files, facts: Facts) -> StudyResults:
    """Read one study."""
    cohorts = _by_dataset(study, tables.COHORT, files.cohorts)
    splits = _by_dataset(study, tables.SPLITS, files.splits)
    targets = _by_dataset(study, tables.TARGETS, files.targets)
    steps = _by_dataset(study, tables.FLOW, files.flows)
    return StudyResults(
        name=name,
        study=study,
        flows={d: _to_folds(steps[d], cohorts[d], splits[d]) for d in study.datasets},
        composition=count(study, cohorts, splits, targets),
        thresholds=_thresholds(study, files.thresholds),
        decoding=dict(zip(study.datasets, map(_decoding, files.decoding), strict=True)),
        cuts={d: _cuts(path, study) for d, path in zip(study.datasets, files.cuts, strict=True)},
        leakage=dict(zip(study.datasets, map(_leakage, files.leakage), strict=True)),
        simulated=frozenset(facts.simulated) & set(study.datasets),
        facts=_words(study, files, facts),
        resamples=facts.resamples,
        confidence=facts.confidence,
        min_group_size=facts.min_group_size,
        cards=_cards(study, files),
        titles=TITLES,
        examples=_pictured(Examples.read, study.datasets, files.examples),
        sights=_sighted(study, files.sights, facts.simulated),
        lists=facts.lists,
        panels=_pictured(Panels.read, homes(study), files.panels),
        paper=references.read(files.paper[0]) if files.paper else None,
        **_measured(files),
    )


def _measured(files: Files) -> dict[str, pd.DataFrame]:
    """Read what judges models, by the names of the report's fields; of some a study has no rows."""
    return {
        "metrics": tables.METRICS.read(files.metrics),
        "summary": tables.SUMMARY.read(files.summary),
        "matched": tables.MATCHED.read(files.matched),
        "label_shift": tables.LABEL_SHIFT.read(files.label_shift),
        "curves": tables.CURVES.read(files.curves),
        "selection": tables.SELECTION.read(files.selection),
        "attribute_leakage": _stacked(tables.ATTRIBUTE_LEAKAGE, files.attribute_leakage),
        "localisation": _stacked(tables.LOCALISATION, files.localisation),
        "pointing": _stacked(tables.POINTING, files.pointing),
        "effects": _stacked(tables.EFFECTS, files.effects),
        "overlap": _stacked(tables.OVERLAP, files.overlap),
        "downstream": _stacked(tables.DOWNSTREAM, files.downstream),
        "trials": _stacked(tables.TRIALS, files.trials),
        "rebalanced": _stacked(tables.TRAINED_ON, files.rebalanced),
        "coverage": _stacked(tables.COVERAGE, files.coverage),
        "drawn": _stacked(tables.REDRAWN, files.drawn),
        "search": _stacked(tables.SEARCH, files.search),
    }


VERSIONS = ("cxrfair", "torch", "timm", "numpy")


def _to_folds(steps: pd.DataFrame, cohort: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Add a step to a data set's flow where some images of its cohort are in no fold."""
    inside = pd.Series(places(cohort["image_id"], splits["image_id"]) >= 0, cohort.index)
    if inside.all():
        return steps
    last = flows.Flow()
    last.keep("in a fold", cohort, inside, pd.Series("left over", index=cohort.index, dtype="str"))
    return flows.join(steps, last.table())


def _decoding(path: Path) -> Decoding:
    """Read how a data set's images were decoded."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Decoding(
        images=found["images"],
        quarantined=found["quarantined"],
        sampled=found["sampled"],
        error=found["decode_error"],
        worst=found["decode_error_worst"],
    )


def _cuts(path: Path, study: Study) -> dict[str, Any]:
    """Read where the attributes were cut that the study uses."""
    cuts = json.loads(path.read_text(encoding="utf-8"))
    return {name: cuts[name] for name in single(study.attributes) if name in cuts}


def _leakage(path: Path) -> Leakage:
    """Read what the gate between a data set's folds found."""
    found = json.loads(path.read_text(encoding="utf-8"))
    by_image = found["image_level"] or {}  # nothing of a data set that is tested only
    return Leakage(
        patients=found["patients"],
        images=found["images"],
        tested=by_image.get("test_images"),
        beside=by_image.get("beside_own_patient"),
        share=by_image.get("share"),
    )


def _thresholds(study: Study, paths: Sequence[Path]) -> pd.DataFrame:
    """Stack all models' thresholds, saying whose they are."""
    keys = [(d, v, s) for d in study.datasets for v in study.variants for s in study.seeds]
    parts = [
        tables.THRESHOLDS.read(path).assign(dataset=dataset, variant=variant, seed=seed)
        for (dataset, variant, seed), path in zip(keys, paths, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _cards(study: Study, files: Files) -> dict[tuple[str, str, int], Mapping[str, Any]]:
    """Read what lies beside every model that was trained, and beside last layers."""
    found = {}
    for variants, paths in ((trained(study), files.cards), (headed(study), files.head_cards)):
        keys = [(d, v, s) for d in homes(study) for v in variants for s in study.seeds]
        for key, path in zip(keys, paths, strict=True):
            found[key] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _by_dataset(
    study: Study, table: tables.Table, paths: Sequence[Path]
) -> dict[str, pd.DataFrame]:
    """Read one file of a table for each data set."""
    return {d: table.read(path) for d, path in zip(study.datasets, paths, strict=True)}


def _stacked(table: tables.Table, paths: Sequence[Path]) -> pd.DataFrame:
    """Stack files of one table; no rows where a study has none of them."""
    if not paths:
        return table.empty()
    return pd.concat([table.read(path) for path in paths], ignore_index=True)


def _pictured(
    read: Callable[[Path], P], datasets: Sequence[str], paths: Sequence[Path]
) -> dict[str, P]:
    """Read the pictures kept of each of some data sets; none where no maps were drawn."""
    return {d: read(path) for d, path in zip(datasets, paths, strict=True)} if paths else {}


def _sighted(study: Study, paths: Sequence[Path], simulated: Sequence[str]) -> dict[str, Sights]:
    """Read the pictures kept of simulated data sets; of others none is looked at."""
    found = _pictured(Sights.read, study.datasets, paths)
    return {d: of for d, of in found.items() if d in simulated and len(of.pixels)}


def _words(study: Study, files: Files, facts: Facts) -> dict[str, str]:
    """Say how the study's models were made, from what lies beside their weights."""
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in files.cards]
    made = [json.loads(path.read_text(encoding="utf-8")) for path in files.made_with]
    variants = [f"{name} ({_made(variant)})" for name, variant in study.variants.items()]
    optimiser = f"{facts.optimiser['kind']}, learning rate {facts.optimiser['learning_rate']:g}"
    if study.search is not None and "train" in study.search.tuned:
        optimiser = f"{facts.optimiser['kind']}, learning rate by search"
    resumed = sum(int(run["resumed"]) > 0 for run in made)
    return {
        "Scale": facts.scale,
        "Variants (method, rebalancing; or what is done after training)": ", ".join(variants),
        "Seeds": ", ".join(map(str, study.seeds)),
        "Variants' own settings": _own_settings(study, facts.recipes),
        "Settings searched for": _searched(study),
        "Backbone": _all(cards, "backbone"),
        "Pretrained weights": _all(cards, "origin"),
        "Channels": _all(cards, "channels"),
        "Image size": f"{_all(cards, 'size')} px",
        "Training": f"at most {facts.epochs} epochs, batch {facts.batch_size}, {optimiser}",
        "Epochs trained": _range(cards, "epochs"),
        "Weights kept from epoch": _range(cards, "selected_epoch"),
        "Chosen by validation": _all(cards, "measure"),
        "Stopped and resumed": f"{resumed} of {len(made)} trainings" if resumed else "none",
        "Processor": _all(made, "device"),
        "Precision": _all(made, "precision"),
        "Processes of a training": _all(made, "processes"),
        "Versions": ", ".join(f"{name} {_all(made, name)}" for name in VERSIONS),
    }


def _made(variant: Variant) -> str:
    """Say what a variant is: how it is trained, or what is done to another's decisions."""
    if variant.method is not None:
        return f"{variant.method}, {variant.rebalance}"
    if variant.head is not None:
        return f"{variant.head} on features of {variant.upstream}"
    groups = SEPARATOR.join(variant.groups)
    return f"{variant.post} between groups of {groups}, scores of {variant.upstream}"


def _searched(study: Study) -> str:
    """Say how settings were searched for."""
    if study.search is None:
        return "none"
    of = study.search
    return f"{of.draws} draws a variant, seed {of.seed}, chosen by {of.rule} on validation"


def _own_settings(study: Study, recipes: Mapping[str, Mapping[str, Any]]) -> str:
    """List what variants and their methods' recipes set for themselves, as dotted names."""
    told = []
    for name, variant in study.variants.items():
        train = overridden(recipes.get(str(variant.method), {}), variant.train)
        own = {"settings": variant.settings, "train": train}
        for section, values in own.items():
            told += [f"{name}: {section}.{key} {value}" for key, value in values.items()]
    return ", ".join(told) or "none"


def _range(cards: Sequence[Mapping[str, Any]], key: str) -> str:
    """Say between which numbers a key lies over all models."""
    found = sorted({int(card[key]) for card in cards})
    return f"{found[0]} to {found[-1]}" if found[1:] else str(found[0])


def _all(found: Sequence[Mapping[str, object]], key: str) -> str:
    """List the different values of a key over all models."""
    return ", ".join(sorted({str(each[key]) for each in found}))
