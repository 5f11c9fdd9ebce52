import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrfair.config import ConfigError
from cxrfair.rebalance import RebalanceError, balanced


def _members(cells):
    return pd.DataFrame(
        [(f"i{k}", sex, edema) for k, (sex, edema) in enumerate(cells)],
        columns=["image_id", "sex", "edema"],
    ).astype({"edema": "Int8"})


def test_weights_by_hand():
    members = _members([("f", 1), ("f", 0), ("f", 0), ("m", 0)])
    weights = balanced.rebalance(members, balanced.Config(over=("sex",)), 0)["weight"]
    assert weights.tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])


def test_a_missing_label_is_a_cell_of_its_own():
    members = _members([("f", 1), ("f", None), ("f", None), ("f", 0)])
    weights = balanced.rebalance(members, balanced.Config(over=("edema",)), 0)["weight"]
    assert weights.tolist() == pytest.approx([4 / 3, 2 / 3, 2 / 3, 4 / 3])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("fm"), st.sampled_from([0, 1, None])), min_size=1),
    st.sampled_from([("sex",), ("edema",), ("sex", "edema")]),
)
def test_every_cell_is_drawn_equally_often(cells, over):
    members = _members(cells)
    listed = balanced.rebalance(members, balanced.Config(over=over), 0)
    assert listed["weight"].sum() == pytest.approx(len(members))
    rows = members.merge(listed, on="image_id")
    totals = rows.groupby(list(over), dropna=False)["weight"].sum()
    assert totals.to_numpy() == pytest.approx(len(members) / len(totals))


def test_an_unknown_column_lists_what_is_allowed():
    with pytest.raises(RebalanceError, match=r"balanced\.over: no \['race'\]; have sex, edema"):
        balanced.rebalance(_members([("f", 1)]), balanced.Config(over=("sex", "race")), 0)


def test_over_must_name_something():
    with pytest.raises(ConfigError, match=r"rebalance\.balanced\.over"):
        balanced.Config.parse('{"over": []}', "rebalance.balanced")
