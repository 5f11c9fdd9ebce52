import numpy as np
import pandas as pd
import pytest

from cxrfair.shown import DrawConfig, shown


def many(n):
    fold = np.where(np.arange(n) % 2, "test", "train")
    return pd.DataFrame({"image_id": [f"i{i:03d}" for i in range(n)], "fold": fold, "cell": "x"})


def test_images_shown_are_of_the_test_fold_and_do_not_hang_on_order_or_on_the_others():
    splits = many(400)
    chosen = shown(splits, DrawConfig(images=20, share=0.25))
    assert len(set(chosen)) == 20
    assert set(chosen) <= set(splits.loc[splits["fold"] == "test", "image_id"])
    assert shown(splits[::-1], DrawConfig(images=20, share=0.25)) == chosen
    assert set(chosen) < set(shown(splits, DrawConfig(images=30, share=0.25)))
    fewer = splits[splits["image_id"] != chosen[3]]
    assert len(set(shown(fewer, DrawConfig(images=20, share=0.25))) & set(chosen)) == 19
    assert chosen != sorted(splits.loc[splits["fold"] == "test", "image_id"])[:20]


def test_all_test_images_are_shown_where_there_are_too_few():
    assert shown(many(6), DrawConfig(images=20, share=0.25)) == ["i001", "i003", "i005"]
    with pytest.raises(ValueError, match="greater than 0"):
        DrawConfig(images=0, share=0.25)
