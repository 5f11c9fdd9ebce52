import pandas as pd
import pytest

from cxrfair.rebalance import RebalanceError, code_rule


def _members(*cells):
    """Members by (sex, edema, mass)."""
    return pd.DataFrame(
        [(f"i{k:02d}", *row) for k, row in enumerate(cells)],
        columns=["image_id", "sex", "edema", "mass"],
    ).astype({"edema": "Int8", "mass": "Int8"})


def _counts(members, seed=0, **settings):
    config = code_rule.Config(
        **{"over": ("sex",), "biased_above": 0.1, "priority": 0.7, **settings}
    )
    listed = code_rule.rebalance(members, config, seed)
    return listed["image_id"].value_counts().to_dict()


# sizes 6, 4, 2: the median cell has 4. Prevalences: edema 5 of 12, mass 1 of 12 (missing is 0).
BIASED = _members(
    *[("f", 1, 0)] * 4,  # score 7/12 + 1/12
    ("f", 0, 0),  # 5/12 + 1/12
    ("f", 0, 1),  # 5/12 + 11/12
    *[("m", 0, None)] * 4,
    ("o", 1, 0),  # 8/12
    ("o", 0, 0),  # 6/12
)


def test_biased_cells_go_by_score():
    counts = _counts(BIASED)
    # f, bias (3/12 + 1/12) / 2 = 1/6 > 0.1: the four of lowest score stay, ties by id
    assert [f"i{k:02d}" for k in range(6) if f"i{k:02d}" in counts] == ["i00", "i01", "i02", "i04"]
    assert [counts[f"i{k:02d}"] for k in range(6, 10)] == [1] * 4
    # o, bias (1/12 + 1/12) / 2 < 0.1: two draws at random
    assert counts["i10"] + counts["i11"] == 4


def test_the_highest_scores_are_copied_first_then_any():
    # with the bound at 0, o goes by score too: int(0.7 x 2) = 1 image comes first, one is chance
    seen = {_counts(BIASED, seed, biased_above=0.0)["i10"] for seed in range(8)}
    assert seen == {2, 3}


def test_unbiased_cells_are_drawn_at_random():
    members = _members(*[("f", 0, 0)] * 8, *[("m", 0, 0)] * 4, *[("o", 0, 0)] * 2)
    kept = {tuple(sorted(_counts(members, seed))) for seed in range(5)}
    assert len(kept) > 1
    assert {sum(_counts(members, seed).values()) for seed in range(5)} == {12}


def test_copies_have_their_own_seeds():
    config = code_rule.Config(over=("sex",), biased_above=0.1, priority=0.7)
    listed = code_rule.rebalance(BIASED, config, 0)
    assert listed["augmentation_seed"].is_unique
    assert listed["partner"].isna().all()


def test_labels_and_nothing_are_refused():
    with pytest.raises(RebalanceError, match="name attributes"):
        _counts(BIASED, over=("edema",))
    with pytest.raises(RebalanceError, match="no training images or no labels"):
        _counts(BIASED[:0])
    with pytest.raises(RebalanceError, match="no training images or no labels"):
        _counts(BIASED.drop(columns=["edema", "mass"]))
