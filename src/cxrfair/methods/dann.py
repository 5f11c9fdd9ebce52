"""Domain-adversarial training."""

from torch import Tensor

from cxrfair.methods._adversary import Reversal
from cxrfair.methods._network import Representation


class Dann(Reversal):
    """Hide the group from an adversary that reads the network's features.

    An adversary learns to guess the group of an image from the pooled features, while the network
    learns its labels and works against the adversary. The features should in the end look alike in
    all groups, whatever their labels.

    Formula
    -------
    The learner minimises L - alpha L_A, the adversary L_A = mean over images of CE(a, h(f)).
    L is the mean binary cross entropy, f the pooled features that the network's head reads, a the
    group, h a multilayer perceptron with one hidden layer (rectified) and a softmax over the
    groups. alpha weighs the two; the head is moved by L alone.

    Fails when
    ----------
    If a finding is more common in one group, features that are alike in all groups cannot tell the
    finding well: either AUROC falls or the group stays visible (`cdann` asks for less). L_A is
    without bound: with a large alpha the network may fool the adversary instead of hiding the
    group; `train_adversary_loss` far above the entropy of the groups shows it. An adversary that
    fails is no proof: ask a probe fitted afterwards whether the group is gone.

    Here
    ----
    alpha is the same throughout; the paper raises it from 0 during training. Both players move from
    one forward pass, the adversary at its own rate. Its one hidden layer is that of the paper's
    experiment on digits. Images without any label are left out. Any number of groups: one is never
    guessed wrongly, and nothing but L is left; one that is absent from a batch is not learnt from.
    With balanced sampling the adversary cannot gain from which group is the largest.
    """

    source = "Ganin et al. 2016, arXiv:1505.07818, section 4.2"

    @staticmethod
    def inputs(width: int, labels: int) -> int:
        """Return the width of the features."""
        del labels
        return width

    @staticmethod
    def seen(made: Representation, target: Tensor) -> Tensor:
        """Return the pooled features (n, d)."""
        del target
        return made.pooled.float()


METHOD = Dann
