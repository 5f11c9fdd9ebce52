import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

from cxrfair.errors import CxrfairError
from cxrfair.files import write_text
from cxrfair.manifests import refresh
from cxrfair.provenance import closure
from cxrfair.scales import resolve


wildcard_constraints:
    study="[a-z][a-z0-9_]*",
    dataset="[a-z][a-z0-9_]*",
    variant="[a-z][a-z0-9_]*",
    strategy="[a-z][a-z0-9_]*",
    seed="[0-9]+",


def command(name, *arguments):
    """A stage's command line, for stages that the planner itself runs."""
    return [sys.executable, "-m", f"cxrfair.stages.{name}", *arguments]


def check_settings():
    """Check all settings together before anything is planned; again only when they changed.

    The check loads every section's reader, torch among them, which takes seconds.
    """
    sources = sorted(Path("src").rglob("*.py"))
    stamps = [f"{path} {path.stat().st_mtime_ns}" for path in sources]
    key = sha256(
        "\n".join([json.dumps(config, sort_keys=True), *stamps]).encode()
    ).hexdigest()
    checked = Path(".cxrfair/checked")
    if not checked.is_file() or checked.read_text() != key:
        if subprocess.run(command("check", "--params", json.dumps(config))).returncode:
            sys.exit(1)  # the check has said why
        write_text(checked, key)


def check_conda():
    """Say in one line that --use-conda needs conda, where Snakemake would say it in twenty."""
    wanted = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    if wanted and shutil.which("conda") is None:
        sys.exit(
            "error: --use-conda: no conda on PATH; install Miniforge, or leave --use-conda out "
            "(`make report` needs Python alone)"
        )


if workflow.is_main_process:
    check_conda()
    check_settings()

settings = resolve(config)
SIMULATED_BELOW = "data/phantom"
MARKER = "PHANTOM.txt"  # lies in every simulated data set, wherever it was moved
SESSION = "CXRFAIR_TRACKING"
GPUS = 1 if shutil.which("nvidia-smi") else 0
STUDIES = settings["studies"]
DATA = settings["data"]


def simulated(dataset):
    """Whether a data set is ours to make; a folder outside data/phantom is only ever read."""
    return Path(DATA[dataset]["root"]).is_relative_to(SIMULATED_BELOW)


def root(wildcards):
    return DATA[wildcards.dataset]["root"]


def manifest(dataset, kind):
    """List of a data set's files by content: stands for the raw data in every rule that reads it."""
    folder = SIMULATED_BELOW if simulated(dataset) else "data/interim"
    return f"{folder}/manifests/{dataset}.{kind}.csv"


def memory(dataset):
    return f".cxrfair/manifests/{dataset}.json"


def refresh_manifests():
    """Notice changed raw data before planning; a simulated set that is yet to be made has none."""
    for dataset, source in DATA.items():
        if dataset not in USED or (
            simulated(dataset) and not Path(manifest(dataset, "tables")).exists()
        ):
            continue
        paths = {kind: Path(manifest(dataset, kind)) for kind in ("tables", "images")}
        refresh(dataset, Path(source["root"]), paths, Path(memory(dataset)))


def linked_to(dataset):
    return DATA[dataset].get("link")


def used():
    """Data sets that a study names, and the hospital tables these are linked to."""
    named = {dataset for study in STUDIES.values() for dataset in study["datasets"]}
    return named | {linked_to(dataset) for dataset in named if linked_to(dataset)}


def section(*path):
    """One section of params.yaml as JSON: all that a stage gets to see of it."""
    value = settings
    for key in path:
        value = value[key]
    return json.dumps(value, sort_keys=True)


def study_of(wildcards):
    return STUDIES[wildcards.study]


def variant_of(wildcards):
    return study_of(wildcards)["variants"][wildcards.variant]


def code(stage, *plugins):
    """The source files behind a stage and the plugins it names, e.g. "datasets.{dataset}".

    A plugin may be a function of the wildcards.
    """

    def files(wildcards):
        named = [
            p(wildcards) if callable(p) else p.format(**wildcards) for p in plugins
        ]
        modules = [f"stages.{stage}", *named]
        return sorted(
            {os.path.relpath(p) for m in modules for p in closure(f"cxrfair.{m}")}
        )

    return files


def plugged_in(*rooms):
    """All files of registries, for a stage that uses every one of them."""
    files = (
        (room, Path("src/cxrfair", *room.split(".")).glob("[a-z]*.py"))
        for room in rooms
    )
    return sorted(f"{room}.{path.stem}" for room, paths in files for path in paths)


def model_keys(study):
    """Data set, variant and seed of every model of a study."""
    return [
        (d, v, s)
        for d in study["datasets"]
        for v in study["variants"]
        for s in study["seeds"]
    ]


def models(pattern):
    """Paths of every model of a study, in the order of `model_keys`."""

    def files(wildcards):
        keys = model_keys(study_of(wildcards))
        name = wildcards.study
        return [
            pattern.format(study=name, dataset=d, variant=v, seed=s) for d, v, s in keys
        ]

    return files


def per_dataset(pattern):
    def files(wildcards):
        datasets = study_of(wildcards)["datasets"]
        return [pattern.format(study=wildcards.study, dataset=d) for d in datasets]

    return files


def begin():
    """Refuse results of unknown origin and open the tracker, once, before the first job."""
    if (
        os.environ.get("CXRFAIR_PLANNER") != "dvc"
    ):  # DVC has compared every file with its lock
        refuse_unrecorded()
    studies = json.dumps(list(STUDIES))
    opening = command(
        "open_tracking", "--config", section("tracking"), "--studies", studies
    )
    session = subprocess.run(opening, text=True, stdout=subprocess.PIPE).stdout
    if session:
        os.environ[SESSION] = session


def end():
    """Give the tracker the test metrics of what was trained."""
    if os.environ.get(SESSION):
        found = [f"results/metrics/{study}/metrics.parquet" for study in STUDIES]
        subprocess.run(
            command("track", "--metrics", *[p for p in found if Path(p).exists()])
        )


def refuse_unrecorded():
    """Stop when results lie there that Snakemake did not make or was not told of.

    After `git clone` and `dvc pull` their dates say nothing, and changed settings can't be seen.
    """
    jobs = workflow.dag.jobs
    going = set(workflow.dag.needrun_jobs())
    strays = [
        str(file)
        for job in jobs
        if job not in going
        for file in job.output
        if os.path.exists(file) and workflow.persistence.metadata(file) is None
    ]
    if strays:
        raise WorkflowError(
            f"{len(strays)} results have no record of how they were made, e.g. {strays[0]}; "
            "after `dvc pull` or `dvc checkout` run `make sync`, or delete them"
        )


USED = used()
SIMULATED = sorted(
    dataset for dataset in USED if dataset in DATA and simulated(dataset)
)
STAMPED = sorted(
    d for d in USED if d in SIMULATED or Path(DATA[d]["root"], MARKER).is_file()
)

if workflow.is_main_process:
    try:
        refresh_manifests()
    except CxrfairError as error:
        sys.exit(f"error: {error}")
