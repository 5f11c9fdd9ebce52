"""Patches carried to the phrases that are true of their image: group optimal transport."""

from typing import Annotated, Literal

import ot
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor
from torch.nn import functional

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._method import Batch, mean_over
from cxrfair.methods._words import cosine
from cxrfair.ranges import Among, Between

ITERATIONS, TOLERANCE = 1000, 1e-5  # of Sinkhorn; what is left over of the patches' marginals


class TransportConfig(Section):
    """What every method has that aligns patches with words."""

    align: Annotated[
        NonNegativeFloat,
        Between(0.1, 10, log=True),
        Field(description="weight of the transport loss, beside the labels' own"),
    ]
    balance: Annotated[
        float,
        Between(0, 1),
        Field(ge=0, le=1, description="share of the transport cost; the rest is the regulariser's"),
    ]
    regulariser: Annotated[
        Literal["cross_group", "gw"],
        Among(("cross_group", "gw")),
        Field(
            description="`cross_group`: costs alike in all groups; `gw`: patches lie as phrases do"
        ),
    ]
    epsilon: Annotated[
        PositiveFloat,
        Between(0.01, 1, log=True),
        Field(description="how far plans are smoothed: weight of their entropy"),
    ]


def alignment(config: TransportConfig, tokens: Tensor, words: Tensor, batch: Batch) -> Tensor:
    """Return L_GOT (), of patches (n, p, d) and phrases (2k, d) in one space.

    balance E_T[c] + (1 - balance) R, each a mean over the images that a phrase is true of, those of
    all processes; see `moments`, `between_groups` and `structure`.
    """
    cost, true = 1 - cosine(tokens, words), true_of(batch.target)
    carried = plan(cost, true, config.epsilon)
    first, second = (gather(moment) for moment in moments(cost, carried))
    some = gather(true.any(1))
    if config.regulariser == "gw":
        regular = mean_over(gather(structure(tokens, words, carried)), some)
    else:
        regular = between_groups(
            first, second, pairs(gather(batch.target), gather(batch.group), some)
        )
    return config.balance * mean_over(first, some) + (1 - config.balance) * regular


def true_of(target: Tensor) -> Tensor:
    """Say which of 2k phrases images with labels (n, k) are carried to, (n, 2k).

    Those of their positive labels; of an image without any, those that say its negative ones are
    not there. A missing label, and one as likely as not, says nothing.
    """
    positive, negative = target > 0.5, target < 0.5
    return torch.cat([positive, negative & ~positive.any(1, keepdim=True)], 1)


def plan(cost: Tensor, true: Tensor, epsilon: float) -> Tensor:
    """Return entropic transport plans (n, p, l) of costs (n, p, l), without a gradient.

    Each minimises E_T[cost] - epsilon H(T) with uniform marginals: 1/p for each patch, and an equal
    share for each phrase that is `true` (n, l) of the image; for all of them where none is. Solved
    by POT, all images at once (`ot.solve_batch`).
    """
    some = true | ~true.any(1, keepdim=True)
    share = some / some.sum(1, keepdim=True)
    solved = ot.solve_batch(
        cost.detach().float(),
        reg=epsilon,
        b=share.float(),
        max_iter=ITERATIONS,
        tol=TOLERANCE,
        method="log_sinkhorn",
        grad="detach",
    )
    found: Tensor = solved.plan
    return found


def moments(cost: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
    """Return E_T[c] and E_T[c^2], each (n,), of costs and plans (n, p, l)."""
    return (carried * cost).sum((1, 2)), (carried * cost.square()).sum((1, 2))


def pairs(target: Tensor, group: Tensor, some: Tensor) -> Tensor:
    """Say which two images are compared, (n, n), each two once.

    Those of different groups (n,) whose labels (n, k) are equal and lack the same entries, if a
    phrase is true of `some` (n,) of them: of both.
    """
    stated = torch.nan_to_num(target, nan=-1.0)
    alike = (stated[:, None] == stated[None]).all(2) & some[:, None] & some[None]
    return (alike & (group[:, None] != group[None])).triu()


def between_groups(first: Tensor, second: Tensor, compared: Tensor) -> Tensor:
    """Return the mean over `compared` images (n, n) of sum T T' (c - c')^2, (); 0 without any.

    From the moments (n,) of each image's cost: E[c^2] + E'[c'^2] - 2 E[c] E'[c'].
    """
    each = second[:, None] + second[None] - 2 * first[:, None] * first[None]
    return (each * compared).sum() / compared.sum().clamp(min=1)


def structure(tokens: Tensor, words: Tensor, carried: Tensor) -> Tensor:
    """Return the Gromov-Wasserstein cost (n,) of plans (n, p, l).

    sum over i, j, k, l of (C_ij - D_kl)^2 T_ik T_jl, with C the distances (1 - cosine) between the
    patches (n, p, d) of an image and D those between phrases (l, d).
    """
    normed = functional.normalize(tokens.float(), dim=-1)
    inside, between = 1 - normed @ normed.mT, 1 - cosine(words, words)
    patch, phrase = carried.sum(2), carried.sum(1)
    own = torch.einsum("nij,ni,nj->n", inside.square(), patch, patch)
    other = torch.einsum("kl,nk,nl->n", between.square(), phrase, phrase)
    crossed = torch.einsum("nij,nik,kl,njl->n", inside, carried, between, carried)
    return own + other - 2 * crossed
