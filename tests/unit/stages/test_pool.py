"""Files of several data sets to those of a pool."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrfair import tables
from cxrfair.cohort.filters import CohortConfig, select
from cxrfair.cohort.flow import ingested
from cxrfair.images.store import Store
from cxrfair.stages._cli import call
from cxrfair.stages.images import images
from cxrfair.stages.images_shard import images_shard
from cxrfair.stages.pool import pool
from cxrfair.stages.pool_images import pool_images
from cxrfair.stages.pool_outlines import pool_outlines

NAMES = ("vindr", "nih")
CONFIG = json.dumps({"size": 16, "shards": 1, "max_quarantined": 0.5})
LABELS = {"vindr": "nodule_mass", "nih": "mass"}
KINDS = ("records", "labels", "annotations", "absent", "flow")


def run(stage, **flags):
    words = []
    for name, value in flags.items():
        each = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, each)]
    call(stage, words)


def member(folder, name):
    """Three images, the last of them damaged and the first the same picture in both members."""
    (folder / "raw").mkdir(parents=True)
    for k in range(2):
        shade = np.full((8, 8), 30 + 20 * k * len(name), np.uint8)
        shade[7, 7] = 255
        Image.fromarray(shade).save(folder / "raw" / f"{k}.png")
    (folder / "raw" / "2.png").write_bytes(b"")
    ids = [str(k) for k in range(3)]
    paths = [f"{k}.png" for k in range(3)]
    records = tables.RECORDS.empty().reindex(range(3))
    records = records.assign(image_id=ids, dataset=name, patient_id=ids, study_id=ids, path=paths)
    records = records.assign(sex="male", view="PA")
    tables.RECORDS.write(records, folder / "records")
    states = pd.DataFrame({"image_id": ids, "label": LABELS[name], "state": "positive"})
    tables.LABELS.write(states, folder / "labels")
    mark = pd.DataFrame({"image_id": ["0"], "label": LABELS[name], "i": 0, "kind": "box"})
    mark = mark.assign(geometry="[0, 0, 1, 1]", source=name)
    tables.ANNOTATIONS.write(mark, folder / "annotations")
    absent = pd.DataFrame({"image_id": ["9"], "patient_id": ["9"], "why": ["no image file"]})
    tables.ABSENT.write(absent, folder / "absent")
    tables.FLOW.write(ingested(records, absent), folder / "flow")
    shard = {"pixels": folder / "0.npy", "index": folder / "0.index"}
    raw = folder / "raw"
    run(
        images_shard,
        records=folder / "records",
        root=raw,
        config=CONFIG,
        shard=0,
        workers=1,
        **shard,
    )
    made = {kind: folder / kind for kind in ("pixels", "index", "quarantine", "summary", "refused")}
    run(images, shard_pixels=[shard["pixels"]], shard_indexes=[shard["index"]],
        absent=folder / "absent", config=CONFIG, **made)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    whole = tmp_path_factory.mktemp("pool")
    for name in NAMES:
        member(whole / name, name)
    return whole


def pooled(folder, out, flows_of=NAMES):
    each = {kind: [folder / name / kind for name in NAMES] for kind in KINDS}
    given = {
        "absents" if k == "absent" else "flows" if k == "flow" else k: v for k, v in each.items()
    }
    made = {f"pooled_{kind}": out / kind for kind in KINDS}
    run(pool, names=json.dumps(NAMES), flows_of=json.dumps(flows_of), **given, **made)


def pooled_images(folder, out):
    kinds = {"pixels": "pixels", "indexes": "index", "quarantines": "quarantine"}
    given = {flag: [folder / name / kind for name in NAMES] for flag, kind in kinds.items()}
    made = ("pixels", "index", "quarantine", "summary")
    to = {f"pooled_{kind}": out / kind for kind in made}
    run(pool_images, names=json.dumps(NAMES), **given, **to)


def test_tables_of_members_make_those_of_the_pool(folder, tmp_path):
    pooled(folder, tmp_path)
    assert len(tables.RECORDS.read(tmp_path / "records")) == 6
    states = tables.LABELS.read(tmp_path / "labels")
    assert states["state"].value_counts().to_dict() == {"positive": 6, "unstated": 6}
    marks = tables.ANNOTATIONS.read(tmp_path / "annotations")
    assert marks["image_id"].tolist() == ["nih:0", "vindr:0"]
    assert tables.ABSENT.read(tmp_path / "absent")["image_id"].tolist() == ["nih:9", "vindr:9"]
    flow = tables.FLOW.read(tmp_path / "flow")
    assert flow["step"].tolist()[1:] == ["vindr: with image file", "nih: with image file"]
    assert flow["images_out"].tolist() == [8, 7, 6]


def test_a_flow_that_is_nobody_s_is_refused(folder, tmp_path):
    with pytest.raises(SystemExit, match=r"error: pool: 2 flows of \['vindr', 'vindr'\]; allowed"):
        pooled(folder, tmp_path, flows_of=("vindr", "vindr"))


def test_stores_of_members_make_the_store_of_the_pool(folder, tmp_path):
    pooled_images(folder, tmp_path)
    index = tables.STORE_INDEX.read(tmp_path / "index")
    store = Store(tmp_path / "pixels", index)
    own = tables.STORE_INDEX.read(folder / "nih" / "index")
    before = Store(folder / "nih" / "pixels", own)
    there, here = store.rows(["nih:1", "nih:0"]), before.rows(["1", "0"])
    np.testing.assert_array_equal(store.read(there), before.read(here))
    said = json.loads((tmp_path / "summary").read_text())
    assert (said["images"], said["quarantined"]) == (6, 2)
    listed = pd.read_csv(tmp_path / "quarantine")
    assert listed.to_numpy().tolist() == [
        ["nih:2", "not an image"],
        ["nih:9", "no image file"],
        ["vindr:2", "not an image"],
        ["vindr:9", "no image file"],
    ]


def test_a_picture_of_two_members_is_used_once(folder, tmp_path):
    pooled(folder, tmp_path)
    pooled_images(folder, tmp_path)
    config = {
        **{"views": ["PA"], "age_years": {"min": 0, "max": 120}, "unknown_attributes": "drop"},
        **{"duplicate_images": "drop", "age_bins_years": [60]},
        "race_groups": "seyyed_kalantari_2021",
    }
    index = tables.STORE_INDEX.read(tmp_path / "index")
    chosen, flow = select(
        tables.RECORDS.read(tmp_path / "records"),
        index,
        CohortConfig.parse(json.dumps(config)),
        ("sex",),
    )
    assert sorted(chosen["image_id"]) == ["nih:0", "nih:1", "vindr:1"]
    assert flow["images_lost"].iloc[-1] == 1


def test_the_same_members_give_the_same_bytes(folder, tmp_path):
    for out in (tmp_path / "one", tmp_path / "two"):
        pooled(folder, out)
        pooled_images(folder, out)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_outlines_alone_are_pooled_under_the_same_names(folder, tmp_path):
    marks = [folder / name / "annotations" for name in NAMES]
    run(
        pool_outlines, names=json.dumps(NAMES), annotations=marks, pooled_annotations=tmp_path / "m"
    )
    assert tables.ANNOTATIONS.read(tmp_path / "m")["image_id"].tolist() == ["nih:0", "vindr:0"]
    with pytest.raises(SystemExit, match="error: pool: 1 annotations of 2 members; one each"):
        run(pool_outlines, names=json.dumps(NAMES), annotations=marks[:1],
            pooled_annotations=tmp_path / "m")  # fmt: skip
