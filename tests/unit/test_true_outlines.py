import json

import numpy as np
import pandas as pd
import pytest
import yaml

from cxrfair import annotations, outlines, tables
from cxrfair.outlines import OutlineError
from cxrfair.phantom import PhantomConfig, scene, write
from cxrfair.scales import at_scale
from cxrfair.stages import outline
from cxrfair.stages._cli import call
from cxrfair.true_outlines import annotate

SIZE = 32


@pytest.fixture(scope="module")
def truth(tmp_path_factory, repo):
    """The truth of a small phantom."""
    demo = at_scale(yaml.safe_load((repo / "params.yaml").read_text())["phantom"], "demo")
    settings = json.dumps({**demo, "patients": 25, "image_size": SIZE})
    folder = tmp_path_factory.mktemp("phantom")
    config = PhantomConfig.parse(settings, "phantom")
    write("nih_chestxray14", config, folder / "nih", folder / "truth.parquet")
    return folder / "truth.parquet"


def index(ids, size=SIZE, **sides):
    """All images of one size but those given: (width, height)."""
    shape = [sides.get(image, (size, size)) for image in ids]
    frame = pd.DataFrame({"image_id": ids, "row": range(len(ids)), "checksum": "x"})
    frame = frame.assign(quarantine=None, decode_error=np.float32(np.nan))
    width, height = (pd.array([each[k] for each in shape], "Int32") for k in (0, 1))
    return frame.assign(width=width, height=height)


def test_a_phantom_is_outlined_where_its_pictures_show_its_findings(truth, monkeypatch):
    ids = pd.read_parquet(truth)["image_id"]
    monkeypatch.setattr(scene, "BATCH_PIXELS", 5 * SIZE * SIZE)  # in several pieces
    found = annotate(ids[::-1], truth, index(ids))
    tables.ANNOTATIONS.check(found)
    assert (found["kind"] == "rle").all()
    assert (found["source"] == "phantom").all()
    wanted = outlines.from_truth(ids.tolist(), truth, SIZE)
    assert set(found["label"]) == set(wanted)
    assert len(found) == sum(len(rows) for rows, _ in wanted.values())
    rows = found.set_index(["image_id", "label"])["geometry"]
    for name, (places, masks) in wanted.items():
        for place, mask in zip(places, masks, strict=True):
            drawn = annotations.mask("rle", rows[ids[place], name], SIZE, SIZE)
            np.testing.assert_array_equal(drawn, mask)


def test_the_store_draws_the_same_from_both(truth):
    ids = pd.read_parquet(truth)["image_id"]
    listed = index(ids)
    marks = annotate(ids, truth, listed)
    found = outlines.from_annotations(ids.tolist(), marks, listed, SIZE)
    wanted = outlines.from_truth(ids.tolist(), truth, SIZE)
    assert list(found) == list(wanted)
    for name, (rows, masks) in wanted.items():
        np.testing.assert_array_equal(found[name][0], rows)
        np.testing.assert_array_equal(found[name][1], masks)


def test_some_images_of_several_sizes_are_outlined_each_in_its_own(truth):
    ids = pd.read_parquet(truth)["image_id"]
    whole = annotate(ids, truth, index(ids))
    large, lost = whole["image_id"].unique()[:2]
    listed = index(ids, **{large: (48, 48), lost: (None, None)})
    found = annotate(ids, truth, listed)
    assert lost not in set(found["image_id"])  # it could not be read
    sizes = {json.loads(text)["size"][0] for text in found.query("image_id == @large")["geometry"]}
    assert sizes == {48}
    rest = ~found["image_id"].isin([large])
    same = ~whole["image_id"].isin([large, lost])
    keys = ["image_id", "label"]
    pd.testing.assert_frame_equal(
        found[rest].sort_values(keys, ignore_index=True),
        whole[same].sort_values(keys, ignore_index=True),
    )
    some = annotate(ids[:3], truth, index(ids))
    assert set(some["image_id"]) <= set(ids[:3])


def test_what_nobody_knows_is_refused(truth):
    ids = pd.read_parquet(truth)["image_id"]
    none = pd.Series([*ids, "none"], dtype="str")
    with pytest.raises(OutlineError, match=f"index: 1 of {len(none)} images are not in it"):
        annotate(none, truth, index(ids))
    with pytest.raises(OutlineError, match=f"1 of {len(none)} images are not in it; allowed: 0"):
        annotate(none, truth, index(none))
    with pytest.raises(OutlineError, match=r"index: 1 of \d+ images are not square; allowed: 0"):
        annotate(ids, truth, index(ids, **{ids[0]: (32, 30)}))


def test_without_images_there_is_no_outline(truth):
    found = annotate(pd.Series([], dtype="str"), truth, index(pd.Series(["x"])))
    assert found.empty
    tables.ANNOTATIONS.check(found)


def test_the_stage_writes_the_same_bytes_twice(truth, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ids = pd.read_parquet(truth)["image_id"]
    plain = {"image_id": ids, "dataset": "nih", "patient_id": ids, "study_id": ids, "path": ids}
    records = pd.DataFrame(plain).assign(sex="female", age_years=np.float32(50))
    empty = ["view", "official_fold", "acquired_at", "race", "insurance", "link_rung"]
    records = records.assign(**dict.fromkeys(empty), link_distance_days=np.float32(np.nan))
    records["acquired_at"] = pd.to_datetime(records["acquired_at"])
    tables.RECORDS.write(records, tmp_path / "records")
    tables.STORE_INDEX.write(index(ids), tmp_path / "index")
    made = []
    for out in ("a", "b"):
        words = ["--records", "records", "--truth", str(truth), "--index", "index"]
        call(outline.outline, [*words, "--annotations", out])
        made.append((tmp_path / out).read_bytes())
    assert made[0] == made[1]
    assert len(tables.ANNOTATIONS.read(tmp_path / "a"))
