"""Domain-adversarial training, given the labels."""

import torch
from torch import Tensor

from cxrfair.methods._adversary import Reversal, centred
from cxrfair.methods._network import Representation


class Cdann(Reversal):
    """Hide the group from an adversary that reads the network's features and knows the labels.

    An adversary learns to guess the group of an image from the pooled features and the true labels,
    while the network learns its labels and works against the adversary. The features should in the
    end look alike in all groups among images with the same labels, so that groups may still differ
    in how common a finding is.

    Formula
    -------
    The learner minimises L - alpha L_A, the adversary L_A = mean over images of CE(a, h(f, y)).
    L is the mean binary cross entropy, f the pooled features that the network's head reads, y the
    labels, a the group, h a multilayer perceptron with one hidden layer (rectified) and a softmax
    over the groups. alpha weighs the two; the head is moved by L alone.

    Fails when
    ----------
    Labels that are wrong more often in one group (underdiagnosis) are taken as the truth: features
    are then made alike among images that are not. Cells of label and group with few images are
    barely learnt. L_A is without bound: with a large alpha the network may fool the adversary
    instead of hiding the group; `train_adversary_loss` far above the entropy of the groups shows
    it.

    Here
    ----
    The adversary sees features and labels side by side (Li et al. have an adversary for each class;
    Long et al. multiply features with predictions): a product of thousands of features and many
    labels would be an adversary larger than the network. A missing label is 0, with y measured from
    0.5, and so moves nothing that belongs to it. alpha is the same throughout. Both players move
    from one forward pass, the adversary at its own rate. Any number of groups: one is never guessed
    wrongly, and nothing but L is left; one that is absent from a batch is not learnt from. With
    balanced sampling over groups and labels the adversary cannot gain from how common they are.
    """

    source = "Li et al. 2018 (ECCV), Long et al. 2018, arXiv:1705.10667"

    @staticmethod
    def inputs(width: int, labels: int) -> int:
        """Return the width of the features and the number of labels."""
        return width + labels

    @staticmethod
    def seen(made: Representation, target: Tensor) -> Tensor:
        """Return features and labels (n, d + k), a missing label as 0."""
        return torch.cat([made.pooled.float(), centred(target)], 1)


METHOD = Cdann
