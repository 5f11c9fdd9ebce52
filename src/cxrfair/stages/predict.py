"""A trained network to its scores on validation and test images."""

from pathlib import Path

from safetensors.torch import load_file

from cxrfair import tables
from cxrfair.backbones import Card
from cxrfair.images.store import Store
from cxrfair.inference import predict as score
from cxrfair.inference import restore
from cxrfair.stages._cli import call
from cxrfair.training import device

LOCKS = Path(".cxrfair/locks")


def predict(
    *,
    weights: Path,
    card: Path,
    targets: Path,
    splits: Path,
    pixels: Path,
    index: Path,
    threads: int,
    predictions: Path,
) -> None:
    """Score every validation and test image."""
    device.make_deterministic(threads)
    described = Card.parse(card.read_text(encoding="utf-8"), str(card))
    store = Store(pixels, tables.STORE_INDEX.read(index))
    judged = (tables.SPLITS.read(splits), tables.TARGETS.read(targets))
    network = restore(described, load_file(weights))
    scores = score(network, described, judged, store, device.choose(LOCKS))
    tables.PREDICTIONS.write(scores, predictions)


if __name__ == "__main__":
    call(predict)
