"""Cross entropy with mutual information between a picture and its features."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from cxrfair.config import Section
from cxrfair.distributed import gather
from cxrfair.methods._adversary import gathered_bce
from cxrfair.methods._information import Glance, divergence, jensen_shannon, partners
from cxrfair.methods._method import LEARNER, Batch, Groups, Method, Player, Turn, mean_over
from cxrfair.methods._network import Network
from cxrfair.ranges import Between

ESTIMATOR = "estimator"


class InfomaxConfig(Section):
    """Settings, from `methods.infomax` of params.yaml."""

    weight: Annotated[
        NonNegativeFloat,
        Between(0.1, 10, log=True),
        Field(description="weight of the mutual information, which the network raises"),
    ]
    rate: Annotated[
        PositiveFloat,
        Between(0.1, 10, log=True),
        Field(description="learning rate of the estimator, times that of `train`"),
    ]


class Infomax(Method[InfomaxConfig]):
    """Learn the labels, and keep in the features what tells a picture from others.

    An estimator learns to tell a picture beside its own features from one beside another's, and
    the network learns to make that easy. The features should then be of use for findings that they
    were not trained on. It is the pretraining of Fair Diagnosis, and its deployed model.

    Formula
    -------
    J = E[-softplus(-f(x, e))] - E[softplus(f(x, e'))]
    The network minimises L - weight J, the estimator -J.

    L is the mean binary cross entropy, e the pooled features of x, e' those of another image of the
    batch. f: four convolutions on x (16, 32, 64 and 128 channels, stride 2), averaged over the
    picture and joined with e, a hidden layer of 128 units, one number. J stands in for the mutual
    information of x and e, which nobody can compute.

    Fails when
    ----------
    What tells pictures apart is whatever differs between them: the group, the device and a letter
    in a corner as well as findings. More of it stays in the features than without, so expect the
    group to be easier to read. J is what one small estimator finds; another may find more. e need
    not hold what a later finding needs.

    Here
    ----
    The paper does not weigh L against J; `weight` does, and 0 leaves plain training. J is never
    above 0, so the curves show J / 2 + log 2: a lower bound on the Jensen-Shannon divergence of
    pictures and features together from each by itself, 0 to log 2. It bounds no mutual information
    in nats. e' is not drawn: in the order of the training list each image goes with the one half a
    batch away. Network and estimator move from one forward pass, the estimator at its own rate, and
    it is not deployed. Images without any label are left out, also of J; fewer than two say
    nothing. x is the picture as it is: there is no generator yet.
    """

    source = "Tian et al., Fair Diagnosis, section 3.1, equations 5 and 6"
    config_type = InfomaxConfig

    def __init__(
        self, net: Network, groups: Groups, config: InfomaxConfig, upstream: Network | None = None
    ) -> None:
        super().__init__(net, groups, config, upstream)
        self.estimator = Glance(net.width, 1)

    def players(self) -> dict[str, Player]:
        """Return the network, and the estimator at its own rate."""
        return {
            LEARNER: Player(tuple(self.net.parameters())),
            ESTIMATOR: Player(tuple(self.estimator.parameters()), self.config.rate),
        }

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Move the network, then the estimator."""
        made = self.net.represent(batch.image)
        losses, present = gathered_bce(made.logit, batch.target)
        loss, index = mean_over(losses, present), gather(batch.index)[present]
        seen, features = gather(self.estimator.look(batch.image)), gather(made.pooled.float())
        seen, features = seen[present], features[present]
        found = self._estimate(seen.detach(), features, index)
        numbers = {"jensen_shannon": divergence(found.detach())}
        yield Turn(loss - self.config.weight * found, numbers=numbers, reported=loss)
        yield Turn(-self._estimate(seen, features.detach(), index), ESTIMATOR)

    def _estimate(self, seen: Tensor, features: Tensor, index: Tensor) -> Tensor:
        """Return J () of what is seen of n pictures (n, 128) and of their features (n, d)."""
        together, apart = (
            self.estimator.join(seen, each).squeeze(1)
            for each in (features, features[partners(index)])
        )
        return jensen_shannon(together, apart)


METHOD = Infomax
