import json

import numpy as np
import pandas as pd
import pytest

from cxrfair import datasets
from cxrfair.images.decode import decode
from cxrfair.phantom import scene
from cxrfair.phantom.writers.jsrt import NODULES, NORMALS

MANY = {"patients": 400, "image_size": 32, "prevalence": {"nodule": 0.6, "mass": 0.0}}


@pytest.fixture(scope="module")
def jsrt(written):
    root, truth = written("jsrt", patients=80, corrupt_share=0.0, prevalence={"nodule": 0.4})
    return root, pd.read_parquet(truth)


def test_files_are_raw_big_endian_density(jsrt):
    root, truth = jsrt
    for row, grey in zip(truth.itertuples(), scene.draw(truth, 48).grey, strict=True):
        data = (root / row.path).read_bytes()
        assert len(data) == 2 * 48 * 48
        values = np.frombuffer(data, ">u2")
        assert values.max() <= 4095
        assert np.corrcoef(values, grey.ravel())[0, 1] < -0.99
        np.testing.assert_array_equal(decode(root / row.path, 48)[0], grey)


def test_there_are_never_more_than_the_sources(written):
    root, truth = written("jsrt", **MANY)
    counts = pd.read_parquet(truth)["has_nodule"].value_counts().to_dict()
    assert counts == {True: NODULES, False: NORMALS}
    assert len(list(root.glob("JPCLN*.IMG"))) == NODULES
    assert (root / "JPCLN154.IMG").is_file()
    assert (root / "JPCNN093.IMG").is_file()
    assert len(datasets.read("jsrt", root, "{}").records) == NODULES + NORMALS


def test_tables_are_tabs_without_a_header(jsrt):
    root, truth = jsrt
    lines = (root / "CLNDAT_EN.txt").read_text().splitlines()
    assert len(lines) == truth["has_nodule"].sum() > 10
    assert {len(line.split("\t")) for line in lines} == {10}
    assert all(line.split("\t")[1] in "12345" for line in lines)
    normals = (root / "CNNDAT_EN.txt").read_text().splitlines()
    assert {len(line.split("\t")) for line in normals} == {4}


def test_circles_lie_on_the_nodules(jsrt):
    root, truth = jsrt
    given = datasets.read("jsrt", root, "{}")
    boxes = truth.set_index("image_id")["boxes"].map(json.loads)
    assert len(given.annotations) > 10
    for row in given.annotations.itertuples():
        x, y, radius, *drawn_in = json.loads(row.geometry)
        assert drawn_in == [2048, 2048]
        found = boxes[row.image_id]
        left, top, width, height = found.get("nodule") or found["mass"]
        assert x / 2048 == pytest.approx(left + width / 2, abs=0.001)
        assert y / 2048 == pytest.approx(top + height / 2, abs=0.001)
        assert radius / 2048 == pytest.approx((width + height) / 4, abs=0.005)
