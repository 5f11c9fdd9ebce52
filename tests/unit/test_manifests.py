import os

import pytest

from cxrfair import manifests
from cxrfair.errors import CxrfairError

HEADER = "Image Index,Finding Labels"


@pytest.fixture
def place(tmp_path):
    root = tmp_path / "nih"
    (root / "images").mkdir(parents=True)
    (root / "Data_Entry_2017_v2020.csv").write_text(HEADER)
    (root / "images" / "a.png").write_bytes(b"a")
    paths = {kind: tmp_path / f"{kind}.csv" for kind in manifests.KINDS}
    return root, paths, tmp_path / "memory.json"


def refresh(place):
    root, paths, memory = place
    manifests.refresh("nih_chestxray14", root, paths, memory)
    return {kind: path.read_text() for kind, path in paths.items()}


def test_tables_and_images_are_listed_apart_with_size_and_hash(place):
    listed = refresh(place)
    sha_of_a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert listed["images"] == f"path,bytes,sha256\nimages/a.png,1,{sha_of_a}\n"
    assert "Data_Entry_2017_v2020.csv,26," in listed["tables"]
    assert "a.png" not in listed["tables"]


def test_touching_every_file_rewrites_nothing(place):
    refresh(place)
    before = {kind: path.stat().st_mtime_ns for kind, path in place[1].items()}
    for path in place[0].rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    refresh(place)
    assert before == {kind: path.stat().st_mtime_ns for kind, path in place[1].items()}


def test_an_edited_image_changes_only_the_images_manifest(place):
    before = refresh(place)
    image = place[0] / "images" / "a.png"
    image.write_bytes(b"b")
    os.utime(image, ns=(10**18, 10**18))
    after = refresh(place)
    assert after["images"] != before["images"]
    assert after["tables"] == before["tables"]


def test_files_come_and_go(place):
    before = refresh(place)
    (place[0] / "images" / "b.png").write_bytes(b"b")
    assert refresh(place)["images"].count(".png") == 2
    (place[0] / "images" / "b.png").unlink()
    assert refresh(place) == before


def test_files_no_adapter_reads_do_not_count(place):
    before = refresh(place)
    (place[0] / "README.txt").write_text("notes")
    assert refresh(place) == before


def test_results_of_data_that_stay_elsewhere_can_be_used(place, capsys):
    listed = refresh(place)
    place[0].rename(place[0].with_name("gone"))
    assert refresh(place) == listed
    assert "not on this machine" in capsys.readouterr().err


def test_a_wrong_folder_is_named_with_what_was_looked_for(place, tmp_path):
    with pytest.raises(CxrfairError, match="data.nih_chestxray14.root: no folder"):
        refresh((tmp_path / "gone", *place[1:]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CxrfairError, match=r"holds none of its tables; looked for .*Data_Entry"):
        refresh((tmp_path / "empty", *place[1:]))
