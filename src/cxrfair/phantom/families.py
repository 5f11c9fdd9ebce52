"""Whose patients a data set has: one hospital's data sets share them, and hospitals do not.

Data sets of a family are of the same people, patient by patient: what says more of MIMIC-CXR's
patients must be of them. Every family is drawn from a seed of its own, so that a data set of
another hospital shows nobody a network was trained on.
"""

from collections.abc import Mapping

from cxrfair.hashing import stable_hash
from cxrfair.phantom.config import PhantomConfig

FAMILIES: Mapping[str, tuple[str, ...]] = {  # a data set that is in none is one by itself
    "mimic": ("mimic_cxr", "mimic_iv", "mimic_iv_ed", "mimic_sdoh", "mimic_cxr_embeddings"),
    "chexpert": ("chexpert", "chexlocalize"),
}
FIRST = "mimic"  # its people are those of the seed itself


def family(dataset: str) -> str:
    """Name the family of a data set."""
    named = (name for name, of in FAMILIES.items() if dataset in of)
    return next(named, dataset)


def settled(config: PhantomConfig, dataset: str) -> PhantomConfig:
    """Return the settings by which a data set's people are drawn: with the seed of its family.

    Whatever draws a data set, its truth or its interventions is given these, and nothing else may
    change the seed; given twice they would be of other people.
    """
    name = family(dataset)
    if name == FIRST:
        return config
    return config.model_copy(update={"seed": stable_hash("phantom family", config.seed, name)})
