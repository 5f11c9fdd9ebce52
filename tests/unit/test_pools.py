"""Several data sets as one: names, what nobody stated, flows, and the store."""

import numpy as np
import pandas as pd
import pytest

from cxrfair import pools, tables
from cxrfair.cohort.flow import Flow, ingested
from cxrfair.images.store import Store
from cxrfair.labels import LabelConfig, targets
from cxrfair.pools import PoolError

IGNORE = LabelConfig(
    uncertain={"default": "one"},
    unmentioned={"default": "zero"},
    union={"lesion": ["nodule", "mass", "nodule_mass"]},
)


def records(name, ids, patients, **more):
    rows = tables.RECORDS.empty().reindex(range(len(ids)))
    own = {"image_id": ids, "patient_id": patients, "study_id": ids, "path": ids}
    return rows.assign(dataset=name, sex="female", **own, **more)


def said(**states):
    """Rows of LABELS: label=(state of image 1, of image 2, ...), None for no row."""
    rows = [
        (str(k + 1), label, state)
        for label, each in states.items()
        for k, state in enumerate(each)
        if state is not None
    ]
    return pd.DataFrame(rows, columns=["image_id", "label", "state"])


def test_identifiers_say_whose_they_are():
    parts = {
        "nih": records("nih", ["1", "2"], ["7", "7"], official_fold="test"),
        "vindr": records("vindr", ["1"], ["7"], sdoh_income=3.0),
    }
    found = pools.records(parts)
    tables.RECORDS.check(found)
    assert found["image_id"].tolist() == ["nih:1", "nih:2", "vindr:1"]
    assert found["patient_id"].tolist() == ["nih:7", "nih:7", "vindr:7"]
    assert found["study_id"].tolist() == found["image_id"].tolist()
    assert found["dataset"].tolist() == ["nih", "nih", "vindr"]
    assert found["path"].tolist() == ["1", "2", "1"]
    assert found["official_fold"].fillna("none").tolist() == ["test", "test", "none"]
    assert found["sdoh_income"].fillna(-1).tolist() == [-1, -1, 3]
    assert parts["nih"]["image_id"].tolist() == ["1", "2"]


def test_records_survive_the_file(tmp_path):
    parts = {
        "a": records("a", ["1"], ["1"], acquired_at=pd.Timestamp("2020-01-02"), age_years=50.0),
        "b": records("b", ["1"], ["1"], link_rung="admission", race="WHITE"),
    }
    for name, rows in parts.items():
        tables.RECORDS.write(rows, tmp_path / name)
    read = {name: tables.RECORDS.read(tmp_path / name) for name in parts}
    tables.RECORDS.write(pools.records(read), tmp_path / "pooled")
    found = tables.RECORDS.read(tmp_path / "pooled")
    assert found["age_years"].fillna(0).tolist() == [50, 0]
    assert found["acquired_at"].isna().tolist() == [False, True]
    assert found["race"].fillna("none").tolist() == ["none", "WHITE"]


def test_what_a_member_never_states_is_unstated_where_another_does():
    parts = {
        "a": said(edema=("positive", "negative"), nodule=("positive", None)),
        "b": said(edema=("uncertain",), nodule_mass=("negative",)),
    }
    found = pools.labels(parts)
    tables.LABELS.check(found)
    states = {(row.image_id, row.label): row.state for row in found.itertuples()}
    assert states == {
        ("a:1", "edema"): "positive",
        ("a:2", "edema"): "negative",
        ("a:1", "nodule"): "positive",  # of a:2 nothing was said, which is not to state nothing
        ("a:1", "nodule_mass"): "unstated",
        ("a:2", "nodule_mass"): "unstated",
        ("b:1", "edema"): "uncertain",
        ("b:1", "nodule"): "unstated",
        ("b:1", "nodule_mass"): "negative",
    }


def test_targets_of_a_pool_by_hand():
    parts = {
        "a": said(nodule=("positive", "unmentioned"), mass=("negative", "unmentioned")),
        "b": said(nodule_mass=("positive", "negative")),
        "c": said(edema=("positive", "negative")),
    }
    frame = targets(pools.labels(parts), ("lesion", "edema", "mass"), IGNORE)
    found = frame.pivot(index="image_id", columns="label", values="target").astype("Float64")
    assert found["lesion"].fillna(-9).tolist() == [1, 0, 1, 0, -9, -9]
    assert found["edema"].fillna(-9).tolist() == [-9, -9, -9, -9, 1, 0]
    assert found["mass"].fillna(-9).tolist() == [0, 0, -9, -9, -9, -9]


def test_annotations_and_images_that_cannot_be_used_are_named_alike():
    mark = {"image_id": ["1"], "label": "mass", "i": 0, "kind": "box", "geometry": "[0, 0, 1, 1]"}
    marks = pd.DataFrame(mark).assign(source="x")
    found = pools.annotations({"a": marks, "b": tables.ANNOTATIONS.empty(), "c": marks})
    tables.ANNOTATIONS.check(found)
    assert found["image_id"].tolist() == ["a:1", "c:1"]
    nothing = tables.ANNOTATIONS.empty()
    assert len(pools.annotations({"a": nothing, "b": nothing})) == 0
    lost = pd.DataFrame({"image_id": ["1"], "patient_id": ["2"], "why": ["no image file"]})
    found = pools.absent({"a": lost, "b": lost})
    tables.ABSENT.check(found)
    assert found["patient_id"].tolist() == ["a:2", "b:2"]


