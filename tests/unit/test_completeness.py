import gzip
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cxrfair import completeness, datasets, phantom, tables
from cxrfair.completeness import COUNTS
from cxrfair.config import ConfigError
from cxrfair.datasets import Embeddings, Encounters, Images, Layout, Surroundings
from cxrfair.plugins import UnknownNameError
from cxrfair.scales import resolve

PARAMS = Path(__file__).parents[2] / "params.yaml"
LAYOUT = Layout(
    title="A title",
    url="https://example.org",
    access="Nothing to sign.",
    files={
        "Data_Entry_2017*.csv": "a row an image",
        "BBox_List_2017.csv": "boxes",
        "images/*.png": "pictures",
        "FAQ.pdf": "answers",
    },
    counts={"images": 112_120, "patients": 30_805, "boxes": 984},
    optional=("BBox_List_2017.csv", "FAQ.pdf"),
)
NAME = "nih_chestxray14"


@pytest.fixture(autouse=True)
def layout(monkeypatch):
    monkeypatch.setattr(datasets.get(NAME), "LAYOUT", LAYOUT, raising=False)


@pytest.fixture
def root(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "nih"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completeness") / "nih"
    section = resolve(yaml.safe_load(PARAMS.read_text()))["phantom"]
    section |= {"patients": 12, "image_size": 32, "dirt_share": 0.0, "corrupt_share": 0.0}
    config = phantom.PhantomConfig.parse(json.dumps(section))
    phantom.write(NAME, config, folder, folder.with_name("truth.parquet"))
    return folder


def whole(monkeypatch, root, **more):
    """Make the layout that of what lies in a folder."""
    given = datasets.read(NAME, root, "{}")
    counts = {name: COUNTS[name](given) for name in LAYOUT.counts}
    complete = {**vars(LAYOUT), "counts": counts, **more}
    monkeypatch.setattr(datasets.get(NAME), "LAYOUT", Layout(**complete))


def test_a_part_is_usable_and_said_to_be_a_part(root):
    found = completeness.check(NAME, root, "{}")
    assert found.is_usable
    assert found.was_read
    assert found.is_phantom
    assert not found.is_complete
    entries = len(pd.read_csv(root / "Data_Entry_2017_v2020.csv"))
    assert [(c.name, c.n_published) for c in found.counts] == list(LAYOUT.counts.items())
    assert found.counts[0].n_found == entries
    assert found.counts[1].n_found == 12
    there = {check.pattern: (check.n_found, check.optional) for check in found.files}
    assert there == {
        "Data_Entry_2017*.csv": (1, False),
        "BBox_List_2017.csv": (1, True),
        "images/*.png": (len(list((root / "images").iterdir())), False),
        "FAQ.pdf": (0, True),
    }


def test_all_that_was_published_is_complete_without_the_optional(root, monkeypatch):
    whole(monkeypatch, root)
    assert completeness.check(NAME, root, "{}").is_complete


def test_one_picture_less_is_not_complete_and_is_counted(root, monkeypatch):
    whole(monkeypatch, root)
    next((root / "images").iterdir()).unlink()
    found = completeness.check(NAME, root, "{}")
    assert found.is_usable
    assert not found.is_complete
    assert found.absent == {"no image file": 1}
    assert found.counts[0].n_found == found.counts[0].n_published  # the table still lists it


def test_a_file_that_is_not_optional_is_part_of_a_complete_copy(root, monkeypatch):
    whole(monkeypatch, root, optional=("BBox_List_2017.csv",))
    found = completeness.check(NAME, root, "{}")
    assert found.is_usable
    assert not found.is_complete


def test_compressed_tables_are_found(root):
    table = root / "BBox_List_2017.csv"
    with gzip.open(f"{table}.gz", "wb") as file:
        file.write(table.read_bytes())
    table.unlink()
    (root / "PHANTOM.txt").unlink()
    found = completeness.check(NAME, root, "{}")
    assert {check.pattern: check.n_found for check in found.files}["BBox_List_2017.csv"] == 1
    assert not found.is_phantom


def test_pictures_one_folder_lower_are_found_where_they_are_read(root):
    count = len(list((root / "images").iterdir()))
    for folder in ("images_001", "elsewhere"):
        shutil.copytree(root / "images", root / folder / "images")
    shutil.rmtree(root / "images")
    found = completeness.check(NAME, root, "{}")
    assert found.files[2].n_found == count  # elsewhere is not where the adapter looks
    assert found.is_usable


@pytest.mark.parametrize(("pattern", "there"), [("images*", 1), ("pictures*", 0)])
def test_a_folder_may_stand_for_its_images(root, monkeypatch, pattern, there):
    whole(monkeypatch, root, files={"Data_Entry_2017*.csv": "rows", pattern: "images"}, optional=())
    found = completeness.check(NAME, root, "{}")
    assert [check.n_found for check in found.files] == [1, there]
    assert found.is_complete == bool(there)
    tables_only = completeness.check(NAME, root, "{}", tables_only=True)
    assert [check.pattern for check in tables_only.files] == ["Data_Entry_2017*.csv"]


@pytest.mark.parametrize("tables_only", [False, True])
def test_a_missing_table_is_named(root, tables_only):
    (root / "Data_Entry_2017_v2020.csv").unlink()
    found = completeness.check(NAME, root, "{}", tables_only=tables_only)
    assert not found.is_usable
    assert "Data_Entry_2017" in found.fault
    assert not found.was_read
    assert found.counts == ()


def test_a_damaged_table_is_told_in_the_adapter_s_words(root):
    table = root / "Data_Entry_2017_v2020.csv"
    text = table.read_text().replace("No Finding", "Nothing", 1)
    table.write_text(text)
    with pytest.raises(datasets.SourceError) as error:
        datasets.read(NAME, root, "{}")
    assert completeness.check(NAME, root, "{}").fault == str(error.value)
    assert completeness.check(NAME, root, "{}", tables_only=True).is_usable


@pytest.mark.parametrize("name", datasets.names())
@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_an_empty_folder_cannot_be_used(tmp_path, name, folder):
    for tables_only in (False, True):
        found = completeness.check(name, tmp_path / folder, "{}", tables_only=tables_only)
        assert not found.is_usable
        assert not any(check.n_found for check in found.files)
        assert str(tmp_path) in found.fault


def test_images_are_not_looked_for_among_tables(root):
    shutil.rmtree(root / "images")
    found = completeness.check(NAME, root, "{}", tables_only=True)
    assert found.is_usable
    assert not found.was_read
    assert "images/*.png" not in {check.pattern for check in found.files}
    assert "no image file at all" in completeness.check(NAME, root, "{}").fault


def test_unknown_names_and_settings_are_refused(root):
    with pytest.raises(UnknownNameError):
        completeness.check("nih", root, "{}")
    with pytest.raises(ConfigError, match=f"data.{NAME}.options.nonsense"):
        completeness.check(NAME, root, '{"nonsense": 1}')


def test_real_images_are_a_part(shared_data):
    found = completeness.check(NAME, shared_data / NAME, "{}")
    assert [(c.n_found, c.n_published) for c in found.counts[:2]] == [
        (112_120, 112_120),
        (30_805, 30_805),
    ]
    assert found.absent == {"no image file": 112_120 - 3_704}
    assert found.is_usable
    assert not found.is_complete
    assert not found.is_phantom


def frame(table, **columns):
    return table.empty().reindex(range(len(next(iter(columns.values()))))).assign(**columns)


def test_counts_by_hand():
    stays = frame(tables.STAYS, kind=["admission", "emergency", "emergency"])
    people = frame(tables.PATIENTS, patient_id=["a", "b"])
    given = Encounters(people, stays)
    assert [COUNTS[n](given) for n in ("patients", "admissions", "emergency_stays")] == [2, 1, 2]

    homes = frame(tables.RESIDENCES, patient_id=["a", "b", "c"])
    level, fips = ["county", "county", "county", "tract"], ["1", "1", "2", "1"]
    given = Surroundings(homes, frame(tables.SURROUNDINGS, level=level, fips=fips))
    names = ("patients", "residences", "counties", "tracts")
    assert [COUNTS[n](given) for n in names] == [3, 3, 2, 1]

    absent = pd.DataFrame({"image_id": ["z"], "patient_id": ["c"], "why": ["no"]})
    index = pd.DataFrame({"image_id": ["x", "y"], "patient_id": ["a", "a"]})
    given = Embeddings(index, absent, 3)
    assert [COUNTS[n](given) for n in ("patients", "embeddings")] == [2, 3]

    records = frame(tables.RECORDS, image_id=["x", "y"], patient_id=["a", "c"], study_id=["s", "s"])
    marks = frame(tables.ANNOTATIONS, kind=["box", "rle", "rle"])
    given = Images(records, tables.LABELS.empty(), marks, absent)
    names = ("images", "patients", "studies", "boxes", "annotations")
    assert [COUNTS[n](given) for n in names] == [3, 2, 1, 1, 3]
