"""dvc.yaml and the rules say the same: what a stage reads and writes, and which files it is of."""

from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
import yaml

import cxrfair
from cxrfair.provenance import closure

pytestmark = pytest.mark.workflow

EVERY_STAGE = {"Snakefile", "workflow/rules"}  # what plans the jobs
# Read only where a study asks for it: vectors, words, outlines, maps, effects, draws, a paper.
ON_REQUEST = {
    "cohort": {"data/vectors"},
    "masks": {"data/phantom/truth", "data/interim", "data/images", "data/processed"},
    "rebalance": {"data/images", "data/masks", "data/vectors"},
    "train": {"data/masks", "data/text", "data/vectors"},
    "predict": {"data/masks", "data/phantom/truth", "data/vectors"},
    "metrics": {
        *{"data/phantom/truth", "data/interim", "data/images"},
        *{"data/masks", "data/training", "results/models"},
    },
    "report": {"data/vectors", "results/search", "workflow/references"},
}


@pytest.fixture(scope="module")
def stages(finished):
    return yaml.safe_load((finished.root / "dvc.yaml").read_text())["stages"]


@pytest.fixture(scope="module")
def read_and_written(finished):
    """Inputs and outputs of every rule, as Snakemake recorded them."""
    table = finished.snakemake("--detailed-summary", "--", "all").stdout
    lines = [line.split("\t") for line in table.splitlines() if "\t" in line]
    columns = {name: i for i, name in enumerate(lines[0])}
    read, written = defaultdict(set), defaultdict(set)
    for row in lines[1:]:
        rule = row[columns["rule"]]
        written[rule].add(row[columns["output_file"]])
        read[rule] |= set(row[columns["input-file(s)"]].split(",")) - {"-"}
    return read, written


def rules_of(stage):
    return stage["cmd"].split()[2:]


@cache
def roots(folder):
    data = yaml.safe_load((folder / "params.yaml").read_text())["data"]
    return {f"${{data.{name}.root}}": of["root"] for name, of in data.items() if "root" in of}


def read_by(rule, recorded):
    """What a rule reads; of a rule the settings that ship have no use for, its source code."""
    if rule in recorded:
        return recorded[rule]
    return source(f"stages.{rule}")


def read_by_plugins(deps):
    """Source code behind every file of the registries among the dependencies, used today or not."""
    package = Path(cxrfair.__file__).parent
    folders = [package.parents[1] / dep for dep in deps if dep.startswith("src/")]
    files = [file for folder in folders for file in folder.glob("[a-z]*.py")]
    names = [".".join(file.relative_to(package).with_suffix("").parts) for file in files]
    return set().union(*(source(name) for name in names))


@cache
def source(module):
    repo = Path(cxrfair.__file__).parents[2]
    return {str(path.relative_to(repo)) for path in closure(f"cxrfair.{module}")}


def within(path, folders):
    return any(Path(path).is_relative_to(folder) for folder in folders)


def covers(dep, path, finished):
    """Whether a dependency stands for a file that a rule reads."""
    root = roots(finished.root).get(dep)
    if root is not None:  # the manifest lists the folder's files
        return path.startswith(f"data/phantom/manifests/{Path(root).name}.")
    return within(path, [dep])


def test_every_rule_belongs_to_one_stage(stages, read_and_written, finished):
    rules = [rule for stage in stages.values() for rule in rules_of(stage)]
    assert len(set(rules)) == len(rules)
    assert {rule for rule, files in read_and_written[1].items() if files} <= set(rules)
    assert set(rules) <= set(finished.snakemake("--list-rules").stdout.split())


def test_what_rules_write_lies_in_their_stage_s_outputs(stages, read_and_written):
    for name, stage in stages.items():
        outs = [next(iter(out)) for out in stage["outs"]]
        assert all(out[next(iter(out))] == {"persist": True} for out in stage["outs"])
        for rule in rules_of(stage):
            strays = {path for path in read_and_written[1][rule] if not within(path, outs)}
            assert not strays, f"{name}: {rule} writes {sorted(strays)}, outs are {outs}"


def test_what_rules_read_is_among_their_stage_s_dependencies_and_nothing_else_is(
    stages, read_and_written, finished
):
    for name, stage in stages.items():
        own = [next(iter(out)) for out in stage["outs"]]
        read = set().union(*(read_by(rule, read_and_written[0]) for rule in rules_of(stage)))
        read = {path for path in read if not within(path, own)}
        deps = set(stage["deps"]) - EVERY_STAGE
        lacking = {p for p in read if not any(covers(dep, p, finished) for dep in deps)}
        unused = {dep for dep in deps if not any(covers(dep, path, finished) for path in read)}
        unused -= read_by_plugins(deps) if unused else set()
        unused -= ON_REQUEST.get(name, set())
        assert not lacking, f"dvc.yaml, stage {name}: add to deps {sorted(lacking)}"
        assert not unused, f"dvc.yaml, stage {name}: delete from deps {sorted(unused)}"
        assert set(stage["deps"]) >= EVERY_STAGE
