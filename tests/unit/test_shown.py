import numpy as np
import pandas as pd
import pytest

from cxrfair.shown import DrawConfig, shown


def many(n):
    fold = np.where(np.arange(n) % 2, "test", "train")
    return pd.DataFrame({"image_id": [f"i{i:03d}" for i in range(n)], "fold": fold, "cell": "x"})


def test_images_shown_are_of_the_test_fold_and_do_not_hang_on_order_or_on_the_others():
    splits = many(400)
    chosen = shown(splits, DrawConfig(images=20, annotated=5, share=0.25))
    assert len(set(chosen)) == 20
    assert set(chosen) <= set(splits.loc[splits["fold"] == "test", "image_id"])
    assert shown(splits[::-1], DrawConfig(images=20, annotated=5, share=0.25)) == chosen
    assert set(chosen) < set(shown(splits, DrawConfig(images=30, annotated=5, share=0.25)))
    fewer = splits[splits["image_id"] != chosen[3]]
    assert (
        len(set(shown(fewer, DrawConfig(images=20, annotated=5, share=0.25))) & set(chosen)) == 19
    )
    assert chosen != sorted(splits.loc[splits["fold"] == "test", "image_id"])[:20]


def test_all_test_images_are_shown_where_there_are_too_few():
    assert shown(many(6), DrawConfig(images=20, annotated=5, share=0.25)) == [
        "i001",
        "i003",
        "i005",
    ]
    with pytest.raises(ValueError, match="greater than 0"):
        DrawConfig(images=0, annotated=5, share=0.25)
    with pytest.raises(ValueError, match="greater than 0"):
        DrawConfig(images=1, annotated=0, share=0.25)


def marks(*ids):
    """Places of masks, two labels an image."""
    rows = [(image, label) for image in ids for label in ("edema", "mass")]
    frame = pd.DataFrame(rows, columns=["image_id", "label"])
    return frame.assign(fold="test", row=range(len(rows)))


def test_images_with_a_mask_are_shown_beside_those_without_and_do_not_hang_on_them():
    splits, config = many(400), DrawConfig(images=20, annotated=30, share=0.25)
    test = splits.loc[splits["fold"] == "test", "image_id"].tolist()
    plain, masked = shown(splits, config), test[:80]
    found = shown(splits, config, marks(*masked, "i000", "elsewhere"))
    assert set(plain) <= set(found)
    assert set(found) - set(plain) <= set(masked)
    assert len(set(found) & set(masked)) >= 30
    assert len(found) <= 50
    assert found == sorted(set(found))
    assert set(shown(splits, config, marks(*masked[:5]))) == {*plain, *masked[:5]}
    assert shown(splits, config, marks()) == plain
    fewer = shown(splits, config, marks(*(image for image in masked if image != found[-1])))
    assert len(set(found) - set(fewer)) <= 1
