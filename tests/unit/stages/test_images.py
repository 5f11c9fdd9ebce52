import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrfair import tables
from cxrfair.images.store import Store
from cxrfair.stages._cli import call
from cxrfair.stages.images import images
from cxrfair.stages.images_shard import images_shard

CONFIG = json.dumps({"size": 16, "shards": 2, "max_quarantined": 0.5})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "raw").mkdir()
    for n in range(3):
        shade = np.full((8, 8), 50 * n, np.uint8)
        shade[7, 7] = 255  # one shade alone would be a blank picture
        Image.fromarray(shade).save(tmp_path / "raw" / f"{n}.png")
    (tmp_path / "raw" / "3.png").write_bytes(b"")
    rows = pd.DataFrame({"image_id": [f"i{n}" for n in range(4)]}).assign(
        dataset="x",
        patient_id="p",
        study_id="s",
        path=[f"{n}.png" for n in range(4)],
        sex="unknown",
    )
    known = tables.RECORDS.empty()
    kinds = {name: known[name].dtype for name in rows}
    records = known.reindex(rows.index).assign(**rows.astype(kinds))
    tables.RECORDS.write(records, tmp_path / "records.parquet")
    absent = {"image_id": ["i9"], "patient_id": ["p"], "why": ["no image file"]}
    tables.ABSENT.write(pd.DataFrame(absent), tmp_path / "absent.parquet")
    return tmp_path


def shard(folder, number):
    flags = {"records": folder / "records.parquet", "root": folder / "raw", "config": CONFIG}
    flags |= {"shard": number, "workers": 2, "pixels": folder / f"{number}.npy"}
    flags |= {"index": folder / f"{number}.parquet"}
    call(images_shard, [text for k, v in flags.items() for text in (f"--{k}", str(v))])


def merged(folder, settings=CONFIG):
    paths = {"absent": "absent.parquet", "pixels": "pixels.npy", "index": "index.parquet"}
    paths |= {"quarantine": "quarantine.csv", "refused": "refused.csv", "summary": "summary.json"}
    flags = [text for k, v in paths.items() for text in (f"--{k}", str(folder / v))]
    for kind, suffix in (("pixels", "npy"), ("indexes", "parquet")):
        flags += [f"--shard-{kind}", *(str(folder / f"{n}.{suffix}") for n in range(2))]
    call(images, [*flags, "--config", settings])


def test_two_shards_make_a_store_and_a_list_of_what_is_missing(folder):
    shard(folder, 1)
    shard(folder, 0)
    merged(folder)
    store = Store(folder / "pixels.npy", tables.STORE_INDEX.read(folder / "index.parquet"))
    assert store.read(store.rows(["i2", "i1"]))[:, 0, 0].tolist() == [100, 50]
    listed = pd.read_csv(folder / "quarantine.csv")
    assert listed.to_numpy().tolist() == [["i3", "not an image"], ["i9", "no image file"]]


def test_too_many_damaged_images_stop_the_run_before_a_store_is_there(folder):
    for number in range(2):
        shard(folder, number)
    strict = json.dumps(json.loads(CONFIG) | {"max_quarantined": 0.1})
    with pytest.raises(SystemExit, match=r"1 of 4 cannot be read \(1 not an image\)"):
        merged(folder, strict)
    assert (folder / "refused.csv").exists()
    assert not (folder / "pixels.npy").exists()
