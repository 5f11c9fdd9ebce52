"""A trained network to its scores of every image."""

from pathlib import Path

from safetensors.torch import load_file

from cxrfair import inference, tables
from cxrfair.backbones import Card
from cxrfair.images.store import Store
from cxrfair.stages._cli import call
from cxrfair.training import device
from cxrfair.training.scoring import restore

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
    """Score every image of the splits."""
    device.make_deterministic(threads)
    described = Card.parse(card.read_text(encoding="utf-8"), str(card))
    store = Store(pixels, tables.STORE_INDEX.read(index))
    judged = (tables.SPLITS.read(splits), tables.TARGETS.read(targets))
    network = restore(described, load_file(weights))
    scores = inference.predict(network, described, judged, store, device.choose(LOCKS))
    tables.PREDICTIONS.write(scores, predictions)


if __name__ == "__main__":
    call(predict)
