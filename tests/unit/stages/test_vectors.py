import json

import numpy as np
import pandas as pd
import pytest
from tfrecord.writer import TFRecordWriter

from cxrfair import tables, vectors
from cxrfair.images.store import Store
from cxrfair.stages._cli import call
from cxrfair.stages.vectors import vectors as stage
from cxrfair.vectors import VectorError

WIDTH = 1376
OUT = ("values.npy", "index.parquet", "quarantine.csv", "summary.json")
IDS = [f"{n:08x}-00000000-00000000-00000000-00000000" for n in range(6)]
SETTINGS = {"size": 16, "shards": 1, "max_quarantined": 0.5}


def place(n):
    return f"files/p10/p1000000{n}/s5000000{n}/{IDS[n]}.tfrecord"


def save(root, n, values):
    path = root / place(n)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = TFRecordWriter(str(path))
    writer.write({"embedding": (values, "float")})
    writer.close()
    return path


@pytest.fixture
def folder(tmp_path):
    """Of six images, 0 to 2 have a good file, 3 a short one, 4 is only listed, 5 is a lateral."""
    root = tmp_path / "raw"
    for n in range(4):
        path = save(root, n, np.full(WIDTH, n + 0.5, np.float32))
    path.write_bytes(path.read_bytes()[:40])
    listed = "".join(f"{'0' * 64} {place(n)}\n" for n in range(5))
    (root / "SHA256SUMS.txt").write_text(listed)
    rows = pd.DataFrame({"image_id": IDS[::-1]}).assign(
        dataset="mimic_cxr", patient_id="p", study_id="s", path="x.jpg", sex="unknown"
    )
    known = tables.RECORDS.empty()
    kinds = {name: known[name].dtype for name in rows}
    records = known.reindex(rows.index).assign(**rows.astype(kinds))
    tables.RECORDS.write(records, tmp_path / "records.parquet")
    return tmp_path


def run(folder, source="mimic_cxr_embeddings", workers=2, **settings):
    flags = {"records": folder / "records.parquet", "root": folder / "raw", "source": source}
    flags |= {"config": json.dumps(SETTINGS | settings), "workers": workers}
    flags |= {name.partition(".")[0]: folder / name for name in OUT}
    flags |= {"refused": folder / "refused.csv"}
    call(stage, [text for name, value in flags.items() for text in (f"--{name}", str(value))])


def index_of(folder):
    return tables.STORE_INDEX.read(folder / "index.parquet").set_index("image_id")


def test_every_image_has_its_vector_or_why_it_has_none(folder):
    run(folder)
    values, index = np.load(folder / "values.npy"), index_of(folder)
    assert (values.dtype, values.shape) == (np.float32, (4, WIDTH))
    np.testing.assert_array_equal(values, np.repeat([[0.5], [1.5], [2.5], [0]], WIDTH, axis=1))
    assert index["quarantine"].iloc[:3].isna().all()
    why = ["cut short: 40 bytes of 5,541", "no embedding file", "no embedding file"]
    assert index["quarantine"].iloc[3:].str.replace(r"5,5\d\d", "5,541", regex=True).tolist() == why
    good = index.iloc[:3]
    assert good["row"].tolist() == [0, 1, 2]
    assert good["width"].tolist() == [WIDTH] * 3
    assert good["height"].tolist() == [1] * 3
    assert good["checksum"].nunique() == 3
    assert index.iloc[3:][["row", "checksum", "width", "height"]].isna().all(axis=None)
    assert index["decode_error"].isna().all()
    listed = pd.read_csv(folder / "quarantine.csv")
    assert listed["image_id"].tolist() == IDS[3:]
    found = json.loads((folder / "summary.json").read_text())
    assert (found["images"], found["quarantined"], found["expected"]) == (6, 3, 5)


def test_a_store_serves_them_by_image_id(folder):
    run(folder)
    store = Store(folder / "values.npy", index_of(folder).reset_index())
    assert store.holds_vectors
    assert store.size == WIDTH
    assert store.read(store.rows([IDS[2], IDS[0]]))[:, 0].tolist() == [2.5, 0.5]


def test_only_images_that_the_source_names_count_towards_the_limit(folder):
    """Of five that it names two have no vector; of all six images it would be a half."""
    run(folder, max_quarantined=0.4)
    assert not (folder / "refused.csv").exists()
    for name in OUT:
        (folder / name).unlink()
    with pytest.raises(SystemExit, match=r"vectors: 2 of 5 cannot be read \(.*0\.39"):
        run(folder, max_quarantined=0.39)
    assert pd.read_csv(folder / "refused.csv")["image_id"].tolist() == IDS[3:5]
    assert not [name for name in OUT if (folder / name).exists()]
    assert not list(folder.glob(".*.part"))


def test_the_same_bytes_whatever_the_threads_and_blocks(folder, monkeypatch):
    run(folder)
    first = {name: (folder / name).read_bytes() for name in OUT}
    monkeypatch.setattr(vectors, "AT_ONCE", 1)
    run(folder, workers=1)
    assert {name: (folder / name).read_bytes() for name in OUT} == first


def test_a_checksum_changes_with_the_vector(folder):
    run(folder)
    before = index_of(folder)["checksum"]
    save(folder / "raw", 1, np.full(WIDTH, 9, np.float32))
    run(folder)
    assert (index_of(folder)["checksum"] != before).dropna().tolist()[:3] == [False, True, False]


def test_a_source_without_vectors_and_one_of_other_images_are_refused(folder, tmp_path):
    records = tables.RECORDS.read(folder / "records.parquet")
    raw, out = folder / "raw", tmp_path / "v.npy"
    with pytest.raises(VectorError, match="none of 1 images has a file in mimic_cxr_emb.* holds 4"):
        vectors.build(records[-1:], "mimic_cxr_embeddings", raw, out, 1)  # the lateral
    monkey = vectors.datasets.Encounters(records, records)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vectors.datasets, "read", lambda *_: monkey)
        with pytest.raises(VectorError, match="mimic_iv holds encounters; a data set of embedd"):
            vectors.build(records, "mimic_iv", raw, out, 1)
    assert not out.exists()
