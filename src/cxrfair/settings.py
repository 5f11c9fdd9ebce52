"""All of params.yaml: what each section may hold, and that its names hang together."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, create_model, field_validator

from cxrfair import datasets, methods, rebalance
from cxrfair.audit import AuditConfig
from cxrfair.cohort.filters import CohortConfig
from cxrfair.cohort.link import LinkConfig
from cxrfair.config import ConfigError, Section, explain
from cxrfair.images.store import ImageConfig
from cxrfair.labels import LabelConfig
from cxrfair.phantom import PhantomConfig
from cxrfair.report import ReportConfig
from cxrfair.scales import resolve
from cxrfair.splits import SplitConfig
from cxrfair.studies import Study
from cxrfair.thresholds import ThresholdConfig
from cxrfair.tracking import TrackingConfig
from cxrfair.training.loop import TrainConfig


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
        cohort=(CohortConfig, ...),
        labels=(LabelConfig, ...),
        split=(SplitConfig, ...),
        images=(ImageConfig, ...),
        train=(TrainConfig, ...),
        methods=(
            _registry("Methods", {n: methods.get(n).config_type for n in methods.names()}),
            ...,
        ),
        rebalance=(
            _registry("Rebalance", {n: rebalance.get(n).Config for n in rebalance.names()}),
            ...,
        ),
        threshold=(ThresholdConfig, ...),
        audit=(AuditConfig, ...),
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
    try:
        parsed: Any = params_type().model_validate_json(json.dumps(resolve(params)))
    except ValidationError as error:
        raise ConfigError(explain(error, "")) from None
    faults = [
        fault for name, study in parsed.studies.items() for fault in _faults(name, study, parsed)
    ]
    faults += [
        f"params.yaml data.{name}: no such data set; have {', '.join(datasets.names())}"
        for name in parsed.data
        if name not in datasets.names()
    ]
    if faults:
        raise ConfigError("\n".join(faults))
    section: Section = parsed
    return section


def _registry(title: str, sections: Mapping[str, type[Section]]) -> type[Section]:
    """Make the type of a section with one optional part for each file of a registry."""
    fields: dict[str, Any] = {name: (kind | None, None) for name, kind in sections.items()}
    return create_model(title, __base__=Section, **fields)


def _faults(name: str, study: Study, params: Any) -> list[str]:
    """List the names a study uses that do not exist, or that lack their settings."""
    where = f"params.yaml studies.{name}"
    faults = [
        f"{where}.datasets: no {dataset!r} under data; have {', '.join(params.data)}"
        for dataset in study.datasets
        if dataset not in params.data
    ]
    for variant, choice in study.variants.items():
        for kind, chosen in (("methods", choice.method), ("rebalance", choice.rebalance)):
            have = [key for key, value in getattr(params, kind) if value is not None]
            if chosen not in have:
                faults.append(
                    f"{where}.variants.{variant}: no {chosen!r} under {kind}; have {have}"
                )
        faults += _group_faults(f"{where}.variants.{variant}", choice.method, choice.groups)
    return faults


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
