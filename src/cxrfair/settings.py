"""All of params.yaml: what each section may hold, and that its names hang together."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError, create_model

from cxrfair import heads, labels, methods, rebalance, sources, text, variants
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
from cxrfair.scales import cohort_section, rebalance_section, resolve, split_section
from cxrfair.shown import DrawConfig
from cxrfair.sources import Source
from cxrfair.splits import SplitConfig
from cxrfair.studies import Study, printed, single, trained
from cxrfair.text import TextConfig
from cxrfair.thresholds import ThresholdConfig
from cxrfair.tracking import TrackingConfig
from cxrfair.training.config import TrainConfig


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
        heads=(_registry("Heads", {n: heads.get(n).Config for n in heads.names()}), ...),
        text=(TextConfig, ...),
        rebalance=(dict[str, dict[str, Any]], ...),
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
    for name in parsed.data:
        faults += sources.faults(name, parsed.data)
    for name in parsed.rebalance:
        faults += _rebalance_faults(name, parsed)
    wanted = [label for study in parsed.studies.values() for label in study.labels]
    further = [label for study in parsed.studies.values() for label in study.downstream]
    faults += labels.faults(parsed.labels, [*wanted, *further])
    faults += labels.union_faults(parsed.labels, sources.every_label())
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


def _rebalance_faults(name: str, params: Any) -> list[str]:
    """List what is wrong with one entry of `rebalance`."""
    strategy, values = rebalance_section({"rebalance": params.rebalance}, name)
    if strategy not in rebalance.names():
        have = ", ".join(rebalance.names())
        return [f"params.yaml rebalance.{name}: no strategy {strategy!r}; have {have}"]
    try:
        rebalance.get(strategy).Config.parse(json.dumps(values), f"rebalance.{name}")
    except ConfigError as error:
        return [str(error)]
    return []


def _faults(name: str, study: Study, params: Any) -> list[str]:
    """List the names a study uses that do not exist, or that lack their settings."""
    where = f"params.yaml studies.{name}"
    faults = sources.study_faults(where, study, params.data, params.labels)
    faults += [*_section_faults(name, study, params), *_paper_faults(where, study)]
    faults += _input_faults(where, study, params)
    faults += [f"{where}.{fault}" for fault in intervention.faults(study.effects)]
    faults += [*_effect_faults(where, study), *_product_faults(where, study)]
    attributes = (*ATTRIBUTES, *params.sdoh.attributes)
    faults += _attribute_faults(f"{where}.attributes", single(study.attributes), attributes)
    faults += _cut_faults(where, study, params)
    for row, variant in study.variants.items():
        place = f"{where}.variants.{row}"
        if variant.method is not None:
            faults += variants.faults(place, study, row, params)
        else:
            faults += variants.head_faults(place, study, variant, params)
            faults += _attribute_faults(f"{place}.groups", variant.groups, attributes)
    return faults


def _section_faults(name: str, study: Study, params: Any) -> list[str]:
    """List what is wrong with sections `split` and `cohort` as a study changes them."""
    shared, own = params.model_dump(include={"split", "cohort"}), study.model_dump()
    kinds: dict[str, tuple[type[Section], dict[str, Any]]] = {
        "split": (SplitConfig, split_section(shared, own)),
        "cohort": (CohortConfig, cohort_section(shared, own)),
    }
    faults = []
    for key, (kind, values) in kinds.items():
        try:
            kind.parse(json.dumps(values), f"studies.{name}.{key}")
        except ConfigError as error:
            faults.append(str(error))
            continue
        if values.get("by") == "external":
            faults.append(
                f"params.yaml studies.{name}.split.by: 'external' leaves nothing to learn from; "
                f"name a data set under studies.{name}.external instead"
            )
    return faults


def _input_faults(where: str, study: Study, params: Any) -> list[str]:
    """List data sets without vectors of a study that reads them, and products made of pictures."""
    if study.inputs == "images":
        return []
    faults = []
    for name in [name for name in study.datasets if name in params.data]:
        if params.data[name].pool is not None:
            faults.append(f"{where}.inputs: 'embeddings', and {name} is a pool; allowed: 'images'")
            continue
        found = [other for other in params.data[name].link if sources.kind(other) == "embeddings"]
        if len(found) != 1:
            faults.append(
                f"{where}.inputs: 'embeddings', and {name} is linked to {len(found)} data sets of "
                f"embeddings; one is needed under data.{name}.link"
            )
    if drawn := sorted({"maps", "saliency", "pointing"} & {*study.products}):
        faults.append(f"{where}.products: {drawn} are of pictures; {where}.inputs is 'embeddings'")
    if study.effects:
        faults.append(f"{where}.effects: measured on pictures; {where}.inputs is 'embeddings'")
    return faults


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


def _cut_faults(where: str, study: Study, params: Any) -> list[str]:
    """Refuse attributes that training patients cut, of data sets that have no such patients."""
    fitted = [v.groups for v in study.variants.values() if v.post is not None]
    asked = {*single(study.attributes), *(name for groups in fitted for name in groups)}
    cut = sorted(asked & set(params.sdoh.attributes)) if study.external else []
    return [
        f"{where}.external: {name} is cut at what training patients of a data set say, and "
        f"{', '.join(study.external)} has none; leave {name} out"
        for name in cut
    ]


def _attribute_faults(where: str, names: Sequence[str], have: Sequence[str]) -> list[str]:
    """List the names that are no attributes."""
    return [f"{where}: no {name!r}; have {', '.join(have)}" for name in names if name not in have]


def _reads_text(params: Any) -> bool:
    """Tell whether any study has a method that reads what labels say."""
    named = {s.variants[name].method for s in params.studies.values() for name in trained(s)}
    return any(methods.get(name).reads_text for name in named & set(methods.names()))
