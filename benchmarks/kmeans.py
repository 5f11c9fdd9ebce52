"""Down-sampling by clusters at MIMIC's size: ours against scikit-learn's plain KMeans.

Run `python benchmarks/kmeans.py [--images 300000] [--features 1376]`. Vectors of falling weight as
a network's are made, in ten cells of sex and age as unequal as MIMIC-CXR's. Each in a process of
its own on two cores: the strategy `cluster_downsample` whole (cells brought to equal size); and
KMeans on a share of the largest cell, with the same number of clusters, extrapolated by rows to
all cells thinned out (its rounds are taken to be as many, which is to its favour). Then how far the
images left out lie from the nearest kept one, beside a random choice.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.cluster import KMeans

from cxrfair.rebalance import cluster_downsample
from cxrfair.rebalance._cells import cells
from cxrfair.rebalance._clusters import BATCH, n_clusters
from cxrfair.rebalance._spread import spread

CORES = 2
OVER = ("sex", "age")
SEXES = {"female": 0.48, "male": 0.52}
AGES = {"0-20": 0.02, "20-40": 0.13, "40-60": 0.31, "60-80": 0.39, "80+": 0.15}
LATENT = 64


def make(images: int, d: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Make members and their vectors, in blocks: no second copy of the whole."""
    rng = np.random.default_rng(0)
    members = pd.DataFrame(
        {
            "image_id": [f"i{k:06d}" for k in range(images)],
            "sex": rng.choice(list(SEXES), images, p=list(SEXES.values())),
            "age": rng.choice(list(AGES), images, p=list(AGES.values())),
        }
    )
    weight = rng.normal(size=(LATENT, d)).astype(np.float32)
    weight /= np.arange(1, LATENT + 1, dtype=np.float32)[:, None]
    vectors = np.empty((images, d), dtype=np.float32)
    for start in range(0, images, BATCH):
        part = vectors[start : start + BATCH]
        part[:] = rng.standard_normal((len(part), LATENT), dtype=np.float32) @ weight
        part += 0.1 * rng.standard_normal(part.shape, dtype=np.float32)
    return members, vectors


def measured(way: str, options: argparse.Namespace) -> dict[str, float]:
    """Do one thing in this process, on two cores; say how long it took and its peak memory."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    members, vectors = make(options.images, options.features)
    ours = way == "ours"
    found = _ours(members, vectors) if ours else _plain(members, vectors, options.plain)
    return {**found, "peak_gb": _peak_gb()}


def _ours(members: pd.DataFrame, vectors: np.ndarray) -> dict[str, float]:
    """Run the strategy, then measure the spread of the cells it thins out."""
    config = cluster_downsample.Config(over=OVER, target="equal", cap=None)
    start = time.perf_counter()
    listed = cluster_downsample.rebalance(members, config, 0, vectors)
    taken, peak = time.perf_counter() - start, _peak_gb()
    kept = members["image_id"].isin(listed["image_id"]).to_numpy()
    rows = spread(vectors, cells(members, OVER, "bench"), kept, 0)
    rows = rows[rows["kept"] < rows["n"]]
    ratio = rows["largest"] / rows["random"]
    return {
        "seconds": taken,
        "strategy_gb": peak,
        "kept": len(listed),
        "spread_mean": float(ratio.mean()),
        "spread_worst": float(ratio.max()),
    }


def _plain(members: pd.DataFrame, vectors: np.ndarray, most: int) -> dict[str, float]:
    """Run KMeans on part of the largest cell; extrapolate to all cells over the mean size."""
    found = cells(members, OVER, "bench")
    n = found.sizes()
    size = int(n.mean())
    rows = found.rows()[int(n.argmax())][:most]
    part = vectors[rows]
    start = time.perf_counter()
    part = (part - part.mean(axis=0)) / part.std(axis=0)
    KMeans(n_clusters(size), n_init=1, random_state=0).fit(part)
    taken = time.perf_counter() - start
    return {"seconds": taken * float(n[n > size].sum()) / len(rows), "part_seconds": taken}


def _peak_gb() -> float:
    """Return the largest memory this process has held so far, in units of 10^9 bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return kib * 1024 / 1e9


def main() -> None:
    """Compare the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300_000)
    parser.add_argument("--features", type=int, default=1376)
    parser.add_argument("--plain", type=int, default=5000, help="rows that plain KMeans is given")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure, options)))
        return
    found = {}
    for way in ("ours", "plain"):
        command = [sys.executable, __file__, *sys.argv[1:], "--measure", way]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[way] = json.loads(done.stdout)
    Console().print(_shown(found, options))


def _shown(found: dict[str, dict[str, float]], options: argparse.Namespace) -> Table:
    """Make the table."""
    ours, plain = found["ours"], found["plain"]
    title = f"{options.images:,} x {options.features:,}, {CORES} cores; {ours['kept']:,} kept"
    table = Table("way", "seconds", "peak, GB", "spread / random, mean", "worst", title=title)
    spreads = (f"{ours[name]:.3f}" for name in ("spread_mean", "spread_worst"))
    table.add_row(
        "cluster_downsample", f"{ours['seconds']:.1f}", f"{ours['strategy_gb']:.2f}", *spreads
    )
    table.add_row("plain KMeans, extrapolated", f"{plain['seconds']:,.1f}", "", "", "")
    table.add_row("ratio", f"{plain['seconds'] / ours['seconds']:.1f}", "", "", "")
    return table


if __name__ == "__main__":
    main()
