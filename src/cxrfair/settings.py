"""All of params.yaml: what each section may hold, and that its names hang together."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError, create_model, field_validator

from cxrfair import datasets, labels, methods, rebalance
from cxrfair.audit import AuditConfig
from cxrfair.cohort.attributes import ATTRIBUTES
from cxrfair.cohort.filters import CohortConfig
from cxrfair.cohort.link import LinkConfig
from cxrfair.cohort.sdoh import SdohConfig
from cxrfair.config import ConfigError, Section, explain
from cxrfair.images.store import ImageConfig
from cxrfair.labels import LabelConfig
from cxrfair.phantom import PhantomConfig
from cxrfair.pretrained import BackboneError, origin
from cxrfair.probes import ProbeConfig
from cxrfair.ranges import within
from cxrfair.report import ReportConfig
from cxrfair.scales import overridden, resolve, train_section
from cxrfair.search import free
from cxrfair.shown import DrawConfig
from cxrfair.splits import SplitConfig
from cxrfair.studies import Search, Study, StudyError, Variant, single, upstream_of
from cxrfair.thresholds import ThresholdConfig
from cxrfair.tracking import TrackingConfig
from cxrfair.training import validation
from cxrfair.training.config import TrainConfig

LINKABLE = ("encounters", "surroundings", "annotations")  # kinds that say more of an image


class Source(Section):
    """One entry of `data`: where a data set lies, what it is linked to, and how it is read."""

    root: str
    link: tuple[str, ...] = ()
    options: dict[str, Any] = {}

    @field_validator("root")
    @classmethod
    def _no_empty_root(cls, root: str) -> str:
        if not root.strip():
            raise ValueError("an empty path; give the folder that holds the data set")
        return root


def params_type() -> type[Section]:
    """Assemble the type of a resolved params.yaml from the sections of the rooms."""
    return create_model(
        "Params",
        __base__=Section,
        scale=(str, ...),
        data=(dict[str, Source], ...),
        phantom=(PhantomConfig, ...),
        link=(LinkConfig, ...),
        sdoh=(SdohConfig, ...),
        cohort=(CohortConfig, ...),
        labels=(LabelConfig, ...),
        split=(SplitConfig, ...),
        images=(ImageConfig, ...),
        train=(TrainConfig, ...),
        recipes=(_registry("Recipes", dict.fromkeys(methods.names(), dict[str, Any])), ...),
        methods=(
            _registry("Methods", {n: methods.get(n).config_type for n in methods.names()}),
            ...,
        ),
        rebalance=(
            _registry("Rebalance", {n: rebalance.get(n).Config for n in rebalance.names()}),
            ...,
        ),
        draw=(DrawConfig, ...),
        threshold=(ThresholdConfig, ...),
        audit=(AuditConfig, ...),
        probe=(ProbeConfig, ...),
        report=(ReportConfig, ...),
        tracking=(TrackingConfig, ...),
        studies=(dict[str, Study], ...),
    )


def check(params: Mapping[str, Any]) -> Section:
    """Check every setting and every name it refers to, together and before the first job.

    Raises
    ------
    ConfigError
        Naming each key that is misspelt, missing, of the wrong kind, or names what does not exist.
    """
    text = json.dumps(resolve(params))
    try:
        parsed: Any = params_type().model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(explain(error, "", text)) from None
    if faults := _recipe_faults(parsed):
        # First: what a recipe gets wrong would be told again of every variant that takes it.
        raise ConfigError("\n".join(dict.fromkeys(faults)))
    faults = [
        fault for name, study in parsed.studies.items() for fault in _faults(name, study, parsed)
    ]
    for name, source in parsed.data.items():
        faults += _data_faults(name, source, parsed)
    wanted = [label for study in parsed.studies.values() for label in study.labels]
    faults += labels.faults(parsed.labels, wanted)
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(faults)))
    section: Section = parsed
    return section


def _registry(title: str, sections: Mapping[str, Any]) -> type[Section]:
    """Make the type of a section with one optional part for each file of a registry."""
    fields: dict[str, Any] = {name: (kind | None, None) for name, kind in sections.items()}
    return create_model(title, __base__=Section, **fields)


def _data_faults(name: str, source: Source, params: Any) -> list[str]:
    """List what is wrong with one entry of `data`."""
    where = f"params.yaml data.{name}"
    if name not in datasets.names():
        return [f"{where}: no such data set; have {', '.join(datasets.names())}"]
    faults = []
    try:
        datasets.options(name).parse(json.dumps(source.options), f"data.{name}.options")
    except ConfigError as error:
        faults.append(str(error))
    if source.link and _kind(name) != "images":
        faults.append(f"{where}.link: {list(source.link)}; only a data set of images is linked")
    for other in source.link:
        if other not in params.data:
            faults.append(f"{where}.link: no {other!r} under data; have {', '.join(params.data)}")
        elif _kind(other) not in LINKABLE:
            allowed = [n for n in datasets.names() if _kind(n) in LINKABLE]
            faults.append(f"{where}.link: {other!r}; allowed: {', '.join(allowed)}")
    return faults


def _kind(name: str) -> str:
    """Return what a data set holds; empty if there is none of that name."""
    return datasets.get(name).KIND if name in datasets.names() else ""


def _faults(name: str, study: Study, params: Any) -> list[str]:
    """List the names a study uses that do not exist, or that lack their settings."""
    where = f"params.yaml studies.{name}"
    faults = [
        f"{where}.datasets: no {dataset!r} under data; have {', '.join(params.data)}"
        for dataset in study.datasets
        if dataset not in params.data
    ]
    faults += [
        f"{where}.datasets: {dataset!r} holds no images; link an image data set to it instead"
        for dataset in study.datasets
        if dataset in params.data and _kind(dataset) not in {"images", ""}
    ]
    attributes = (*ATTRIBUTES, *params.sdoh.attributes)
    faults += _attribute_faults(f"{where}.attributes", single(study.attributes), attributes)
    for row, variant in study.variants.items():
        place = f"{where}.variants.{row}"
        if variant.post is None:
            faults += _variant_faults(place, study, row, params)
        else:
            faults += _attribute_faults(f"{place}.groups", variant.groups, attributes)
    return faults


def _attribute_faults(where: str, names: Sequence[str], have: Sequence[str]) -> list[str]:
    """List the names that are no attributes."""
    return [f"{where}: no {name!r}; have {', '.join(have)}" for name in names if name not in have]


def _variant_faults(where: str, study: Study, name: str, params: Any) -> list[str]:
    """List what is wrong with one variant of a study that is trained."""
    variant = study.variants[name]
    method, faults = str(variant.method), []
    for kind, chosen in (("methods", method), ("rebalance", variant.rebalance)):
        have = [key for key, value in getattr(params, kind) if value is not None]
        if chosen not in have:
            faults.append(f"{where}: no {chosen!r} under {kind}; have {have}")
    if not faults:
        faults += _group_faults(where, method, variant.groups)
        faults += _override_faults(where, method, variant, params)
        faults += _upstream_faults(where, method, study, name, params)
    if study.search is not None and not faults:
        faults += _search_faults(where, study.search, variant, params)
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


def _recipe_faults(params: Any) -> list[str]:
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
        f"{where}.train.{key}: {own[key]!r}; {method} deploys the network it starts from, "
        f"allowed is that one's: {given[key]!r}"
        for key in ("backbone", "channels")
        if own[key] != given[key]
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
