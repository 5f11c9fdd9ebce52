import pandas as pd
import pytest

from cxrfair.statistics.cells import AttributeNameError, group_values, make

FRAME = pd.DataFrame(
    {
        "sex": ["female", "male", "unknown", "female"],
        "age": ["0-20", "0-20", "20-40", "unknown"],
    }
)


def test_an_intersection_with_an_unknown_part_is_unknown():
    expected = ["female x 0-20", "male x 0-20", "unknown", "unknown"]
    assert group_values(FRAME, "sex x age").tolist() == expected


def test_cells_cover_each_attribute_once():
    cells = make(FRAME, ["sex", "sex x age"])
    assert [(c.attribute, c.group, c.rows.tolist()) for c in cells] == [
        ("all", "all", [0, 1, 2, 3]),
        ("sex", "female", [0, 3]),
        ("sex", "male", [1]),
        ("sex", "unknown", [2]),
        ("sex x age", "female x 0-20", [0]),
        ("sex x age", "male x 0-20", [1]),
        ("sex x age", "unknown", [2, 3]),
    ]


def test_an_attribute_that_is_not_there_is_named():
    with pytest.raises(AttributeNameError, match="no attribute 'race'; have sex, age"):
        group_values(FRAME, "sex x race")
