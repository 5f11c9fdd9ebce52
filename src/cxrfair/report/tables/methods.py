"""How each variant was made: its method, what the method was told, and where it comes from."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from cxrfair.provenance import declared
from cxrfair.report._results import StudyResults
from cxrfair.studies import SEPARATOR, Study, Variant, homes, upstream_of

TITLE = "Methods"
CAPTION = (
    "What the variants differ in. Groups: the cells the method was told of in training; `blind` to "
    "them otherwise. Starts from: the model it needs, trained before it. Settings: the method's "
    "own, as trained, those a search chose among them. Words: what read the labels' names, for a "
    "method that needs them. Batch statistics: how often a batch goes through the network in a "
    "step. Provenance: what is computed from images beside the loss, on which of them, in which "
    "mode. Last layers are fitted on the features of another variant, in many trials. What is not "
    "trained at all takes the scores of another, and fits thresholds of each group on validation "
    "images."
)
SECTION = "made"
BLIND, NONE = "blind", "none"
POST_SOURCE = "Hardt et al. 2016, arXiv:1610.02413"
MOMENTS = {"early": "early weights", "selected": "chosen weights"}
COLUMNS = (
    *("dataset", "variant", "method", "training_list", "groups", "starts_from", "settings"),
    *("words", "batch_statistics", "provenance", "source"),
)
STATED = ("method", "batch_statistics", "provenance", "source")  # by the card itself


def make(study: StudyResults) -> pd.DataFrame:
    """Return one row a data set that is learnt from and variant; none without any card."""
    of = study.study
    rows = [
        {"dataset": dataset, "variant": name, **_row(study, dataset, name)}
        for dataset in homes(of)
        for name in of.variants
        if study.cards
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(study: StudyResults, dataset: str, name: str) -> dict[str, str]:
    """Describe a variant by its models' cards, or one that has none by what params.yaml says."""
    variant = study.study.variants[name]
    if variant.post is not None:
        return _after(variant, str(variant.post).replace("_", " ")) | {
            "starts_from": f"{variant.upstream}, scores",
            "settings": NONE,
            "provenance": "thresholds of each group: validation images",
            "source": POST_SOURCE,
        }
    if variant.head is not None:
        card = study.cards[dataset, name, study.study.seeds[0]]
        return _after(variant, variant.head) | {
            "starts_from": f"{variant.upstream}, features",
            "settings": f"{_told(card['settings'])}; {card['trials']} trials",
            "provenance": "; ".join(card["notes"]) or NONE,
            "source": card["source"],
        }
    cards = {seed: study.cards[dataset, name, seed] for seed in study.study.seeds}
    return {
        **{key: _once(str(card[key]) for card in cards.values()) for key in STATED},
        "words": _once(str(card["text"]) for card in cards.values()),
        "training_list": variant.rebalance,
        "groups": _once(SEPARATOR.join(card["groups"]) or BLIND for card in cards.values()),
        "starts_from": _start(study.study, name),
        "settings": _by_seed({seed: _told(card["settings"]) for seed, card in cards.items()}),
    }


def _after(variant: Variant, method: str) -> dict[str, str]:
    """Describe what variants without a network of their own have in common."""
    groups = SEPARATOR.join(variant.groups) or BLIND
    nothing = dict.fromkeys(("training_list", "words", "batch_statistics"), NONE)
    return {"method": method, "groups": groups, **nothing}


def _start(study: Study, name: str) -> str:
    """Say which variant's model a variant starts from, and with which of its weights."""
    needs = declared(f"cxrfair.methods.{study.variants[name].method}", "needs")
    if not needs:
        return NONE
    method, moment = needs.split("@")
    return f"{upstream_of(study, name, method)}, {MOMENTS[moment]}"


def _told(settings: Mapping[str, Any]) -> str:
    """Write settings in one line, as params.yaml does."""
    return ", ".join(f"{key} {_written(value)}" for key, value in settings.items()) or NONE


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _once(values: Iterable[str]) -> str:
    """List what differs between seeds, each once."""
    return "; ".join(dict.fromkeys(values))


def _by_seed(told: Mapping[int, str]) -> str:
    """Write what is the same for all seeds once, else seed by seed."""
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return "; ".join(f"seed {seed}: {text}" for seed, text in told.items())
