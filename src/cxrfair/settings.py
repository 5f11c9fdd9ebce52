"""All of params.yaml: what each section may hold, and that its names hang together."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError, create_model, field_validator

from cxrfair import datasets, labels, methods, rebalance, text, variants
from cxrfair.audit import AuditConfig
from cxrfair.cohort.attributes import ATTRIBUTES
from cxrfair.cohort.filters import CohortConfig
from cxrfair.cohort.link import LinkConfig
from cxrfair.cohort.sdoh import SdohConfig
from cxrfair.config import ConfigError, Section, explain
from cxrfair.images.store import ImageConfig
from cxrfair.labels import LabelConfig
from cxrfair.phantom import PhantomConfig, intervention
from cxrfair.probes import ProbeConfig
from cxrfair.report import ReportConfig
from cxrfair.scales import resolve, split_section
from cxrfair.shown import DrawConfig
from cxrfair.splits import SplitConfig
from cxrfair.studies import Study, printed, single, trained
from cxrfair.text import TextConfig
from cxrfair.thresholds import ThresholdConfig
from cxrfair.tracking import TrackingConfig
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
        text=(TextConfig, ...),
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
    said = json.dumps(resolve(params))
    try:
        parsed: Any = params_type().model_validate_json(said)
    except ValidationError as error:
        raise ConfigError(explain(error, "", said)) from None
    if faults := variants.recipe_faults(parsed):
        # First: what a recipe gets wrong would be told again of every variant that takes it.
        raise ConfigError("\n".join(dict.fromkeys(faults)))
    faults = [
        fault for name, study in parsed.studies.items() for fault in _faults(name, study, parsed)
    ]
    for name, source in parsed.data.items():
        faults += _data_faults(name, source, parsed)
    wanted = [label for study in parsed.studies.values() for label in study.labels]
    further = [label for study in parsed.studies.values() for label in study.downstream]
    faults += labels.faults(parsed.labels, [*wanted, *further])
    if _reads_text(parsed):
        faults += text.faults(parsed.text, wanted)
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
    faults += [*_split_faults(name, study, params), *_paper_faults(where, study)]
    faults += [f"{where}.{fault}" for fault in intervention.faults(study.effects)]
    faults += [*_effect_faults(where, study), *_product_faults(where, study)]
    attributes = (*ATTRIBUTES, *params.sdoh.attributes)
    faults += _attribute_faults(f"{where}.attributes", single(study.attributes), attributes)
    for row, variant in study.variants.items():
        place = f"{where}.variants.{row}"
        if variant.post is None:
            faults += variants.faults(place, study, row, params)
        else:
            faults += _attribute_faults(f"{place}.groups", variant.groups, attributes)
    return faults


def _split_faults(name: str, study: Study, params: Any) -> list[str]:
    """List what is wrong with section `split` as a study changes it."""
    values = split_section(params.model_dump(include={"split"}), study.model_dump())
    try:
        SplitConfig.parse(json.dumps(values), f"studies.{name}.split")
    except ConfigError as error:
        return [str(error)]
    return []


def _effect_faults(where: str, study: Study) -> list[str]:
    """List attributes whose effects are asked for and that are none of the study's own."""
    own = single(study.attributes)
    return [
        f"{where}.effects: {name!r} is no attribute of this study; have {', '.join(own)}"
        for name in study.effects
        if name not in own
    ]


def _product_faults(where: str, study: Study) -> list[str]:
    """Say what is asked for and made of something that is not kept."""
    faults = []
    if "embeddings" not in study.products:
        needs = {"downstream": study.downstream, "products": {"saliency"} & {*study.products}}
        faults = [
            f"{where}.{key}: {sorted(asked)} are made of features; add 'embeddings' to products"
            for key, asked in needs.items()
            if asked
        ]
    if "saliency" in study.products and not study.effects:
        faults.append(f"{where}.products: 'saliency' is of attributes under `effects`; name one")
    return faults


def _paper_faults(where: str, study: Study) -> list[str]:
    """Say that nobody wrote down what a study's paper printed."""
    file = printed(study)
    if file is None or file.is_file():
        return []
    have = ", ".join(sorted(path.stem for path in file.parent.glob("*.yaml")))
    return [f"{where}.paper: no file {file}; have {have}"]


def _attribute_faults(where: str, names: Sequence[str], have: Sequence[str]) -> list[str]:
    """List the names that are no attributes."""
    return [f"{where}: no {name!r}; have {', '.join(have)}" for name in names if name not in have]


def _reads_text(params: Any) -> bool:
    """Tell whether any study has a method that reads what labels say."""
    named = {s.variants[name].method for s in params.studies.values() for name in trained(s)}
    return any(methods.get(name).reads_text for name in named & set(methods.names()))
