"""What is wrong with the variants of a study, as params.yaml sets them, before the first job."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cxrfair import heads, methods
from cxrfair.backbones import BackboneError, origin
from cxrfair.config import ConfigError, Section
from cxrfair.ranges import within
from cxrfair.scales import overridden, train_section
from cxrfair.search import free
from cxrfair.studies import Search, Study, StudyError, Variant, upstream_of
from cxrfair.training import validation
from cxrfair.training.config import TrainConfig


def faults(where: str, study: Study, name: str, params: Any) -> list[str]:
    """List what is wrong with one variant of a study that is trained."""
    variant = study.variants[name]
    method, found = str(variant.method), []
    have = [key for key, value in params.methods if value is not None]
    if method not in have:
        found.append(f"{where}: no {method!r} under methods; have {have}")
    if variant.rebalance not in params.rebalance:
        have = list(params.rebalance)
        found.append(f"{where}: no {variant.rebalance!r} under rebalance; have {have}")
    if not found:
        found += _group_faults(where, method, variant.groups)
        found += _override_faults(where, method, variant, params)
        found += _upstream_faults(where, method, study, name, params)
    if study.search is not None and not found:
        found += _search_faults(where, study.search, variant, params)
    return found


def head_faults(where: str, study: Study, variant: Variant, params: Any) -> list[str]:
    """List what is wrong with a variant that is a last layer on another's features."""
    if variant.head is None:
        return []
    have = [key for key, value in params.heads if value is not None]
    if variant.head not in have:
        return [f"{where}: no {variant.head!r} under heads; have {have}"]
    head, faults = heads.get(variant.head), []
    values = overridden(getattr(params.heads, variant.head).model_dump(), variant.settings)
    try:
        head.Config.parse(json.dumps(values), f"{where.split(' ')[1]}.settings")
    except ConfigError as error:
        faults.append(str(error))
    if head.USES_GROUPS and not variant.groups:
        faults.append(f"{where}.groups: empty; {variant.head} needs the attributes of its groups")
    if variant.groups and not head.USES_GROUPS:
        faults.append(f"{where}.groups: {list(variant.groups)}; {variant.head} is blind to groups")
    if "embeddings" not in study.products:
        faults.append(f"{where}.head: made of features; add 'embeddings' to the study's products")
    return faults


def _search_faults(where: str, search: Search, variant: Variant, params: Any) -> list[str]:
    """Refuse a search that would train a variant alike in every draw."""
    hyper = overridden(getattr(params.methods, str(variant.method)).model_dump(), variant.settings)
    sections: dict[str, Section] = {
        "settings": methods.get(str(variant.method)).config_type.parse(json.dumps(hyper)),
        "train": TrainConfig.parse(json.dumps(_train(params, variant.model_dump()))),
    }
    if any(free(within(sections[part]), getattr(variant, part)) for part in search.tuned):
        return []
    tuned = " and ".join(search.tuned)
    return [f"{where}: its {tuned} leave a search nothing to draw; see search.tuned of the study"]


def _override_faults(where: str, method: str, variant: Variant, params: Any) -> list[str]:
    """List what is wrong with the values a variant sets for itself."""
    kind = methods.get(method).config_type
    settings = overridden(getattr(params.methods, method).model_dump(), variant.settings)
    train = _train(params, variant.model_dump())
    faults = []
    for key, reader, values in (("settings", kind, settings), ("train", TrainConfig, train)):
        try:
            parsed: Any = reader.parse(json.dumps(values), f"{where.split(' ')[1]}.{key}")
        except ConfigError as error:
            faults.append(str(error))
            continue
        if key == "train":
            faults += _train_faults(parsed)
    return faults


def recipe_faults(params: Any) -> list[str]:
    """List what is wrong with section `train` as each recipe changes it."""
    faults = []
    for method, recipe in params.recipes:
        if recipe is not None:
            values = json.dumps(_train(params, {"method": method}))
            try:
                faults += _train_faults(TrainConfig.parse(values, f"recipes.{method}"))
            except ConfigError as error:
                faults.append(str(error))
    return faults


def _train(params: Any, variant: Mapping[str, Any]) -> dict[str, Any]:
    """Return section `train` as it holds for a variant."""
    return train_section(params.model_dump(include={"train", "recipes"}), variant)


def _train_faults(train: TrainConfig) -> list[str]:
    """List what section `train` names and nobody has: a measure, a network, its weights."""
    fault = _weights_fault(train.backbone, train.pretrained)
    return validation.faults(train.validation.measure) + ([fault] if fault else [])


@cache
def _weights_fault(backbone: str, pretrained: str) -> str:
    """Say why a network or its weights cannot be had; once, since a file is read to the end."""
    try:
        origin(backbone, pretrained)
    except BackboneError as error:
        return f"params.yaml {error}"
    return ""


def _upstream_faults(where: str, method: str, study: Study, name: str, params: Any) -> list[str]:
    """Say where a method lacks the model it starts from, or is given one it cannot use."""
    variant = study.variants[name]
    needs = methods.get(method).needs
    if not needs:
        unused = f"{where}.upstream: {variant.upstream!r}; {method} starts from no model"
        return [] if variant.upstream is None else [unused]
    try:
        upstream = upstream_of(study, name, needs.partition("@")[0])
    except StudyError as error:
        return [f"{where.removesuffix(f'variants.{name}')}{error}"]
    return _network_faults(where, method, (variant, study.variants[upstream]), params)


def _network_faults(
    where: str, method: str, pair: tuple[Variant, Variant], params: Any
) -> list[str]:
    """Say where a method that deploys its upstream's network is given another backbone than it."""
    if not methods.get(method).deploys_upstream:
        return []
    own, given = (_train(params, variant.model_dump()) for variant in pair)
    return [
        f"{where}.train.{key}: {own.get(key)!r}; {method} deploys the network it starts from, "
        f"allowed is that one's: {given.get(key)!r}"
        for key in ("backbone", "channels", "output_stride")
        if own.get(key) != given.get(key)
    ]


def _group_faults(where: str, method: str, groups: tuple[str, ...]) -> list[str]:
    """Refuse groups for a method that would ignore them, and none for one that needs them."""
    if method not in methods.names():
        return []
    uses = methods.get(method).uses_groups
    if uses and not groups:
        return [f"{where}.groups: empty; {method} needs the attributes its groups are made of"]
    if groups and not uses:
        return [f"{where}.groups: {list(groups)}; {method} is blind to groups, leave them out"]
    return []
