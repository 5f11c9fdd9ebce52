"""What the reports say: S, Y -> label, with misses that differ by group, doubt and silence."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair.phantom import noise
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.population import FINDINGS, PATHOLOGIES

NOTICED = ("positive", "uncertain")  # states of a finding that the reader saw
ATTRIBUTES = ("sex", "race", "insurance")


def report(config: PhantomConfig, studies: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Return a column for each finding: positive, negative, uncertain or unmentioned.

    A finding that is there is missed at the rates of the person's groups taken together; one that
    is not there is seen at `overdiagnosis`. Doubt is voiced only about what was noticed. The column
    `no_finding` is true where no disease was noticed: as in CheXpert's labels, support devices are
    none.
    """
    keys = studies["key"].to_numpy()
    missed = missed_share(config, studies)
    said = pd.DataFrame(index=studies.index)
    for finding in FINDINGS:
        notice, word = noise.uniform(config.seed, f"report {dataset} {finding}", keys, 2).T
        noticed = np.where(studies[finding], notice >= missed, notice < config.overdiagnosis)
        doubt = np.where(word < config.uncertain_share, "uncertain", "positive")
        silence = np.where(word < config.unmentioned_share, "unmentioned", "negative")
        said[finding] = np.where(noticed, doubt, silence)
    said["no_finding"] = ~said[list(PATHOLOGIES)].isin(NOTICED).any(axis=1)
    return said


def missed_share(config: PhantomConfig, persons: pd.DataFrame) -> NDArray[np.float64]:
    """Return P(not reported | there) for each row, from the rates of the groups it belongs to."""
    seen = np.ones(len(persons))
    for attribute in ATTRIBUTES:
        rates = persons[attribute].map(dict(config.underdiagnosis)).fillna(0.0)
        seen *= 1 - rates.to_numpy(float)
    return 1 - seen
