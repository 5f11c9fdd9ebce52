"""The training recipe of CheXclusion."""

from cxrfair.methods._method import Method, NoConfig


class Chexclusion(Method[NoConfig]):
    """Train as CheXclusion did, blind to groups.

    It is plain risk minimisation with a training recipe of its own, and no debiasing: the study
    trained so in order to measure gaps in true positive rates, and excludes nothing. The recipe is
    `recipes.chexclusion` of params.yaml: it takes the place of `train` for variants of this method,
    unless their own `train` says otherwise.

    Formula
    -------
    L = mean over images of the mean binary cross entropy of an image's labels. Adam at 5e-4, halved
    after 3 epochs without a better validation loss; it ends after 10 such epochs, or after 64.
    DenseNet-121 with ImageNet weights, batches of 48, flips, rotations within 15 degrees.

    Fails when
    ----------
    It is read as a method against gaps: it does nothing about them. Against `erm` it compares two
    recipes (network, rate, patience), not two ideas of fairness. At scales below `paper` the
    network and the epochs are those a CPU can do.

    Here
    ----
    What is of a study, not of a training, is set where it stands: `images.size` 256; all 14 labels
    of the data set in `labels` of the study (8 that all have where data sets are joined), each of
    which was judged by its true positive rate; `labels.uncertain` and `labels.unmentioned` `zero`;
    five `seeds`; `threshold` `max_f1`; `split` with 0.1 for validation and for test. An epoch is
    judged on `train.validation.images` images.

    Nothing in which the training differs from that of `ubaia` is known to us; the labels of NIH do
    (no `no_finding`), and the question. The authors' code departs from this recipe: Adam starts
    afresh with each epoch, the rate is halved after every epoch from the third stale one on, it
    begins at 5e-5 for CheXpert alone, and training on joined data sets ends after 5 stale epochs.
    """

    source = (
        "Seyyed-Kalantari et al. 2021, Pacific Symposium on Biocomputing 26, 232-243, "
        "arXiv:2003.00827"
    )


METHOD = Chexclusion
