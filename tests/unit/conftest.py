"""People that tests of training lists share."""

import pandas as pd
import pytest

from cxrfair.studies import Study


@pytest.fixture
def plan():
    """A study of two labels and two attributes."""
    return Study.model_validate(
        {
            **{"datasets": ("nih",), "labels": ("edema", "mass")},
            **{"attributes": ("sex", "sex x age"), "reference": "erm"},
            **{"variants": {"erm": {"method": "erm"}}, "seeds": (0, 1)},
        }
    )


@pytest.fixture
def people():
    """Five images: the first three are for training, the first is in doubt for mass."""
    images = ["a", "b", "c", "d", "e"]
    cohort = pd.DataFrame(
        {
            "image_id": images,
            "sex": ["female", "male", "male", "male", "female"],
            "age": ["old", "old", "unknown", "old", "old"],
        }
    )
    targets = pd.DataFrame(
        {
            "image_id": [*images, *images[:3]],
            "label": ["edema"] * 5 + ["mass"] * 3,
            "target": pd.array([1, 0, 1, 1, 1, -1, 1, None], "Int8"),
        }
    )
    folds = ["train", "train", "train", "validation", "test"]
    return cohort, targets, pd.DataFrame({"image_id": images, "fold": folds})
