import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrfair import annotations, datasets
from cxrfair.phantom.population import FINDINGS
from cxrfair.phantom.writers.nih_chestxray14 import BOXED, NAMES

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
CLEAN = {"underdiagnosis": {}, "overdiagnosis": 0.0, "corrupt_share": 0.0}


@pytest.fixture(scope="module")
def nih(written):
    root, truth = written("nih_chestxray14", patients=150, box_share=1.0, **CLEAN)
    return root, pd.read_csv(root / "Data_Entry_2017_v2020.csv"), pd.read_parquet(truth)


def test_the_header_is_the_originals(nih):
    root, *_ = nih
    assert (root / "Data_Entry_2017_v2020.csv").read_text().splitlines()[0] == HEADER


def test_file_names_follow_patient_and_follow_up(nih):
    root, entries, _ = nih
    pairs = zip(entries["Patient ID"], entries["Follow-up #"], strict=True)
    assert entries["Image Index"].tolist() == [f"{p:08d}_{n:03d}.png" for p, n in pairs]
    assert sorted(entries["Image Index"]) == sorted(p.name for p in (root / "images").iterdir())


def test_images_are_grey_squares(nih):
    root, entries, _ = nih
    with Image.open(root / "images" / entries["Image Index"][0]) as image:
        assert (image.mode, image.size) == ("L", (48, 48))


def test_labels_are_the_truth_when_reports_are_perfect(nih):
    _, entries, truth = nih
    truth = truth.set_index("image_id").loc[entries["Image Index"]]
    for labels, (_, row) in zip(entries["Finding Labels"], truth.iterrows(), strict=True):
        assert labels == (
            "|".join(NAMES[f] for f in FINDINGS if f in NAMES and row[f]) or "No Finding"
        )


def test_what_the_source_has_no_label_for_leaves_its_images_without_finding(nih):
    _, entries, truth = nih
    truth = truth.set_index("image_id").loc[entries["Image Index"]]
    only = ~truth[list(NAMES)].any(axis=1) & truth["support_devices"]
    assert only.sum() > 5
    assert set(entries["Finding Labels"][only.to_numpy()]) == {"No Finding"}


def test_people_are_described_in_the_originals_words(nih):
    _, entries, _ = nih
    assert set(entries["Patient Gender"]) == {"F", "M"}
    assert set(entries["View Position"]) == {"AP", "PA"}
    assert entries["Patient Age"].between(18, 120).all()


def test_the_lists_part_the_patients(nih):
    root, entries, _ = nih
    lists = [(root / f"{name}_list.txt").read_text().split() for name in ("train_val", "test")]
    assert sorted(lists[0] + lists[1]) == sorted(entries["Image Index"])
    patients = [{name[:8] for name in names} for names in lists]
    assert not patients[0] & patients[1]
    assert len(lists[0]) > len(lists[1]) > 0


def test_boxes_have_the_odd_header_and_lie_on_the_finding(nih):
    root, entries, truth = nih
    lines = (root / "BBox_List_2017.csv").read_text().splitlines()
    assert lines[0] == "Image Index,Finding Label,Bbox [x,y,w,h],,,"
    boxes = truth.set_index("image_id")["boxes"].map(json.loads)
    labels = entries.set_index("Image Index")["Finding Labels"]
    finding = {name: key for key, name in BOXED.items()}
    assert len(lines) > 40
    for image, label, *box in (line.split(",") for line in lines[1:]):
        assert NAMES[finding[label]] in labels[image].split("|")
        wanted = np.array(boxes[image][finding[label]]) * 1024
        np.testing.assert_allclose([float(v) for v in box], wanted)
        assert box[0] != "nan"
        assert (wanted[:2] + wanted[2:] <= 1024).all()


def test_no_boxes_at_share_zero(written):
    root, _ = written("nih_chestxray14", box_share=0.0)
    assert len((root / "BBox_List_2017.csv").read_text().splitlines()) == 1


def test_boxes_lie_on_the_findings_of_pictures_of_any_size(nih):
    root, _, truth = nih
    boxes = truth.set_index("image_id")["boxes"].map(json.loads)
    marks = datasets.read("nih_chestxray14", root, "{}").annotations
    assert len(marks) > 40
    for row in marks.itertuples():
        inside = annotations.mask(row.kind, row.geometry, 48, 48, (480, 480))
        down, across = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
        found = [across[0], down[0], len(across), len(down)]
        wanted = [np.array(box) * 480 for box in boxes[row.image_id].values()]
        assert min(np.abs(np.array(found) - box).max() for box in wanted) <= 1
