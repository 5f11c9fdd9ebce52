import hashlib

import numpy as np
import pandas as pd
import pytest
from tfrecord.reader import tfrecord_loader

from cxrfair import datasets
from cxrfair.datasets import SourceError, mimic_cxr_embeddings

CHANGES = {"patients": 60, "image_size": 32, "dirt_share": 0.05}


def _vectors(root, paths):
    return np.stack(list(mimic_cxr_embeddings.vectors(root, paths)))


@pytest.fixture(scope="module")
def embedded(written):
    root, truth = written("mimic_cxr_embeddings", corrupt_share=0.0, **CHANGES)
    return root, pd.read_parquet(truth)


def test_every_frontal_image_of_mimic_cxr_has_one_and_no_other(written, embedded):
    _, images = written("mimic_cxr", corrupt_share=0.0, **CHANGES)
    images = pd.read_parquet(images)
    frontal = images[~images["lateral"]]
    _, truth = embedded
    assert 0 < len(frontal) < len(images)
    assert truth["image_id"].tolist() == frontal["image_id"].tolist()
    assert truth["path"].tolist() == frontal["path"].str.replace(".jpg", ".tfrecord").tolist()


def test_the_adapter_lists_and_reads_them(embedded):
    root, truth = embedded
    found = datasets.read("mimic_cxr_embeddings", root, "{}")
    assert found.absent.empty
    assert found.notes == {}
    assert sorted(found.index["image_id"]) == sorted(truth["image_id"])
    rows = found.index.merge(truth, on="image_id", suffixes=("", "_true"))
    assert (rows["patient_id"] == rows["subject_id"].astype(str)).all()
    assert (rows["study_id"] == rows["study_id_true"].astype(str)).all()
    vectors = _vectors(root, found.index["path"])
    assert vectors.shape == (len(truth), 1376)
    assert 0.3 < vectors.std() < 3


def test_another_library_reads_the_same(embedded):
    root, truth = embedded
    for path in truth["path"].head(3):
        (record,) = tfrecord_loader(str(root / path), None, {"embedding": "float"})
        np.testing.assert_array_equal(record["embedding"], _vectors(root, [path])[0])
        assert 5_500 < (root / path).stat().st_size < 5_700  # as in the original


def test_the_list_holds_the_licence_first_and_right_checksums(embedded):
    root, truth = embedded
    lines = [line.split(" ") for line in (root / "SHA256SUMS.txt").read_text().splitlines()]
    assert [path for _, path in lines] == ["LICENSE.txt", *truth["path"]]
    for digest, path in lines:
        assert hashlib.sha256((root / path).read_bytes()).hexdigest() == digest


def test_copies_have_equal_vectors_and_others_differ(embedded):
    root, truth = embedded
    paths = truth.set_index("image_id")["path"]
    copies = truth[truth["copy_of"] != ""]
    assert len(copies) > 2
    first, second = _vectors(root, copies["path"]), _vectors(root, paths[copies["copy_of"]])
    np.testing.assert_array_equal(first, second)
    once = truth[truth["copy_of"] == ""]
    assert len(np.unique(_vectors(root, once["path"]), axis=0)) == len(once)


def _accuracy(root, truth, target):
    """Of a ridge regression's sign, on patients it was not fitted on."""
    x = _vectors(root, truth["path"]).astype(float)
    y = np.where(target, 1.0, -1.0)
    x = np.c_[x - x.mean(axis=0), np.ones(len(x))]
    fitted = (truth["patient"] % 2 == 0).to_numpy()
    kernel = x[fitted] @ x[fitted].T + 1.0 * np.eye(fitted.sum())
    weights = x[fitted].T @ np.linalg.solve(kernel, y[fitted])
    return ((x[~fitted] @ weights > 0) == target[~fitted]).mean()


def test_sex_and_findings_can_be_told_from_a_vector(written):
    changes = {**CHANGES, "patients": 250, "corrupt_share": 0.0}
    root, truth = written("mimic_cxr_embeddings", **changes)
    truth = pd.read_parquet(truth)
    assert _accuracy(root, truth, (truth["sex"] == "female").to_numpy()) > 0.85
    effusion = truth["pleural_effusion"].to_numpy(bool)
    assert _accuracy(root, truth, effusion) > max(effusion.mean(), 1 - effusion.mean()) + 0.03


def test_spoilt_files_are_refused_by_name(written):
    root, truth = written("mimic_cxr_embeddings", **{**CHANGES, "corrupt_share": 0.3})
    truth = pd.read_parquet(truth)
    assert set(truth["spoilt"]) == {"", "truncated", "not an image", "empty"}
    for path, how in zip(truth["path"], truth["spoilt"], strict=True):
        if how:
            with pytest.raises(SourceError, match="cut short|is empty|checksum"):
                _vectors(root, [path])
        else:
            assert _vectors(root, [path]).shape == (1, 1376)
