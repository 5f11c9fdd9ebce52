"""The phantom's speed and memory: pictures drawn a second, and the peak at two sizes.

Run `python benchmarks/phantom.py [--images 2000] [--cores 1 2] [--patients 1000 20000]`; it prints
pictures a second at 64 and 128 pixels, with all findings, drawn on one core and on two (a process
each), and the greatest memory of a process that goes through small and large populations.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

# One thread a process, so that cores are counted and not guessed; before NumPy is loaded.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import yaml

from cxrfair.phantom import PhantomConfig, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.scales import at_scale

PARAMS = Path(__file__).parents[1] / "params.yaml"
PROFILE = Profile("benchmark", 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, laterals=False)
SIZES = (64, 128)


def settings(patients: int) -> PhantomConfig:
    """Return the demo's settings for a number of patients."""
    section = at_scale(yaml.safe_load(PARAMS.read_text())["phantom"], "demo")
    return PhantomConfig.parse(json.dumps({**section, "patients": patients}), "phantom")


def drawn(first: int, images: int, size: int) -> int:
    """Build and draw about so many pictures of patients from `first` on; return how many."""
    config = settings(images)
    patients = first + np.arange(round(images / config.studies_per_patient))
    rows = scene.build(config, PROFILE, patients)
    return sum(len(pictures.grey) for _, pictures in scene.batches(rows, size))


def speed(images: int, size: int, cores: int) -> float:
    """Return pictures a second over `cores` processes, started beforehand."""
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        list(pool.map(drawn, range(cores), [50] * cores, [size] * cores))
        start = time.perf_counter()
        share = [images // cores] * cores
        count = sum(pool.map(drawn, range(0, 10**6 * cores, 10**6), share, [size] * cores))
        return count / (time.perf_counter() - start)


def walk(patients: int) -> None:
    """Go through a population, drawing the first picture of each piece; print the peak in MB."""
    images = 0
    for rows in scene.blocks(settings(patients), PROFILE):
        scene.draw(rows.head(64), 64)
        images += len(rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{patients:,} patients, {images:,} images: {peak:.0f} MB")


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--patients", type=int, nargs="+", default=[1000, 20_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--walk", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.walk:
        return walk(options.walk)
    for size in SIZES:
        for cores in options.cores:
            rates = [speed(options.images, size, cores) for _ in range(options.repeats)]
            print(f"{size} px, {cores} core(s): {median(rates):,.0f} images/s")
    for patients in options.patients:
        subprocess.run([sys.executable, __file__, "--walk", str(patients)], check=True)
    return None


if __name__ == "__main__":
    main()
