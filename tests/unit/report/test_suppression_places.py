"""What a public report hides of where networks look."""

import numpy as np
import pandas as pd

from cxrfair.report.suppression._places import hide_places
from cxrfair.tables import LOCALISATION


def test_findings_of_few_images_or_patients_are_hidden_and_all_counts_are():
    frame = pd.DataFrame({"label": ["any", "edema", "mass", "nodule"], "n": [40, 19, 30, 0]})
    frame = frame.assign(n_patients=[30, 19, 5, 0], study="s", dataset="d", variant="v", seed=0)
    frame = frame.assign(looked_at=0.25, note=["seen", "few", None, "no image with a mask"])
    numbers = [name for name, kind in LOCALISATION.columns.items() if kind == "float64?"]
    frame[numbers] = np.tile([[0.12345], [0.5], [0.5], [np.nan]], len(numbers))
    before = frame.copy()
    found = hide_places(frame[LOCALISATION.schema.names], 20)
    pd.testing.assert_frame_equal(frame, before)
    assert list(found) == list(LOCALISATION.columns)
    assert (found.loc[0, numbers] == 0.123).all()
    assert found.loc[[1, 2, 3], numbers].isna().all(axis=None)
    assert found[["n", "n_patients"]].isna().all(axis=None)
    said = ["seen", "hidden: small group", "hidden: small group", "no image with a mask"]
    assert found["note"].tolist() == said
