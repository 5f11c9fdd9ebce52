import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

from cxrfair import datasets, text
from cxrfair.provenance import closure, declared, defines
from cxrfair.scales import (
    cohort_section,
    overridden,
    rebalance_section,
    resolve,
    split_section,
    train_section,
)
from cxrfair.statistics.uncertainty import Uncertainty
from cxrfair.studies import (
    Study,
    headed,
    home_of,
    homes,
    printed,
    scored_by,
    trained,
    upstream_of,
)


wildcard_constraints:
    study="[a-z][a-z0-9_]*",
    dataset="[a-z][a-z0-9_]*",
    variant="[a-z][a-z0-9_]*",
    strategy="[a-z][a-z0-9_]*",
    seed="[0-9]+",
    shard="[0-9]+",
    draw="[0-9]+",


settings = resolve(config)
MARKER = "PHANTOM.txt"  # lies in every simulated data set, wherever it was moved
SESSION = "CXRFAIR_TRACKING"
SHARDS = settings["images"]["shards"]
LINKABLE = {"encounters": "encounters", "surroundings": "surroundings", "annotations": "marks"}
LOOKS = "embeddings"  # a linked data set of this kind is read only where a study's inputs are
GPUS = 1 if shutil.which("nvidia-smi") else 0
STUDIES = settings["studies"]
DATA = settings["data"]

Place = namedtuple("Place", ["study", "dataset"])  # what `seen` asks of wildcards
Model = namedtuple("Model", ["study", "dataset", "variant"])  # what `guides` asks of them
Member = namedtuple("Member", ["dataset"])  # of a pool, where wildcards are asked for


def section(*path):
    """One section of params.yaml as JSON: all that a stage gets to see of it.

    Order counts in studies alone: variants are listed and files handed over in that of params.yaml.
    """
    value = settings
    for key in path:
        value = value[key]
    return json.dumps(value, sort_keys=path[0] != "studies")


def study_of(wildcards):
    return STUDIES[wildcards.study]


def variant_of(wildcards):
    return study_of(wildcards)["variants"][wildcards.variant]


def parsed(study):
    """A study as the stages read it."""
    return Study.parse(json.dumps(study))


def code(stage, *plugins):
    """The source files behind a stage and the plugins it names, e.g. "datasets.{dataset}".

    A plugin may be a function of the wildcards.
    """

    def files(wildcards):
        named = [p(wildcards) if callable(p) else p.format(**wildcards) for p in plugins]
        modules = [f"stages.{stage}", *named]
        return sorted({os.path.relpath(p) for m in modules for p in closure(f"cxrfair.{m}")})

    return files


def plugged_in(*rooms):
    """All files of registries, for a stage that uses every one of them."""
    files = ((room, Path("src/cxrfair", *room.split(".")).glob("[a-z]*.py")) for room in rooms)
    return sorted(f"{room}.{path.stem}" for room, paths in files for path in paths)


def flat(value):
    """All paths in nested lists and dicts."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [path for part in parts for path in flat(part)]
