"""What a training method is."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cxrfair import plugins
from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._network import Network

C = TypeVar("C", bound=Section)
LEARNER = "learner"  # the player whose network is deployed


@dataclass(frozen=True)
class Batch:
    """One step's data, or the part of it that this process (or this turn) holds.

    `image` (n, 1, h, w) in [0, 1]; `target` (n, k) in {0, 1}, between for a label learnt with its
    doubt, NaN where the label is missing; `group` (n,) in [0, g); `index` (n,) the place of each
    example in the training list, for methods that remember something of each.

    `mask` (n, k, s, s) in [0, 1] is where somebody outlined each label, moved as the image was, and
    0 of pairs that do not guide; `guided` (n, k) says which pairs of an image and a label do. Both
    are None where the method reads no outlines, or nobody drew any: then nobody is guided. `seed`
    and `epoch` (from 1) are those of the training, for what is drawn of an example in each epoch.
    """

    image: Tensor
    target: Tensor
    group: Tensor
    index: Tensor
    mask: Tensor | None = None
    guided: Tensor | None = None
    seed: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class Groups:
    """The training groups: names and image counts, in index order."""

    names: tuple[str, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Player:
    """Parameters that one optimiser moves, at `rate` times the learning rate of `train`."""

    parameters: tuple[nn.Parameter, ...]
    rate: float = 1.0


@dataclass(frozen=True)
class Turn:
    """One update: `player` moves so as to lower `loss`, shape (). `numbers` (each ()) are logged.

    The loss is logged as `loss` for the learner and `<player>_loss` for the others. Where `loss` is
    made up only for its gradient, `reported` (also ()) is logged in its place.
    """

    loss: Tensor
    player: str = LEARNER
    numbers: Mapping[str, Tensor] = field(default_factory=dict)
    reported: Tensor | None = None

    @property
    def shown(self) -> Tensor:
        """Return the loss to log, without its graph."""
        return (self.loss if self.reported is None else self.reported).detach()


@dataclass(frozen=True)
class Listed:
    """The training list of m examples, as a method may look at it before its first step.

    `target` (m, k) as in a batch, `labels` the names of its columns; `group` (m,) in [0, g);
    `logit` (m, k): where the method has an upstream that it does not deploy, that network's answers
    on the same images, in evaluation mode and without augmentation; else None.
    """

    target: NDArray[np.float32]
    labels: tuple[str, ...]
    group: NDArray[np.int64]
    logit: NDArray[np.float32] | None = None


class NoConfig(Section):
    """No settings of its own."""


class Method(nn.Module, Generic[C]):
    """How a network is pushed towards its targets; the base class is plain risk minimisation.

    What a method must remember between steps (group weights, averages, adversaries) is a parameter
    or a buffer, so that a checkpoint holds it. `needs` names what is trained before it, as
    `<method>@early` or `<method>@selected`, with `|` between methods of which any will do; that
    network arrives as `upstream`, frozen. Where `deploys_upstream` is true it is a part of what is
    deployed, so that both backbones must be one. Where `reads_text` is true, `build` is given the
    labels' names as numbers; where `reads_masks` is, batches hold outlines, if there are any.

    Several processes may each hold a part of every batch. Whatever a loss takes over images goes
    through `gather` first: every process then computes the loss of the whole batch, and the
    engine averages the gradients, so that the result is that of one process. torch's random numbers
    differ between processes: what is drawn for the whole batch needs a generator of its own.
    """

    source: ClassVar[str]
    uses_groups: ClassVar[bool] = False
    needs: ClassVar[str] = ""
    deploys_upstream: ClassVar[bool] = False
    reads_text: ClassVar[bool] = False
    reads_masks: ClassVar[bool] = False
    batch_statistics: ClassVar[str] = "one mixed forward pass"
    provenance: ClassVar[str] = "none"  # of what is computed from training images beside the loss
    config_type: ClassVar[type[Section]] = NoConfig

    def __init__(
        self, net: Network, groups: Groups, config: C, upstream: Network | None = None
    ) -> None:
        super().__init__()
        self.net, self.groups, self.config = net, groups, config
        # In a tuple torch does not see it: it is an input, not a part of the state.
        self._upstream = (upstream,)

    @property
    def upstream(self) -> Network:
        """Return the network trained before this one, frozen and in evaluation mode."""
        (network,) = self._upstream
        if network is None:
            raise LookupError(
                f"{type(self).__name__}: no upstream network; it needs {self.needs!r}"
            )
        return network

    @classmethod
    def build(cls, net: Network, config: C, text: Tensor | None = None) -> Network:
        """Return the network that is deployed, made around a backbone; by default that itself.

        A trained model is built again by this and its weights: nothing else may be in it.

        Parameters
        ----------
        text
            What the labels say, (2k, w): that each is there, in order, then that each is not. For
            methods that read it, which keep it in a buffer `text` of what they deploy.
        """
        del config, text
        return net

    def players(self) -> dict[str, Player]:
        """Name who moves what; by default the learner moves everything."""
        return {LEARNER: Player(tuple(self.parameters()))}

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the updates of one step in order; each is made before the next is asked for."""
        losses, present = masked_bce(self.net(batch.image), batch.target)
        losses, present, group = gather(losses), gather(present), gather(batch.group)
        yield Turn(self.objective(losses[present], group[present]))

    def objective(self, losses: Tensor, group: Tensor) -> Tensor:
        """Fold per-image losses (n,) into one; override this in most methods."""
        del group
        return losses.mean() if len(losses) else losses.sum()

    def survey(self, listed: Listed) -> None:
        """Note what is needed of the training list, once, before the first step.

        What is noted belongs in buffers. A training that goes on is surveyed again, and its saved
        state then takes the place of what was noted.
        """
        del listed

    def repeats(self, listed: Listed) -> NDArray[np.int64] | None:
        """Say how often an epoch takes each training example, (m,); None for once each."""
        del listed
        return None

    def chances(self, listed: Listed) -> NDArray[np.float64] | None:
        """Say how likely each example (m,) is drawn, relative to others; None for all alike.

        Examples are then drawn with replacement. It multiplies with the weights of the list.
        """
        del listed
        return None


def names() -> tuple[str, ...]:
    """Names of all methods."""
    return plugins.names(sys.modules[__package__])


def get(name: str) -> type[Method[Any]]:
    """Return the method defined in the file of that name."""
    method: type[Method[Any]] = plugins.find(sys.modules[__package__], name).METHOD
    return method


def masked_bce(logit: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Average binary cross entropy over the labels an image has.

    Returns
    -------
    tuple
        Losses (n,), 0 for an image without any label, and presence (n,): False for those.
    """
    known = ~torch.isnan(target)
    filled = torch.where(known, target, torch.zeros_like(target))
    each = functional.binary_cross_entropy_with_logits(logit, filled, reduction="none")
    return over_labels(each, known)


def over_labels(each: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Average finite values (n, k) over the labels known of an image; returned as `masked_bce`."""
    return (each * known).sum(1) / known.sum(1).clamp(min=1), known.any(1)


def mean_per_group(losses: Tensor, group: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Average losses (n,) within each group: means (g,), 0 where absent, and presence (g,)."""
    size = torch.zeros(count, device=losses.device).index_add_(0, group, torch.ones_like(losses))
    total = torch.zeros(count, device=losses.device).index_add_(0, group, losses)
    return total / size.clamp(min=1), size > 0


def mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    """Average the `chosen` (n,) of finite values (n,): (), 0 where none is."""
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
