"""Section `data` of params.yaml: where data sets lie, what is linked to them, and pools of several.

A study may name a pool as it names a data set.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import field_validator, model_validator

from cxrfair import datasets
from cxrfair import labels as label_policy
from cxrfair.config import ConfigError, Section
from cxrfair.labels import LabelConfig
from cxrfair.studies import Study, homes

# Kinds that say more of an image, or of what it looks like.
LINKABLE = ("encounters", "surroundings", "annotations", "embeddings")


class Source(Section):
    """One entry of `data`: where a data set lies, what it is linked to, and how it is read.

    Or, with `pool` in place of `root`, several image data sets of this section as one. Each is
    linked and read as its own entry says.
    """

    root: str | None = None
    pool: tuple[str, ...] | None = None
    link: tuple[str, ...] = ()
    options: dict[str, Any] = {}

    @field_validator("root")
    @classmethod
    def _no_empty_root(cls, root: str | None) -> str | None:
        if root is not None and not root.strip():
            raise ValueError("an empty path; give the folder that holds the data set")
        return root

    @model_validator(mode="after")
    def _is_a_folder_or_a_pool(self) -> Self:
        if (self.root is None) == (self.pool is None):
            has = "neither" if self.root is None else "both"
            raise ValueError(f"{has} of `root` and `pool`; allowed: one of them")
        if self.pool is None:
            return self
        if unused := sorted(self.model_fields_set & {"link", "options"}):
            raise ValueError(f"{unused}; a pool has none, set them where its members are")
        if len(self.pool) < 2 or len(set(self.pool)) < len(self.pool):
            raise ValueError(f"pool: {list(self.pool)}; allowed: two data sets or more, each once")
        return self


Data = Mapping[str, Source]


def members(data: Data, name: str) -> tuple[str, ...]:
    """Name the data sets that one is made of: itself, or the members of a pool."""
    source = data.get(name)
    return (name,) if source is None or source.pool is None else source.pool


def stated(data: Data, name: str, config: LabelConfig) -> tuple[str, ...]:
    """Name the labels that a study may ask of a data set: those that it, or any member, states.

    Unions (section `labels`) are among them where any of their parts is.
    """
    known = [label for of in members(data, name) for label in _labels(of)]
    return label_policy.stated(known, config)


def every_label() -> frozenset[str]:
    """Name the labels that any data set of images states."""
    return frozenset(label for name in datasets.names() for label in datasets.labels(name))


def kind(name: str) -> str:
    """Return what a data set holds; empty if there is none of that name."""
    return datasets.get(name).KIND if name in datasets.names() else ""


def faults(name: str, data: Data) -> list[str]:
    """List what is wrong with one entry of `data`."""
    where, source = f"params.yaml data.{name}", data[name]
    if source.pool is not None:
        return _pool_faults(where, name, data)
    if name not in datasets.names():
        return [f"{where}: no such data set; have {', '.join(datasets.names())}"]
    found = []
    try:
        datasets.options(name).parse(json.dumps(source.options), f"data.{name}.options")
    except ConfigError as error:
        found.append(str(error))
    if source.link and kind(name) != "images":
        found.append(f"{where}.link: {list(source.link)}; only a data set of images is linked")
    for other in source.link:
        if other not in data:
            found.append(f"{where}.link: no {other!r} under data; have {', '.join(data)}")
        elif kind(other) not in LINKABLE:
            allowed = [n for n in datasets.names() if kind(n) in LINKABLE]
            found.append(f"{where}.link: {other!r}; allowed: {', '.join(allowed)}")
    return found


def study_faults(where: str, study: Study, data: Data, config: LabelConfig) -> list[str]:
    """List what a study asks of data sets that do not exist, or that cannot give it."""
    found = [
        f"{where}.datasets: no {dataset!r} under data; have {', '.join(data)}"
        for dataset in study.datasets
        if dataset not in data
    ]
    found += [
        f"{where}.datasets: {dataset!r} holds no images; link an image data set to it instead"
        for dataset in study.datasets
        if dataset in data and kind(dataset) not in {"images", ""}
    ]
    if found:
        return found  # what is wrong with its labels would tell the same again
    found = [*_label_faults(where, study, data, config), *_external_faults(where, study, data)]
    if study.guidance == "truth":
        found += _truth_faults(where, study, data)
    return found


def _pool_faults(where: str, name: str, data: Data) -> list[str]:
    """List what is wrong with a pool."""
    found = []
    if name in datasets.names() or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        found.append(
            f"{where}: this name a pool cannot have; allowed: small letters, digits and _, and not "
            "the name of a data set"
        )
    able = [n for n, source in data.items() if source.pool is None and kind(n) == "images"]
    found += [
        f"{where}.pool: {member!r}; allowed: data sets of images under data: {', '.join(able)}"
        for member in members(data, name)
        if member not in able
    ]
    return found


def _labels(name: str) -> tuple[str, ...]:
    return datasets.labels(name) if name in datasets.names() else ()


def _label_faults(where: str, study: Study, data: Data, config: LabelConfig) -> list[str]:
    """List the labels of a study that one of its data sets never states."""
    found = []
    for dataset in study.datasets:
        have = stated(data, dataset, config)
        if not have:  # an entry that is wrong already
            continue
        asked = {"labels": study.labels}
        if dataset in homes(study):
            asked["downstream"] = study.downstream
        found += [
            f"{where}.{field}: {dataset} does not state {', '.join(lacking)}; it has "
            f"{', '.join(have)}"
            for field, labels in asked.items()
            if (lacking := [label for label in labels if label not in have])
        ]
    return found


def _external_faults(where: str, study: Study, data: Data) -> list[str]:
    """List external data sets that the study's models are trained on after all."""
    learnt = {name for home in homes(study) for name in members(data, home)}
    return [
        f"{where}.external: {dataset} holds {', '.join(twice)}, which {homes(study)[0]} holds too; "
        "allowed: data sets that nothing is learnt from"
        for dataset in study.external
        if (twice := [name for name in members(data, dataset) if name in learnt])
    ]


def _truth_faults(where: str, study: Study, data: Data) -> list[str]:
    """List data sets of which nobody knows what is true."""
    return [
        f"{where}.guidance: 'truth', which is known of phantoms alone; data.{name}.root is "
        f"{data[name].root}, not below {datasets.SIMULATED_BELOW}"
        for dataset in study.datasets
        for name in members(data, dataset)
        if name in data and not Path(data[name].root or "").is_relative_to(datasets.SIMULATED_BELOW)
    ]
