"""Networks whose patches are compared with what the labels say in words."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrfair.errors import CxrfairError
from cxrfair.methods._network import Around, Network, Representation


class Attended(NamedTuple):
    """What a network that selects patches makes of n images.

    `tokens` (n, p, d) of all patches; `relevance` (n, p, 2k) of each to every phrase; `kept`
    (n, q) which patches are selected, the most relevant first; `pooled` (n, d), `logit` (n, k).
    """

    tokens: Tensor
    relevance: Tensor
    kept: Tensor
    pooled: Tensor
    logit: Tensor

    @property
    def selected(self) -> Tensor:
        """Return Z, the tokens of the selected patches (n, q, d)."""
        return self.tokens.gather(1, self.kept[..., None].expand(-1, -1, self.tokens.shape[-1]))


class Worded(Around):
    """A network and a learned map from the space of a text encoder to that of its patches.

    The network answers as it does without; the map is for whoever aligns patches with words, and
    for drawing how close each patch is to each phrase. `text` (2k, w) are embeddings of what the k
    labels say: that each is there, in order, then that each is not. They are never trained.
    """

    text: Tensor

    def __init__(self, body: Network, text: Tensor | None) -> None:
        super().__init__(body)
        if text is None or len(text) != 2 * body.head.out_features:
            has, labels = "none" if text is None else len(text), body.head.out_features
            raise CxrfairError(f"text: {has} embeddings for {labels} labels; allowed: two a label")
        self.register_buffer("text", text.clone())
        self.to_patches = nn.Linear(text.shape[1], body.width, bias=False)

    def words(self) -> Tensor:
        """Return the phrases in the space of the patches, (2k, d)."""
        mapped: Tensor = self.to_patches(self.text)
        return mapped

    def represent(self, image: Tensor) -> Representation:
        """Return what the network makes of images (n, 1, h, w), words or not."""
        return self.body.represent(image)

    def relevance(self, tokens: Tensor) -> Tensor:
        """Return how close patches (n, p, d) are to each phrase, (n, p, 2k): the cosine."""
        return cosine(tokens, self.words())

    def draw(self, image: Tensor) -> tuple[str, Tensor]:
        """Return `relevance` and, of each image, its map to every phrase (n, 2k, rows, columns)."""
        with torch.no_grad():
            found = self.relevance(self.represent(image).tokens.float())
        return "relevance", found.transpose(1, 2).reshape(len(image), -1, *self.grid)

    def shows(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Name the maps: that each label is there, then that it is not."""
        return (*labels, *(f"not {label}" for label in labels))


class Strided(Worded):
    """A network that answers from its most relevant patches alone.

    Relevance is the cosine of patch and phrase over `temperature` plus `mask` (p, 2k), learnt from
    0, of one image as of another: where in a picture to look for what. The share `keep` of patches
    with the largest relevance to any phrase is selected, and their tokens averaged, the more
    relevant the heavier.
    """

    def __init__(self, body: Network, text: Tensor | None, keep: float, temperature: float) -> None:
        super().__init__(body, text)
        patches = math.prod(body.grid)
        self.count, self.temperature = math.ceil(keep * patches), temperature
        self.mask = nn.Parameter(torch.zeros(patches, len(self.text)))

    def attend(self, image: Tensor) -> Attended:
        """Select patches of images (n, 1, h, w) and answer from them, in one forward pass."""
        made = self.body.represent(image)
        with torch.autocast(image.device.type, enabled=False):
            tokens = made.tokens.float()
            relevance = self.relevance(tokens)
            weight, kept = select(relevance.amax(2), self.count)
            pooled = torch.einsum("np,npd->nd", weight, tokens)
            logit: Tensor = self.head(pooled)
        return Attended(tokens, relevance, kept, pooled, logit)

    def represent(self, image: Tensor) -> Representation:
        """Return all patches, what the selected ones are pooled to, and the answers from that."""
        seen = self.attend(image)
        return Representation(seen.tokens, seen.pooled, seen.logit, self.grid)

    def relevance(self, tokens: Tensor) -> Tensor:
        """Return r (n, p, 2k) of patches (n, p, d)."""
        return super().relevance(tokens) / self.temperature + self.mask


def select(score: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Choose the `count` patches of largest score (n, p) of each image; of equals, the first.

    Returns
    -------
    tuple
        Weights (n, p) that sum to 1: the softmax of the scores over those chosen, 0 elsewhere; in
        the backward pass, that over all patches (straight-through), so that what was left out
        learns too. And places (n, count), the largest score first.
    """
    kept = score.argsort(dim=1, descending=True, stable=True)[:, :count]
    soft = score.softmax(1)
    chosen = torch.zeros_like(soft).scatter(1, kept, score.gather(1, kept).softmax(1))
    return chosen.detach() + soft - soft.detach(), kept


def cosine(some: Tensor, others: Tensor) -> Tensor:
    """Return cosines (..., p, l) of vectors (..., p, d) and (l, d), float32."""
    with torch.autocast(some.device.type, enabled=False):
        one, other = (functional.normalize(each.float(), dim=-1) for each in (some, others))
        return one @ other.mT
