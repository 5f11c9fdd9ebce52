"""Grad-CAM of what a network answers, and of what its features say of an attribute.

Each map is of the side that its picture speaks for: of a rare label hardly any picture speaks for
it, and what speaks for it in the others is nothing at all. Constants are left out, since no place
of a picture is behind them. The only importer of pytorch_grad_cam.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxrfair import torchvision_ops
from cxrfair.embeddings import Embeddings
from cxrfair.errors import CxrfairError
from cxrfair.images.store import Store
from cxrfair.lookup import places
from cxrfair.methods import Network
from cxrfair.probes import ProbeConfig, fit, lowest
from cxrfair.statistics.cells import group_values
from cxrfair.training import scoring
from cxrfair.training.device import place

torchvision_ops.declare_if_missing()

from pytorch_grad_cam import GradCAM  # noqa: E402 - torchvision needs the line above
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

Ends = Mapping[str, tuple[str, str]]
Direction = NDArray[np.float64]


class SaliencyError(CxrfairError):
    """There is nothing to explain, or an explanation is not finite."""


@dataclass(frozen=True)
class Learners:
    """Training images that probes are fitted on, and their groups: one column an attribute."""

    image_ids: list[str]
    group: pd.DataFrame


class Reader(nn.Module):
    """A network that says how strongly pictures speak for or against labels and directions.

    `directions` (d, a) are read off the pooled features in the same forward pass as the logits.
    """

    directions: Tensor

    def __init__(self, network: Network, directions: Direction) -> None:
        super().__init__()
        self.network = network
        on = next(network.parameters()).device
        self.register_buffer("directions", torch.tensor(directions, dtype=torch.float32, device=on))

    def forward(self, image: Tensor) -> Tensor:
        """Return (n, k + a) of images (n, 1, h, w), without biases, nowhere below 0."""
        made = self.network.represent(image)
        evidence = made.logit - self.network.head.bias.float()
        return torch.cat([evidence, made.pooled.float() @ self.directions], dim=1).abs()


class OnGrid(GradCAM):  # type: ignore[misc]  # the library has no types
    """Grad-CAM left on the network's own grid; `overlap.enlarge` enlarges it as the library does.

    Maps are then as small as what they know, and exact at any size of the images.
    """

    def get_target_width_height(self, input_tensor: Tensor) -> tuple[int, int]:  # noqa: ARG002
        """Return the columns and rows that maps are scaled to."""
        rows, columns = self.model.network.grid
        return columns, rows


def learners(
    splits: pd.DataFrame, cohort: pd.DataFrame, effects: Ends, config: ProbeConfig
) -> Learners:
    """Choose the training images that probes are fitted on: those that `probes.probe` takes.

    Raises
    ------
    SaliencyError
        If no image is in training, or one is not in the cohort.
    """
    train = splits.loc[splits["fold"] == "train", "image_id"].tolist()
    ids = lowest(train, config.images)
    row = places(pd.Series(ids, dtype="str"), cohort["image_id"])
    if not ids or (row < 0).any():
        lost = int((row < 0).sum())
        said = f"{len(ids)} images in training, {lost} of them not in the cohort"
        raise SaliencyError(f"explain: {said}; at least 1 is needed, and all in the cohort")
    person = cohort.iloc[row].reset_index(drop=True)
    return Learners(ids, pd.DataFrame({name: group_values(person, name) for name in effects}))


def directions(stored: Embeddings, of: Learners, effects: Ends, penalty: float) -> Direction:
    """Return what tells two values of each attribute apart in a network's features, (d, a).

    The weights of logit(S+) - logit(S-) of a linear probe (`probes.fit`) on the stored features of
    training images. All variants are asked in this one way: Fair Diagnosis uses a discriminator of
    its own for its method, and does not say what for vanilla. Zeros where training images do not
    show both values, which leaves maps that are 0 everywhere.
    """
    probes = fit(stored.read(of.image_ids), of.group, penalty)
    found = np.zeros((stored.width, len(effects)))
    for column, (name, ends) in enumerate(effects.items()):
        learnt, groups = probes[name].fit, probes[name].groups
        if learnt is not None and set(ends) <= set(groups):
            minus, plus = (learnt.weight[:, groups.index(end)] for end in ends)
            found[:, column] = plus - minus
    return found


def explain(network: Network, read: Direction, image: Tensor) -> Tensor:
    """Map what in images (n, 1, h, w) speaks for or against each label, and along each direction.

    Parameters
    ----------
    read
        Directions (d, a) in the pooled features, as `directions` gives them.

    Returns
    -------
    Tensor
        Shape (n, k + a, rows, columns), float32 on the CPU: Grad-CAM (Selvaraju et al. 2017, eq. 1
        and 2) of each logit and each direction on the network's grid, of the side that the picture
        as a whole speaks for; scaled from 0 to 1 in each map, 0 everywhere where nothing speaks.
        Of the pictures the network sees: changed ones, behind a generator. Nothing of the network
        changes, and no gradient is kept.
    """
    layer, lay_out = network.watched()
    n_maps = network.head.out_features + read.shape[1]
    with scoring.evaluating(network), _gradient_from(network, layer), torch.enable_grad():
        cam = OnGrid(Reader(network, read), [layer], lay_out)
        try:
            targets = ([ClassifierOutputTarget(column)] * len(image) for column in range(n_maps))
            maps = [cam(image, each) for each in targets]
        finally:
            cam.activations_and_grads.release()
    return torch.from_numpy(np.stack(maps, axis=1))


def explain_all(
    network: Network,
    read: Direction,
    image_ids: list[str],
    store: Store,
    device: torch.device,
) -> NDArray[np.float32]:
    """Map stored images (n), a few hundred at a time, as `explain` does: (n, k + a, rows, columns).

    Raises
    ------
    SaliencyError
        If there is no image, or a map holds a value that is not finite.
    """
    if not image_ids:
        raise SaliencyError("explain: 0 images; at least 1 is needed")
    place(network, device)
    rows = store.rows(image_ids)
    maps = scoring.blocks(lambda image: explain(network, read, image), store, rows, device)
    values = torch.cat(list(maps))
    if bad := int((~torch.isfinite(values.flatten(1))).any(1).sum()):
        raise SaliencyError(f"explain: maps of {bad} images are not finite; allowed: none")
    found: NDArray[np.float32] = values.numpy()
    return found


def pictures(
    network: Network, image_ids: list[str], store: Store, device: torch.device
) -> NDArray[np.uint8]:
    """Return stored images as the network sees them, (n, size, size)."""
    place(network, device)
    rows = store.rows(image_ids)
    with scoring.evaluating(network):
        seen = torch.cat(list(scoring.blocks(network.sees, store, rows, device)))
    found: NDArray[np.uint8] = (255 * seen[:, 0]).round().to(torch.uint8).numpy()
    return found


@contextmanager
def _gradient_from(network: Network, layer: nn.Module) -> Iterator[None]:
    """Let gradients begin at what a layer returns, and reach no weight."""
    before = [(weight, weight.requires_grad) for weight in network.parameters()]
    network.requires_grad_(False)
    # Before any hook of the library's, which then find what this one returns.
    hook = layer.register_forward_hook(lambda _, __, made: made.detach().requires_grad_())
    try:
        yield
    finally:
        hook.remove()
        for weight, learns in before:
            weight.requires_grad_(learns)
