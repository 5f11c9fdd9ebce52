"""Clones of the repo with a tiny phantom, on which the real Snakemake and the real DVC run."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

TINY = {
    "phantom": {"patients": 60, "image_size": 64},
    "images": {"size": 32},
    "train": {"epochs": 2, "early_epochs": 1, "threads": 1, "backbone": "test_resnet"},
    "audit": {"resamples": 40},
}
VARIANTS = ("erm", "group_dro")
# What the tests were started with must not reach the runs inside: `make test` sets MAKELEVEL.
OUTER = ("CXRFAIR_", "MLFLOW_", "MAKE")


@dataclass(frozen=True)
class Workplace:
    """A folder in which the pipeline runs, as a user's clone would be."""

    root: Path

    def run(self, *command, check=True, **environment):
        """Run a command with this folder's own source code."""
        outside = {k: v for k, v in os.environ.items() if not k.startswith(OUTER)}
        env = outside | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
            **environment,
        }
        done = subprocess.run(
            command,
            check=False,
            cwd=self.root,
            env=env,
            text=True,
            capture_output=True,
            timeout=900,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
        return done

    def snakemake(self, *arguments, check=True, **environment):
        return self.run("snakemake", "--cores", "2", *arguments, check=check, **environment)

    def planned(self, *arguments):
        """Count the jobs that Snakemake would run, by rule."""
        out = self.snakemake("--dry-run", *arguments).stdout
        if "Nothing to be done" in out:
            return {}
        table = out.rsplit("Job stats:", 1)[1].split("total", 1)[0]
        counts = {name: int(n) for name, n in re.findall(r"^(\w+)\s+(\d+)\s*$", table, re.M)}
        return {name: n for name, n in counts.items() if name != "all"}

    def stale(self):
        """Name the DVC stages that `dvc repro` would run."""
        out = self.run("dvc", "repro", "--dry").stdout
        return re.findall(r"Running stage '(\w+)'", out)

    def edit(self, path, old, new):
        file = self.root / path
        text = file.read_text()
        assert old in text, f"{path} holds no {old!r}"
        file.write_text(text.replace(old, new, 1))

    def params(self, **changes):
        """Change values of params.yaml, given by their dotted path with __ for dots."""
        file = self.root / "params.yaml"
        params = yaml.safe_load(file.read_text())
        for path, value in changes.items():
            *parents, last = path.split("__")
            place = params
            for key in parents:
                place = place[key]
            place[last] = value
        file.write_text(yaml.safe_dump(params, sort_keys=False))

    def copy(self, target):
        subprocess.run(["cp", "-a", str(self.root), str(target)], check=True)
        return Workplace(target)


@pytest.fixture(scope="session")
def fresh(repo, tmp_path_factory):
    """The repo's files as a clone would have them, with tiny settings and nothing run."""
    root = tmp_path_factory.mktemp("workflow") / "clone"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=repo, text=True, capture_output=True, check=True).stdout
    for name in names.splitlines():
        if (repo / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repo / name, root / name)
    workplace = Workplace(root)
    params = yaml.safe_load((root / "params.yaml").read_text())
    for section, values in TINY.items():
        params[section] |= values
    study = params["studies"]["quickstart"]
    study["variants"] = {name: study["variants"][name] for name in VARIANTS}
    study["seeds"] = [0]
    params["studies"] = {"quickstart": study}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    _watch_only(root / "dvc.yaml", params)
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    workplace.run("git", "init", "-q")
    workplace.run("git", "add", "-A")
    # Results name their commit: it must be the same one in every test worker, whatever the time.
    day = {f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    workplace.run("git", *identity, "commit", "-qm", "tiny", **day)
    return workplace


def _watch_only(path, params):
    """Take out of dvc.yaml what is of studies and data sets that are not run here."""
    named = {name for study in params["studies"].values() for name in study["datasets"]}
    named |= {other for name in named for other in params["data"][name].get("link", [])}
    if not any(study.get("inputs") == "embeddings" for study in params["studies"].values()):
        named.discard("mimic_cxr_embeddings")  # read by no other study
    dvc = yaml.safe_load(path.read_text())
    roots = {f"${{data.{name}.root}}" for name in set(params["data"]) - named}
    for stage in dvc["stages"].values():
        stage["deps"] = [dep for dep in stage["deps"] if dep not in roots]
    for kind in ("metrics", "plots"):
        files = {each if isinstance(each, str) else next(iter(each)): each for each in dvc[kind]}
        dvc[kind] = [of for name, of in files.items() if name.split("/")[2] in params["studies"]]
    path.write_text(yaml.safe_dump(dvc, sort_keys=False))


@pytest.fixture(scope="session")
def finished(fresh, tmp_path_factory):
    """A workplace after `snakemake`, `dvc repro` and `dvc push` to a folder.

    Of several test workers one makes it, and each gets a copy: DVC locks its folder.
    """
    own = tmp_path_factory.mktemp("finished")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    made = shared / "made"
    with (shared / "made.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "done").is_file():
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            _finish(fresh.copy(made / "clone"), made / "remote")
            (made / "done").touch()
    return Workplace(made / "clone").copy(own / "clone")


def _finish(workplace, remote):
    workplace.snakemake()
    workplace.run("dvc", "repro")
    workplace.run("dvc", "remote", "add", "--default", "store", str(remote))
    workplace.run("dvc", "push")


@pytest.fixture
def workplace(finished, tmp_path):
    """A copy of the finished workplace that a test may change."""
    return finished.copy(tmp_path / "clone")
