"""A trained network to its pooled features of every image."""

from pathlib import Path

from safetensors.torch import load_file

from cxrfair import inference, tables
from cxrfair.backbones import Card
from cxrfair.images.store import Store
from cxrfair.stages._cli import call
from cxrfair.training import device
from cxrfair.training.scoring import restore

LOCKS = Path(".cxrfair/locks")


def embed(
    *,
    weights: Path,
    card: Path,
    splits: Path,
    pixels: Path,
    index: Path,
    threads: int,
    features: Path,
    places: Path,
) -> None:
    """Store the features of every image of the splits, and where each image's lie."""
    device.make_deterministic(threads)
    described = Card.parse(card.read_text(encoding="utf-8"), str(card))
    store = Store(pixels, tables.STORE_INDEX.read(index))
    network = restore(described, load_file(weights))
    folds = tables.SPLITS.read(splits)
    rows = inference.embed(network, folds, store, device.choose(LOCKS), features)
    tables.EMBEDDING_INDEX.write(rows, places)


if __name__ == "__main__":
    call(embed)
