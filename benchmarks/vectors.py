"""Embedding files: our reading of many against reading their bytes, and one by one, two cores.

Run `python benchmarks/vectors.py --folder EMPTY [--files 250000] [--repeats 3]`. It writes files as
TensorFlow writes them (a study's folder each, 1376 floats), then reads them in fresh processes held
to two cores: `bytes`, what the disk gives: opened, read, closed, in two threads; `ours`, the
library's reading: checksums, layout, finite, copied into a block and hashed; `stage`, all of the
stage: the list of the files, the array, the index; `general`, each file parsed by itself, and
`tfrecord`, by the package of that name, both of at most 20,000 files. `--cold` asks the system to
forget the files first; otherwise they are read once before.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from cxrfair import tables, vectors
from cxrfair.datasets import _tfrecord, mimic_cxr_embeddings
from cxrfair.images.store import ImageConfig
from cxrfair.phantom.writers.mimic_cxr_embeddings import _example, _record
from cxrfair.stages.vectors import vectors as stage

CORES = 2
FEW = 20_000  # files read one by one
WAYS = ("bytes", "ours", "stage", "general", "tfrecord")
CONFIG = ImageConfig(size=64, shards=1, max_quarantined=0.0)


def write(root: Path, count: int) -> None:
    """Write the files, their list and the records of their images."""
    draw = np.random.default_rng(0)
    ids = [f"{i:08x}-00000000-00000000-00000000-00000000" for i in range(count)]
    paths = [
        f"files/p{10 + i % 10}/p{10 + i % 10}{i // 4:06d}/s{50_000_000 + i}/{name}.tfrecord"
        for i, name in enumerate(ids)
    ]
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        data = draw.standard_normal(mimic_cxr_embeddings.WIDTH, np.float32).tobytes()
        (root / path).write_bytes(_record(_example(data)))
    (root / "SHA256SUMS.txt").write_text("".join(f"{'0' * 64} {path}\n" for path in paths))
    (root / "paths.txt").write_text("\n".join(paths))
    rows = pd.DataFrame({"image_id": ids}).assign(
        dataset="mimic_cxr", patient_id="p", study_id="s", path="x.jpg", sex=tables.UNKNOWN
    )
    known = tables.RECORDS.empty()
    kinds = {name: known[name].dtype for name in rows}
    records = known.reindex(rows.index).assign(**rows.astype(kinds))
    tables.RECORDS.write(records, root / "records.parquet")


def plain(root: Path, paths: list[str]) -> None:
    """Open, read and close every file."""

    def some(start: int) -> None:
        for path in paths[start : start + vectors.AT_ONCE]:
            file = os.open(f"{root}/{path}", os.O_RDONLY)
            os.read(file, 1 << 16)
            os.close(file)

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(some, range(0, len(paths), vectors.AT_ONCE)))


def ours(root: Path, paths: list[str]) -> None:
    """Read as the library does, and keep nothing."""
    for _, told in vectors._read_all(mimic_cxr_embeddings.reader(root), paths, CORES):
        if any(fault for _, fault in told):
            raise ValueError("a file could not be read")


def whole_stage(root: Path, paths: list[str]) -> None:
    """Run the stage."""
    del paths
    out = root / "out"
    stage(
        records=root / "records.parquet",
        source="mimic_cxr_embeddings",
        root=root,
        config=CONFIG,
        workers=CORES,
        values=out / "values.npy",
        index=out / "index.parquet",
        quarantine=out / "quarantine.csv",
        summary=out / "summary.json",
        refused=out / "refused.csv",
    )


def general(root: Path, paths: list[str]) -> None:
    """Parse every file by itself."""
    for path in paths[:FEW]:
        _tfrecord.floats(root / path, mimic_cxr_embeddings.FEATURE)


def other_package(root: Path, paths: list[str]) -> None:
    """Read with the package `tfrecord`."""
    from tfrecord.reader import tfrecord_loader  # noqa: PLC0415 - needed for this way alone

    for path in paths[:FEW]:
        list(tfrecord_loader(str(root / path), None, {"embedding": "float"}))


DO: dict[str, Callable[[Path, list[str]], None]] = dict(
    zip(WAYS, (plain, ours, whole_stage, general, other_package), strict=True)
)


def measured(way: str, root: Path, cold: bool) -> dict[str, float]:
    """Do one thing in this process, on two cores: files a second, peak memory."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    paths = (root / "paths.txt").read_text().splitlines()
    for path in paths if cold else []:
        file = os.open(f"{root}/{path}", os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
    if not cold:
        plain(root, paths)
    start = time.perf_counter()
    DO[way](root, paths)
    seconds = time.perf_counter() - start
    count = min(FEW, len(paths)) if way in {"general", "tfrecord"} else len(paths)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e9
    return {"files_per_second": count / seconds, "seconds": seconds, "peak_gb": peak}


def main() -> None:
    """Compare the ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--files", type=int, default=250_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measured(chosen.measure, chosen.folder, chosen.cold)))
        return
    if not (chosen.folder / "records.parquet").exists():
        write(chosen.folder, chosen.files)
        os.sync()
    title = f"{chosen.files:,} files, {CORES} cores, {'cold' if chosen.cold else 'read before'}"
    table = Table("way", "files/s", "seconds", "peak GB", title=title)
    flags = ["--cold"] if chosen.cold else []
    for way in WAYS:
        command = [sys.executable, __file__, "--folder", str(chosen.folder), "--measure", way]
        runs = [
            json.loads(
                subprocess.run([*command, *flags], check=True, stdout=subprocess.PIPE).stdout
            )
            for _ in range(chosen.repeats)
        ]
        found = {name: median(run[name] for run in runs) for name in runs[0]}
        table.add_row(way, *(f"{value:,.1f}" for value in found.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