def counted(*patients):
    ids = [f"i{k}" for k in range(len(patients))]
    return pd.DataFrame({"image_id": ids, "patient_id": patients})


def test_steps_go_member_by_member_and_count_the_whole_pool():
    absent = pd.DataFrame(
        {"image_id": ["x", "y"], "patient_id": ["c", "a"], "why": "no image file"}
    )
    first = ingested(counted("a", "b"), absent)
    linked = Flow()
    linked.step("home of the patient", counted("a", "b"), counted("a", "b"), "county only 2")
    second = ingested(counted("a", "a", "b"), absent.iloc[:1])
    found = pools.flow({"nih": [first, linked.table()], "vindr": [second]})
    tables.FLOW.check(found)
    assert found["position"].tolist() == [0, 1, 2, 3]
    assert found["step"].tolist() == [
        "listed by the sources",
        "nih: with image file",
        "nih: home of the patient",
        "vindr: with image file",
    ]
    assert found["images_in"].tolist() == [8, 8, 6, 6]
    assert found["images_out"].tolist() == [8, 6, 6, 5]
    assert found["images_lost"].tolist() == [0, 2, 0, 1]
    assert found["patients_out"].tolist() == [6, 5, 5, 4]
    assert found["why"].tolist() == [
        "nih 4, vindr 4",
        "no image file 2",
        "county only 2",
        "no image file 1",
    ]


def test_a_first_step_that_loses_images_is_told(tmp_path):
    lossy = Flow()
    lossy.step("listed", counted("a", "b"), counted("a"), "no file 1")
    found = pools.flow({"a": [lossy.table()], "b": [ingested(counted("z"), tables.ABSENT.empty())]})
    assert found["step"].tolist() == ["listed by the sources", "a: listed"]
    assert found["images_in"].tolist() == [3, 3]
    assert found["images_out"].tolist() == [3, 2]
    tables.FLOW.write(found, tmp_path / "flow")


def test_a_member_without_a_flow_is_refused():
    with pytest.raises(PoolError, match="pool: no flow of b; one step or more is needed of each"):
        pools.flow(
            {"a": [ingested(counted("z"), tables.ABSENT.empty())], "b": [tables.FLOW.empty()]}
        )


def stored(folder, name, count, size=4, start=0, bad=()):
    """A store of `count` pictures, each of one grey; those in `bad` cannot be read."""
    grey = np.arange(start, start + count, dtype=np.uint8)
    np.save(folder / f"{name}.npy", np.tile(grey[:, None, None], (1, size, size)))
    index = pd.DataFrame(
        {
            "image_id": [str(k) for k in range(count)],
            "row": pd.array([None if k in bad else k for k in range(count)], "Int64"),
            "checksum": [None if k in bad else f"c{start + k}" for k in range(count)],
            "width": 9,
            "height": 8,
            "quarantine": ["empty" if k in bad else None for k in range(count)],
            "decode_error": [0.5 if k == 0 else None for k in range(count)],
        }
    )
    tables.STORE_INDEX.write(index, folder / f"{name}.index")
    return folder / f"{name}.npy", tables.STORE_INDEX.read(folder / f"{name}.index")


@pytest.mark.parametrize("block", [1, 2, 1024])
def test_every_picture_of_a_pooled_store_is_its_member_s(tmp_path, monkeypatch, block):
    monkeypatch.setattr(pools, "BLOCK", block)
    made = {"b": stored(tmp_path, "b", 3, bad={1}), "a": stored(tmp_path, "a", 5, start=100)}
    index = pools.store(made, tmp_path / "pooled.npy")
    tables.STORE_INDEX.write(index, tmp_path / "pooled.index")
    index = tables.STORE_INDEX.read(tmp_path / "pooled.index")
    store = Store(tmp_path / "pooled.npy", index)
    ids = ["a:4", "b:2", "a:0", "b:0"]
    assert store.read(store.rows(ids))[:, 0, 0].tolist() == [104, 2, 100, 0]
    assert len(index) == 8
    assert index.loc[index["image_id"] == "b:1", "quarantine"].tolist() == ["empty"]
    of_a = index[index["image_id"] == "a:4"]
    assert of_a[["checksum", "width", "height"]].to_numpy().tolist() == [["c104", 9, 8]]


def test_a_pooled_store_is_what_numpy_would_save(tmp_path):
    made = {name: stored(tmp_path, name, 4, start=at) for name, at in (("a", 0), ("b", 50))}
    pools.store(made, tmp_path / "pooled.npy")
    whole = np.concatenate([np.load(path) for path, _ in made.values()])
    np.save(tmp_path / "wanted.npy", whole)
    assert (tmp_path / "pooled.npy").read_bytes() == (tmp_path / "wanted.npy").read_bytes()


def test_stores_that_cannot_be_one_are_refused(tmp_path):
    small, large = stored(tmp_path, "a", 2), stored(tmp_path, "b", 2, size=5)
    with pytest.raises(PoolError, match=r"pictures of several sizes \(a \(4, 4\), b \(5, 5\)\)"):
        pools.store({"a": small, "b": large}, tmp_path / "pooled.npy")
    np.save(tmp_path / "vectors.npy", np.zeros((2, 7), np.float32))
    vectors = (tmp_path / "vectors.npy", small[1])
    with pytest.raises(PoolError, match=r"pool: b holds \(2, 7\) of float32; allowed: pictures"):
        pools.store({"a": small, "b": vectors}, tmp_path / "pooled.npy")
    assert not (tmp_path / "pooled.npy").exists()
