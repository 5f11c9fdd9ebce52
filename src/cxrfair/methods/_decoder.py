"""Networks that are asked for each label in words, and say where they looked for the answer."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrfair.methods._network import Network, Representation
from cxrfair.methods._words import Worded

LEAST = 1e-3  # of attention times p, so that its logarithm is defined
CHANNELS = 8  # of what refines a map


class Shape(NamedTuple):
    """How a decoder is made: its layers, heads, units between, and the chance of dropping one."""

    layers: int
    heads: int
    feedforward: int
    dropout: float


class Asked(NamedTuple):
    """What a network makes of n images that it is asked l labels of.

    `tokens` (n, p, d) of all patches; `query` (n, l, d) what each question ends as; `logit` (n, l);
    `attention` (n, l, p) of the last layer, the mean over its heads: it sums to 1.
    """

    tokens: Tensor
    query: Tensor
    logit: Tensor
    attention: Tensor


class Looking(nn.Module):
    """Cross attention: each query looks at the memory, by several heads.

    softmax(Q K' / sqrt(e)) V, each head with e = ceil(d / heads) numbers, so that any number of
    heads will do (Vaswani et al. 2017, arXiv:1706.03762, equation 1). Keys have no bias: it would
    change nothing.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, inner = heads, heads * math.ceil(width / heads)
        self.query, self.key = nn.Linear(width, inner), nn.Linear(width, inner, bias=False)
        self.value, self.out = nn.Linear(width, inner), nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return what queries (n, l, d) find in a memory (n, p, d).

        Returns
        -------
        tuple
            What is found (n, l, d), and the heads' mean attention (n, l, p), before dropout.
        """
        q, k = self._split(self.query(query)), self._split(self.key(memory))
        attention = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
        found = self.dropout(attention) @ self._split(self.value(memory))
        return self.out(found.transpose(1, 2).flatten(2)), attention.mean(1)

    def _split(self, mixed: Tensor) -> Tensor:
        """Lay out (n, l, heads * e) as (n, heads, l, e)."""
        return mixed.reshape(*mixed.shape[:2], self.heads, -1).transpose(1, 2)


class Layer(nn.Module):
    """A layer of a decoder, normalised first: look at the memory, then think.

    Queries do not look at each other: what is asked beside a label does not change its answer.
    """

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.looking = Looking(width, shape.heads, shape.dropout)
        self.thinking = nn.Sequential(
            nn.Linear(width, shape.feedforward),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.feedforward, width),
        )
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, query: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries (n, l, d) after a look at the memory (n, p, d), and where (n, l, p)."""
        found, attention = self.looking(self.before(query), memory)
        query = query + self.dropout(found)
        return query + self.dropout(self.thinking(self.between(query))), attention


class Refiner(nn.Module):
    """Turn attention into a map that can be held against an outline.

    sigmoid(a + conv(GELU(conv(a)))) with a = log(p attention + 0.001): attention that is the same
    everywhere gives 1/2. Both convolutions are 3 x 3, with 8 channels between, and the last starts
    at 0: a map that nobody taught has its cells in the order of their attention.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, CHANNELS, 3, padding=1)
        self.last = nn.Conv2d(CHANNELS, 1, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]  # it has one

    def forward(self, attention: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return maps (n, l, rows, columns) in [0, 1] of attention (n, l, p) over a grid."""
        level = torch.log(attention * math.prod(grid) + LEAST)
        level = level.reshape(-1, 1, *grid)
        refined = torch.sigmoid(level + self.last(functional.gelu(self.first(level))))
        return refined.reshape(*attention.shape[:2], *grid)


class Aligned(Worded):
    """A network that looks for each label by its name, in the patches of its body.

    What says that a label is there, mapped to the patches' space, is a query; layers of cross
    attention let it look at the patches. A label's logit is its own row of the head on its own
    query. Maps are those of the last layer, refined. There is no more to it at inference.
    """

    def __init__(self, body: Network, text: Tensor | None, shape: Shape) -> None:
        super().__init__(body, text)
        self.memory, self.answer = nn.LayerNorm(body.width), nn.LayerNorm(body.width)
        self.layers = nn.ModuleList(Layer(body.width, shape) for _ in range(shape.layers))
        self.refiner = Refiner()

    def ask(self, image: Tensor, labels: slice = slice(None)) -> Asked:
        """Ask images (n, 1, h, w) for some of the k labels, in one forward pass.

        From the patches on it is computed in float32 whatever the precision of the rest.
        """
        tokens = self.body.represent(image).tokens
        with torch.autocast(image.device.type, enabled=False):
            tokens = tokens.float()
            memory, head = self.memory(tokens), self.head
            query = self.to_patches(self.text[: head.out_features][labels])
            query = query.expand(len(image), -1, -1)
            for layer in self.layers:
                query, attention = layer(query, memory)
            query = self.answer(query)
            logit = (query * head.weight[labels]).sum(2) + head.bias[labels]
        return Asked(tokens, query, logit, attention)

    def maps(self, attention: Tensor) -> Tensor:
        """Return refined maps (n, l, rows, columns) in [0, 1] of attention (n, l, p)."""
        with torch.autocast(attention.device.type, enabled=False):
            refined: Tensor = self.refiner(attention, self.grid)
        return refined

    def represent(self, image: Tensor) -> Representation:
        """Return patches, the mean of the labels' queries as `pooled`, and the answers.

        With one label the head reads `pooled`; with more, each label's row reads its own query, so
        that the head on `pooled` is not the logit.
        """
        seen = self.ask(image)
        return Representation(seen.tokens, seen.query.mean(1), seen.logit, self.grid)

    def draw(self, image: Tensor) -> tuple[str, Tensor]:
        """Return `attention` and, of each image, its refined map of every label (n, k, r, c)."""
        with torch.no_grad():
            return "attention", self.maps(self.ask(image).attention)

    def shows(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Name the maps: one a label."""
        return labels
