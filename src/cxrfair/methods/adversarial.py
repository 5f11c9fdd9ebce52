"""Adversarial learning on the scores."""

import torch
from torch import Tensor

from cxrfair.methods._adversary import Reversal, centred
from cxrfair.methods._network import Representation


class Adversarial(Reversal):
    """Hide the group from an adversary that reads the network's scores.

    An adversary learns to guess the group of an image from its logits and its true labels, while
    the network learns its labels and works against the adversary. Whatever the scores say of the
    group beyond what the labels say of it is worked out of them: this aims at equalised odds.

    Formula
    -------
    The learner minimises L - alpha L_A, the adversary L_A = mean over images of CE(a, h(z, y)).
    L is the mean binary cross entropy, z the logits, y the labels, a the group, h a multilayer
    perceptron with one hidden layer (rectified) and a softmax over the groups. alpha weighs the
    two.

    Fails when
    ----------
    L_A is without bound: with a large alpha the network may fool the adversary, which then is
    confidently wrong, instead of hiding the group, and AUROC falls. Watch `train_adversary_loss`:
    near the entropy of the groups nothing can be told, far above it the game is lost, far below it
    the group is still told. L_A is a mean over images, so that a small group weighs little; and an
    adversary that guesses nothing only shows that this adversary cannot.

    Here
    ----
    Both players move from one forward pass, the adversary at its own rate. With many labels the
    adversary sees the logits and labels of all of them; of a missing label it sees 0 and 0, and y
    is measured from 0.5. Any number of groups: one is never guessed wrongly, and nothing but L is
    left; one that is absent from a batch is not learnt from. With balanced sampling the adversary
    cannot gain from which group is the largest.
    """

    source = "Wadsworth, Vera & Piech 2018, arXiv:1807.00199"

    @staticmethod
    def inputs(width: int, labels: int) -> int:
        """Return 2 k: a logit and a label for each of k."""
        del width
        return 2 * labels

    @staticmethod
    def seen(made: Representation, target: Tensor) -> Tensor:
        """Return logits and labels (n, 2 k), both 0 where the label is missing."""
        known = ~torch.isnan(target)
        return torch.cat([made.logit.float() * known, centred(target)], 1)


METHOD = Adversarial
