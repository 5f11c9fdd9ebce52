"""What a split by slice pretends: the same learners judged after a split by patient and by slice.

Run `OMP_NUM_THREADS=1 python benchmarks/leaky_split.py [--patients 300] [--seeds 5]`. A phantom of
TCGA-LUAD is written and read by its adapter, and its CT slices (three a scan, up to two scans a
case) are divided 90 to 10, once with the slices of a patient kept together and once each slice by
itself. Learners, on pixels: a ridge regression, and a small convolutional network. What they learn:
late stage, sex, and a coin tossed once for each patient, which is in no picture: whatever is above
0.5 there is patients met again. `--clinical clinical.tsv` takes the cases of the GDC's table, with
images drawn for them. AUROC is the mean over seeds, each of them a split and a training, with the
range that 95% of seeds are in; the differences are of the same seed.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score
from torch import nn

from cxrfair import datasets, phantom, splits
from cxrfair.images.decode import decode
from cxrfair.phantom import PhantomConfig, cases
from cxrfair.progress import track
from cxrfair.scales import at_scale
from cxrfair.splits import SplitConfig

PARAMS = Path(__file__).parents[1] / "params.yaml"
SIZE, TEST, STRICT = 32, 0.1, 1e3  # pixels; share tested on; of the ridge
EPOCHS, BATCH, RATE = 20, 64, 1e-3
CLEAN = {"corrupt_share": 0.0, "dirt_share": 0.0}
TARGETS = ("late stage", "sex", "coin")
SPLITS = {"patient": "patient_id", "slice": "image_id"}  # whose rows stay together
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Slices:
    """CT slices: rows of records, pixels (n, SIZE * SIZE) and targets (n, 3), NaN if unknown."""

    records: pd.DataFrame
    pixels: np.ndarray
    targets: np.ndarray


def main() -> None:
    """Judge every learner after every split and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--clinical", type=Path, help="the clinical table of the GDC")
    size = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        slices = read(written(Path(folder), size.patients, size.clinical))
    found = [
        (learner, name, *judged(fit, column, slices, seed))
        for seed in track(range(size.seeds), "splits and trainings", "seeds")
        for learner, fit in {"ridge": ridge, "network": network}.items()
        for name, column in SPLITS.items()
    ]
    rows = pd.DataFrame(found, columns=["learner", "split", *TARGETS])
    count = slices.records["patient_id"].nunique()
    shown(rows, f"{len(slices.records):,} slices of {count} patients, {size.seeds} seeds")


def written(folder: Path, patients: int, clinical: Path | None) -> Path:
    """Write the phantom; return its root."""
    section = at_scale(yaml.safe_load(PARAMS.read_text())["phantom"], "demo") | CLEAN
    settings = json.dumps({**section, "patients": patients, "image_size": 2 * SIZE})
    config, root = PhantomConfig.parse(settings, "phantom"), folder / "tcga"
    if clinical is None:
        phantom.write("tcga_luad", config, root, folder / "truth.parquet")
    else:
        cases.illustrate(clinical, config, root, folder / "truth.parquet")
    return root


def read(root: Path) -> Slices:
    """Read the slices whose sex is known, with a coin for each patient."""
    images = datasets.read("tcga_luad", root, "{}")
    rows = images.records.merge(images.labels, on="image_id")
    rows = rows[(rows["view"] == "CT") & rows["sex"].isin(["female", "male"])]
    rows = rows.reset_index(drop=True)
    pixels = np.stack([decode(root / path, SIZE)[0].ravel() for path in rows["path"]])
    tossed, patient = np.random.default_rng(0), pd.factorize(rows["patient_id"])[0]
    coin = tossed.random(patient.max() + 1)[patient] < 0.5
    stage = rows["state"].map({"positive": 1.0, "negative": 0.0})
    targets = np.column_stack([stage, rows["sex"] == "female", coin]).astype(float)
    return Slices(rows, pixels.astype(np.float32), targets)


def judged(fit: Fit, together: str, slices: Slices, seed: int) -> list[float]:
    """Split so that rows of one value of `together` stay together; return AUROC by target."""
    fractions = {"by": "fraction", "seed": seed, "stratify": [], "validation": TEST, "test": TEST}
    config = SplitConfig.parse(json.dumps(fractions), "split")
    chosen = slices.records.assign(patient_id=slices.records[together])
    labels = pd.DataFrame({"image_id": [], "label": [], "target": []})
    fold = splits.assign(chosen, labels, config).set_index("image_id")["fold"]
    fold = fold.reindex(chosen["image_id"]).to_numpy()
    train, test = fold != "test", fold == "test"  # nothing is chosen on validation: learnt from
    x = (slices.pixels - slices.pixels[train].mean(axis=0)) / slices.pixels[train].std()
    score = fit(x[train], slices.targets[train], x[test], seed)
    truth = slices.targets[test]
    known = ~np.isnan(truth)
    return [roc_auc_score(t[k], s[k]) for t, s, k in zip(truth.T, score.T, known.T, strict=True)]


def ridge(x: np.ndarray, y: np.ndarray, new: np.ndarray, seed: int) -> np.ndarray:
    """Fit a ridge regression of each target on pixels; return scores of new slices."""
    del seed
    centred = np.nan_to_num(y - np.nanmean(y, axis=0))
    return new @ np.linalg.solve(x.T @ x + STRICT * np.eye(x.shape[1]), x.T @ centred)


def network(x: np.ndarray, y: np.ndarray, new: np.ndarray, seed: int) -> np.ndarray:
    """Train a small network on all targets at once; return scores of new slices."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        *(nn.Unflatten(1, (1, SIZE, SIZE)), nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(32 * (SIZE // 4) ** 2, 64), nn.ReLU(), nn.Linear(64, len(TARGETS))),
    )
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    images, known = torch.from_numpy(x.astype(np.float32)), torch.from_numpy(~np.isnan(y)).float()
    wanted = torch.from_numpy(np.nan_to_num(y)).float()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images)).split(BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(
                net(images[rows]), wanted[rows], known[rows]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        return net(torch.from_numpy(new.astype(np.float32))).double().numpy()


def shown(rows: pd.DataFrame, title: str) -> None:
    """Print means over seeds, with the range of 95% of them."""
    columns = ("AUROC by patient", "by slice", "difference")
    table = Table("learner", "of", *columns, title=title, box=box.MARKDOWN)
    for learner, of in rows.groupby("learner", sort=False):
        parts = {name: part[list(TARGETS)].to_numpy() for name, part in of.groupby("split")}
        honest, leaky = parts["patient"], parts["slice"]
        for i, target in enumerate(TARGETS):
            values = (honest[:, i], leaky[:, i], leaky[:, i] - honest[:, i])
            table.add_row(str(learner), target, *map(said, values))
    Console(width=120).print(table)


def said(values: np.ndarray) -> str:
    """Write a mean and the range of 95% of the seeds."""
    low, high = np.quantile(values, [0.025, 0.975])
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
