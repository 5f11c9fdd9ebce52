import json

import numpy as np
import pandas as pd
import pytest

from cxrfair import annotations, datasets
from cxrfair.phantom import scene
from cxrfair.phantom.writers import _chexpert, chexlocalize

CHANGES = {"patients": 100, "image_size": 64, "dirt_share": 0.2}
LABELS = list(chexlocalize.NAMES)


@pytest.fixture(scope="module")
def made(written):
    root, _ = written("chexlocalize", **CHANGES)
    files = {path.stem: json.loads(path.read_text()) for path in root.glob("*.json")}
    images = pd.read_parquet(written("chexpert", **CHANGES)[1]).set_index("image_id")
    return root, files, images


def test_the_four_files_are_the_originals(made):
    _, files, images = made
    assert set(files) == {
        f"gt_{form}_{fold}" for form in chexlocalize.FORMS for fold in ("val", "test")
    }
    for fold, name in chexlocalize.FOLDS.items():
        masks, outlines = files[f"gt_segmentations_{name}"], files[f"gt_annotations_{name}"]
        assert set(masks) == set(outlines)
        assert set(masks) <= set(images.index[images["fold"] == fold])
        assert all(list(marks) == LABELS for marks in masks.values())
        assert all(marks["img_size"] == [64, 64] for marks in outlines.values())


def test_images_are_named_that_show_something(made):
    _, files, images = made
    findings = [name for label in chexlocalize.NAMES.values() for name in _chexpert.PARTS[label]]
    tested = images[images["fold"] == "test"]
    ill = tested[tested[findings].any(axis=1) & ~tested["lateral"]]
    marked = set(files["gt_segmentations_test"])
    assert marked <= set(ill.index)
    assert len(marked) > 0.8 * len(ill)  # a mask may fade out everywhere below one half


def test_masks_are_those_of_the_truth(made):
    root, _, images = made
    marks = datasets.read("chexlocalize", root, "{}").annotations
    rows = marks[(marks["kind"] == "rle") & (marks["label"] == "pleural_effusion")]
    chosen = images.loc[rows["image_id"]].reset_index()
    at, masks = scene.draw(chosen, 64).masks["pleural_effusion"]
    assert at.tolist() == list(range(len(rows)))
    for geometry, soft in zip(rows["geometry"], masks, strict=True):
        assert (annotations.mask("rle", geometry, 64, 64) == (soft > 0.5)).all()


def test_outlines_go_around_the_masks(made):
    root, _, _ = made
    marks = datasets.read("chexlocalize", root, "{}").annotations
    drawn = {
        key: np.any(
            [annotations.mask(row.kind, row.geometry, 64, 64) for row in rows.itertuples()], 0
        )
        for key, rows in marks.groupby(["image_id", "label", "kind"])
    }
    shares = []
    for (image, label, kind), outside in drawn.items():
        if kind == "polygon" and label in {"pleural_effusion", "cardiomegaly", "edema"}:
            mask = drawn[image, label, "rle"]
            shares.append((mask & outside).sum() / (mask | outside).sum())
    assert len(shares) > 5
    assert np.mean(shares) > 0.8


def test_stray_clicks_are_left_out_and_counted(made, written):
    notes = datasets.read("chexlocalize", made[0], "{}").notes
    assert notes["outlines of fewer than three corners"] > 0
    clean, _ = written("chexlocalize", **{**CHANGES, "dirt_share": 0.0})
    assert list(datasets.read("chexlocalize", clean, "{}").notes) == [
        "masks without a pixel: the finding is not there"
    ]


def test_few_patients_give_files_that_can_be_read(written):
    root, truth = written("chexlocalize", patients=1)
    assert [json.loads(path.read_text()) for path in root.glob("*.json")].count({}) >= 2
    assert pd.read_parquet(truth)["patient_id"].tolist() == ["patient00001"]
