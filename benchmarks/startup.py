"""Start-up of a training: from the start of its process to the end of its first step.

Run `python benchmarks/startup.py [--repeats 5] [--images 1600] [--size 64] [--labels 2]`. The train
stage runs as the pipeline runs it, on tables and pixels made here, pinned to two cores. With
`checkpoint_steps: 1` it writes its state at the end of each step: the clock stops when that file
is there, and the process is killed. With MLflow on, a session is opened beforehand as the pipeline
does. Both ways take turns. `--images 377110 --labels 14` has the rows of MIMIC-CXR; the pixels then
are a file of zeros with nothing on the disk behind it, read as fast as memory goes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import yaml
from rich.console import Console
from rich.table import Table

from cxrfair import tables, tracking
from cxrfair.scales import at_scale

PARAMS = Path(__file__).parents[1] / "params.yaml"
TABLES = {
    "listed": tables.TRAINING_LIST,
    "cohort": tables.COHORT,
    "targets": tables.TARGETS,
    "splits": tables.SPLITS,
    "index": tables.STORE_INDEX,
}
FOLDS, SHARES = tables.FOLDS, (0.55, 0.2, 0.25)
LIMIT_S = 600


def main() -> None:
    """Time both ways in turns and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=int, default=1600)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--labels", type=int, default=2)
    chosen = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = tuple(f"label_{number}" for number in range(chosen.labels))
        _make_inputs(folder, chosen, labels)
        session = _session(folder)
        command = _command(folder, labels)
        ways: Mapping[str, Mapping[str, str]] = {
            "MLflow off": {},
            "MLflow on": {tracking.SESSION: session},
        }
        _first_step(folder, command, {})  # compiles bytecode and fills the file cache
        taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(chosen.repeats):
            for way, environment in ways.items():
                taken[way].append(_first_step(folder, command, environment))
    what = f"{chosen.images:,} images of {chosen.size} px, {chosen.labels} labels, two cores"
    table = Table("", "s to the first step", "least, most", "CPU, s", title=what)
    for way, pairs in taken.items():
        wall, cpu = zip(*pairs, strict=True)
        span = f"{min(wall):.1f}, {max(wall):.1f}"
        table.add_row(way, f"{median(wall):.1f}", span, f"{median(cpu):.1f}")
    Console().print(table)


def _first_step(
    folder: Path, command: list[str], environment: Mapping[str, str]
) -> tuple[float, float]:
    """Return seconds, and CPU seconds, from the start of the process to its first checkpoint."""
    saved = folder / ".cxrfair" / "checkpoints"
    for file in saved.glob("*"):
        file.unlink()
    outside = {key: value for key, value in os.environ.items() if key != tracking.SESSION}
    with (folder / "log.txt").open("w") as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=outside | environment, stderr=log)
        try:
            while not any(saved.glob("*.safetensors")):
                ended = process.poll() is not None
                if ended or time.perf_counter() - start > LIMIT_S:
                    raise RuntimeError((folder / "log.txt").read_text()[-2000:])
                time.sleep(0.01)
            return time.perf_counter() - start, _cpu(process.pid)
        finally:
            process.kill()
            process.wait()


def _cpu(process: int) -> float:
    """Return the CPU seconds a process has used, all its threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _command(folder: Path, labels: tuple[str, ...]) -> list[str]:
    """Write the command that the rule `train` runs, with the demo's settings."""
    settings = at_scale(yaml.safe_load(PARAMS.read_text()), "demo")
    spec = {
        "method": "erm",
        "hyper": settings["methods"]["erm"],
        "groups": [],
        "labels": labels,
        "seed": 0,
        "train": settings["train"] | {"checkpoint_steps": 1, "epochs": 1000},
    }
    given = {name: folder / f"{name}.parquet" for name in TABLES}
    given |= {"pixels": folder / "pixels.npy", "spec": json.dumps(spec)}
    given |= {"study": "benchmark", "dataset": "made", "variant": "erm"}
    made = ("weights", "early", "card", "history", "made_with")
    given |= {name: folder / name for name in made}
    flags = [
        str(x) for name, value in given.items() for x in (f"--{name.replace('_', '-')}", value)
    ]
    module = ["-m", "cxrfair.launch", "--processes", "1", "cxrfair.stages.train"]
    return [sys.executable, *module, "--upstream", "--text", "--chosen", *flags]


def _session(folder: Path) -> str:
    """Open what the pipeline opens before its first job."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    config = tracking.TrackingConfig(enabled=True, experiment="benchmark")
    session = tracking.open_session(config, ["benchmark"])
    if session is None:
        raise RuntimeError("MLflow did not open a session")
    return session


def _make_inputs(folder: Path, chosen: argparse.Namespace, labels: tuple[str, ...]) -> None:
    """Write the tables and pixels that the stage reads."""
    rng = np.random.default_rng(0)
    n = chosen.images
    ids = np.array([f"image{number:07d}" for number in range(n)])
    fold = rng.choice(FOLDS, n, p=SHARES)
    train = np.flatnonzero(fold == "train")
    blank = {"official_fold": None, "link_rung": None, "view": "PA", "age_years": 50.0}
    words = {"age": "40-60", "race": "white", "insurance": "private"}
    frames = {
        "cohort": pd.DataFrame({"image_id": ids, "patient_id": ids, "study_id": ids}).assign(
            sex=rng.choice(["female", "male"], n), **blank, **words
        ),
        "splits": pd.DataFrame({"image_id": ids, "fold": fold, "cell": "all"}),
        "targets": pd.DataFrame(
            {
                "image_id": np.repeat(ids, len(labels)),
                "label": np.tile(labels, n),
                "target": rng.integers(0, 2, n * len(labels)),
            }
        ),
        "listed": pd.DataFrame(
            {
                "position": np.arange(len(train)),
                "image_id": ids[train],
                "weight": 1.0,
                "augmentation_seed": rng.integers(0, 2**62, len(train)),
            }
        ),
        "index": pd.DataFrame({"image_id": ids, "row": np.arange(n)}).assign(
            checksum=ids, width=chosen.size, height=chosen.size, quarantine=None, decode_error=None
        ),
    }
    for name, frame in frames.items():
        TABLES[name].write(frame, folder / f"{name}.parquet")
    shape = (n, chosen.size, chosen.size)
    np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, shape).flush()


if __name__ == "__main__":
    main()
