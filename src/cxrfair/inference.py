"""A trained network's scores for images it was not trained on."""

import numpy as np
import pandas as pd
import torch

from cxrfair.backbones import Card, Network, build
from cxrfair.images.store import Store
from cxrfair.training.device import place
from cxrfair.training.examples import held_out_examples
from cxrfair.training.loop import score

JUDGED = ("validation", "test")


def restore(card: Card, weights: dict[str, torch.Tensor]) -> Network:
    """Build the network a card describes and fill in its weights."""
    network = build(card.backbone, "none", len(card.labels), card.size)
    network.load_state_dict(weights)
    return network


def predict(
    network: Network,
    card: Card,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    store: Store,
    device: torch.device,
) -> pd.DataFrame:
    """Score the validation and test images of `tables` = (splits, targets).

    Returns
    -------
    DataFrame
        Rows of `tables.PREDICTIONS`: one per image and label, scores in [0, 1].
    """
    splits, targets = tables
    judged = splits[splits["fold"].isin(JUDGED)].reset_index(drop=True)
    examples = held_out_examples(judged["image_id"], targets, store, card.labels)
    place(network, device)
    scores = torch.sigmoid(score(network, examples, store, device)).numpy()
    frames = [
        judged[["image_id", "fold"]].assign(
            label=label, target=_nullable(examples.target[:, k]), score=scores[:, k]
        )
        for k, label in enumerate(card.labels)
    ]
    return pd.concat(frames, ignore_index=True)


def _nullable(target: np.ndarray[tuple[int], np.dtype[np.float32]]) -> pd.Series:
    return pd.Series(target).astype("Int8")
