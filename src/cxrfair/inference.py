"""A trained network's scores, features and maps of a data set's images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrfair import embeddings
from cxrfair.backbones import Card
from cxrfair.errors import CxrfairError
from cxrfair.images.store import Store
from cxrfair.methods import Network
from cxrfair.shown import SHOWN
from cxrfair.training import scoring
from cxrfair.training.device import place
from cxrfair.training.examples import held_out_examples


class InferenceError(CxrfairError):
    """A network's answers are not what they should be."""


@dataclass(frozen=True)
class Drawn:
    """Maps of n images: `values` (n, m, rows, cols) float32, and rows of `tables.MAP_INDEX`.

    `name` says what they are. `of` names the m maps of an image by their labels, in order (see
    `Network.shows`); empty where a map is of no label.
    """

    name: str
    of: tuple[str, ...]
    values: NDArray[np.float32]
    index: pd.DataFrame


def predict(
    network: Network,
    card: Card,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    store: Store,
    device: torch.device,
) -> pd.DataFrame:
    """Score each image of `tables` = (splits, targets) once, whatever fold it is in.

    Those of the training fold are scored like the others: as they are, not as they were learnt
    from. Who judges must choose a fold.

    Returns
    -------
    DataFrame
        Rows of `tables.PREDICTIONS`: one per image and label, scores in [0, 1].
    """
    splits, targets = tables
    images = splits[["image_id", "fold"]].reset_index(drop=True)
    examples = held_out_examples(images["image_id"], targets, store, card.labels)
    place(network, device)
    logits = scoring.score(network, store, examples.row, device, "predict")
    scores = _scores(logits, "predict")
    frames = [
        images.assign(label=label, target=_nullable(examples.target[:, k]), score=scores[:, k])
        for k, label in enumerate(card.labels)
    ]
    return pd.concat(frames, ignore_index=True)


def answer(
    network: Network,
    card: Card,
    worlds: pd.DataFrame,
    store: Store,
    device: torch.device,
) -> pd.DataFrame:
    """Score every picture of `worlds` (rows of `tables.INTERVENTIONS`), as `predict` scores images.

    Parameters
    ----------
    store
        The pictures: `row` of `worlds` is their place in it.

    Returns
    -------
    DataFrame
        Rows of `tables.ANSWERS` without variant and seed: one a picture and label, scores in
        [0, 1].
    """
    rows = worlds["row"].to_numpy(np.int64)
    place(network, device)
    scores = _scores(scoring.score(network, store, rows, device), "answer")
    pictures = worlds.drop(columns="row").reset_index(drop=True)
    frames = [
        pictures.assign(label=label, score=scores[:, k]) for k, label in enumerate(card.labels)
    ]
    return pd.concat(frames, ignore_index=True)


def embed(
    network: Network,
    splits: pd.DataFrame,
    store: Store,
    device: torch.device,
    path: Path,
) -> pd.DataFrame:
    """Write pooled features of each image of the splits to `path`, in order of image id.

    Returns
    -------
    DataFrame
        Rows of `tables.EMBEDDING_INDEX`.
    """
    images = splits[["image_id", "fold"]].sort_values("image_id", ignore_index=True)
    rows = store.rows(images["image_id"].tolist())
    place(network, device)
    pooled = scoring.blocks(scoring.pooled_by(network), store, rows, device)
    with scoring.evaluating(network):
        told = scoring.counted(pooled, len(rows), "embed")
        embeddings.write(path, (part.numpy() for part in told), (len(rows), network.width))
    return images.assign(row=np.arange(len(images)))


def draw(
    network: Network, card: Card, image_ids: list[str], store: Store, device: torch.device
) -> Drawn:
    """Draw what a network looks at in each image, as it tells itself.

    Raises
    ------
    InferenceError
        If there is no image, or a map holds a value that is not finite.
    """
    if not image_ids:
        raise InferenceError(f"draw: 0 images in fold {SHOWN!r}; at least 1 is needed")
    names: list[str] = []

    def maps(image: Tensor) -> Tensor:
        name, found = network.draw(image)
        names.append(name)
        return found

    place(network, device)
    rows = store.rows(image_ids)
    with scoring.evaluating(network):
        values = torch.cat(list(scoring.blocks(maps, store, rows, device)))
    if bad := int((~torch.isfinite(values.flatten(1))).any(1).sum()):
        raise InferenceError(f"draw: {names[0]} of {bad} images is not finite; allowed: none")
    index = pd.DataFrame({"image_id": image_ids, "row": range(len(image_ids))})
    return Drawn(names[0], network.shows(card.labels), values.numpy(), index)


def _scores(logits: Tensor, what: str) -> NDArray[np.float32]:
    """Turn logits (n, k) into scores in [0, 1]; refuse those that are not finite."""
    if bad := int((~torch.isfinite(logits)).any(1).sum()):
        raise InferenceError(f"{what}: scores of {bad} images are not finite; allowed: none")
    found: NDArray[np.float32] = torch.sigmoid(logits).numpy()
    return found


def _nullable(target: NDArray[np.float32]) -> pd.Series:
    return pd.Series(target).astype("Int8")
