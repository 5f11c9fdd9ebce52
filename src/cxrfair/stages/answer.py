"""All trained networks of a data set to what they say of pictures made under interventions."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrfair import inference, tables
from cxrfair.images.store import Store
from cxrfair.progress import track
from cxrfair.stages import _model
from cxrfair.stages._cli import call
from cxrfair.training import device
from cxrfair.training.scoring import restore

LOCKS = Path(".cxrfair/locks")


def answer(
    *,
    models: tuple[Any, ...],
    weights: tuple[Path, ...],
    cards: tuple[Path, ...],
    pixels: Path,
    worlds: Path,
    threads: int,
    answers: Path,
) -> None:
    """Score every picture by every model; `models` names variant and seed of the files in order.

    One job for all of them: to start Python takes longer than to score.
    """
    device.make_deterministic(threads)
    made = tables.INTERVENTIONS.read(worlds)
    store, chosen = _store(pixels, made), device.choose(LOCKS)
    files = zip(models, weights, cards, strict=True)
    found = []
    for (variant, seed), tensors, card in track(files, "answer", "models", len(models)):
        described, values = _model.read(card, tensors)
        network = restore(described, values)
        said = inference.answer(network, described, made, store, chosen)
        found.append(said.assign(variant=str(variant), seed=np.int32(seed)))
    tables.ANSWERS.write(pd.concat(found, ignore_index=True), answers)


def _store(pixels: Path, worlds: pd.DataFrame) -> Store:
    """Open the pictures, each named by its row: those of one image have one id in all worlds.

    Raises
    ------
    InferenceError
        If there is not one picture for each row.
    """
    rows = worlds["row"].sort_values().to_numpy()
    drawn = len(np.load(pixels, mmap_mode="r"))
    if not np.array_equal(rows, np.arange(drawn)):
        raise inference.InferenceError(
            f"answer: {drawn} pictures for {len(rows)} rows, {len(set(rows))} of them different; "
            "allowed: one picture a row"
        )
    return Store(
        pixels, pd.DataFrame({"image_id": rows.astype(str), "row": rows, "quarantine": None})
    )


if __name__ == "__main__":
    call(answer)
