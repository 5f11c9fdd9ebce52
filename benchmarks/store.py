"""Image store: our scaled decoding against Pillow's full decode and LANCZOS, one core.

Run `python benchmarks/store.py [--images 4] [--repeats 3] [--noise 0.65] [--nih FOLDER]`. Pictures
of 2544 x 3056 pixels are drawn by the phantom and saved as grey JPEG of quality 95, grainy enough
to make files of MIMIC-CXR-JPG's mean size (1.5 MB); with `--nih`, real images are enlarged instead
(grain of `--noise` * 3 grey levels added). It prints median times, and how far the pixels differ.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import yaml
from PIL import Image
from rich.console import Console
from rich.table import Table

from cxrfair.images.decode import decode
from cxrfair.phantom import PhantomConfig, scene
from cxrfair.phantom.writers.nih_chestxray14 import PROFILE
from cxrfair.scales import resolve

WIDTH, HEIGHT = 2544, 3056
SIZES = (64, 224, 512)
REPO = Path(__file__).parents[1]


def main() -> None:
    """Time both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--noise", type=float, default=0.65)
    parser.add_argument("--nih", type=Path, help="a folder of real images in PNG")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        drawn = _real(chosen) if chosen.nih else _drawn(chosen)
        for i, grey in enumerate(drawn):
            paths.append(Path(folder) / f"{i}.jpg")
            Image.fromarray(grey).save(paths[-1], quality=95)
        megabytes = np.mean([path.stat().st_size for path in paths]) / 1e6
        what = f"{len(paths)} JPEGs of {WIDTH} x {HEIGHT}, {megabytes:.2f} MB, one core"
        Console().print(_compare(paths, chosen.repeats, what))


def _compare(paths: list[Path], repeats: int, title: str) -> Table:
    """Time and compare every size."""
    table = Table(
        *("size", "full, images/s", "ours, images/s", "ratio", "mean difference", "largest"),
        title=title,
    )
    for size in SIZES:
        pairs = [(_full(path, size), decode(path, size)[0].astype(int)) for path in paths]
        far = [np.abs(ours - full)[:, _picture(size)] for full, ours in pairs]
        slow, fast, ratio = _times(paths, size, repeats)
        means = max(difference.mean() for difference in far)
        largest = max(int(difference.max()) for difference in far)
        row = (size, 1 / slow, 1 / fast, ratio, means, largest)
        table.add_row(*(f"{x:.2f}" if isinstance(x, float) else str(x) for x in row))
    return table


def _times(paths: list[Path], size: int, repeats: int) -> tuple[float, float, float]:
    """Return median seconds for one image, plain and ours, and the median of their ratios.

    Both ways take turns on each image, so that whatever else the machine does slows both.
    """
    taken = []
    for path in paths * repeats:
        start = time.perf_counter()
        _full(path, size)
        middle = time.perf_counter()
        decode(path, size)
        taken.append((middle - start, time.perf_counter() - middle))
    slow, fast = zip(*taken, strict=True)
    return median(slow), median(fast), median(a / b for a, b in taken)


def _picture(size: int) -> slice:
    """Return the columns that padding leaves to the picture."""
    width = round(size * WIDTH / HEIGHT)
    return slice((size - width) // 2, (size - width) // 2 + width)


def _full(path: Path, size: int) -> np.ndarray:
    """Decode every pixel, shrink by LANCZOS and pad: the plain way."""
    with Image.open(path) as image:
        grey = image.convert("L")
    place = _picture(size)
    small = grey.resize((place.stop - place.start, size), Image.Resampling.LANCZOS)
    canvas = np.zeros((size, size), int)
    canvas[:, place] = np.asarray(small)
    return canvas


def _drawn(chosen: argparse.Namespace) -> Iterator[np.ndarray]:
    """Draw phantoms, cropped to a portrait film."""
    settings = resolve(yaml.safe_load((REPO / "params.yaml").read_text()))["phantom"]
    config = PhantomConfig.parse(json.dumps(settings | {"noise": chosen.noise}), "phantom")
    rows = scene.build(config, PROFILE, np.arange(chosen.images))
    left = (HEIGHT - WIDTH) // 2
    for i in range(chosen.images):
        yield scene.draw(rows.iloc[[i]], HEIGHT).grey[0][:, left : left + WIDTH]


def _real(chosen: argparse.Namespace) -> Iterator[np.ndarray]:
    """Enlarge real images and give them back some grain."""
    rng = np.random.default_rng(0)
    for path in sorted(chosen.nih.glob("*.png"))[: chosen.images]:
        with Image.open(path) as image:
            large = image.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        grain = rng.normal(0, 3 * chosen.noise, (HEIGHT, WIDTH))
        yield (np.asarray(large) + grain).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
