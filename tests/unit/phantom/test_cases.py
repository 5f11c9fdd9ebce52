"""Simulated images for the cases of a clinical table that was given."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from cxrfair import datasets
from cxrfair.datasets import SourceError
from cxrfair.phantom import MARKER, cases, population
from cxrfair.phantom.config import SEXES
from cxrfair.phantom.noise import PhantomError
from cxrfair.phantom.writers import tcga_luad

CLEAN = {"corrupt_share": 0.0, "dirt_share": 0.0, "image_size": 32, "patients": 1000}
ALIKE = ("white", "not hispanic or latino", "60")
COLUMNS = ("submitter_id", "gender", "ajcc_pathologic_stage", "race", "ethnicity", "age_at_index")
ROWS = [
    ("TCGA-05-4244", "female", "Stage IB", "asian", "not hispanic or latino", "41"),
    ("TCGA-05-4244", "female", "Stage IB", "asian", "not hispanic or latino", "41"),
    ("TCGA-44-A47B", "male", "Stage IIIA", "black or african american", "'--", "88"),
    ("TCGA-50-5066", "female", "Stage IV", "white", "hispanic or latino", "'--"),
    ("TCGA-NJ-A4YI", "'--", "'--", "not reported", "not reported", "67"),
]


def table(folder, rows=ROWS):
    path = folder / "given.tsv"
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, sep="\t", index=False)
    return path


def drawn(make_config, folder, path, **changes):
    """Draw images of a table; return their folder and their truth."""
    root, truth = folder / "root", folder / "truth.parquet"
    cases.illustrate(path, make_config(**CLEAN | changes), root, truth)
    return root, pd.read_parquet(truth)


@pytest.fixture(scope="module")
def four(make_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("four")
    return drawn(make_config, folder, table(folder))


def of_cases(given):
    """What the adapter reads, a row a case."""
    rows = given.records.merge(given.labels, on="image_id")
    return rows.drop_duplicates("patient_id").set_index("patient_id")


def test_the_adapter_reads_the_folder_with_the_table_s_own_words(four):
    root, truth = four
    read = datasets.read("tcga_luad", root, "{}")
    found = of_cases(read)
    assert len(read.records) == len(truth)
    assert read.absent.empty
    assert found["sex"].to_dict() == {
        "TCGA-05-4244": "female", "TCGA-44-A47B": "male",
        "TCGA-50-5066": "female", "TCGA-NJ-A4YI": "unknown",
    }  # fmt: skip
    assert found["state"].to_list() == ["negative", "positive", "unmentioned", "unmentioned"]


def test_it_is_a_phantom_beside_an_untouched_table(four):
    root, _ = four
    assert (root / "clinical.tsv").read_bytes() == (root.parent / "given.tsv").read_bytes()
    assert "none is of a patient" in (root / MARKER).read_text()
    assert {path.name for path in root.iterdir()} == {"TCGA-LUAD", "clinical.tsv", MARKER}


def test_pictures_are_of_the_table_s_sex_race_and_age(four):
    _, truth = four
    first = truth.drop_duplicates("case").set_index("case")
    known = first.loc[["TCGA-05-4244", "TCGA-44-A47B"]]
    assert known["sex"].to_list() == ["female", "male"]
    assert known["race"].to_list() == ["asian", "black"]
    assert known["age_years"].to_list() == [41, 88]
    assert first.loc["TCGA-50-5066", "race"] == "hispanic"
    assert first.loc["TCGA-NJ-A4YI", "age_years"] == 67
    assert first.loc["TCGA-NJ-A4YI", "sex"] in SEXES


def test_a_case_looks_the_same_whatever_other_cases_there_are(make_config, tmp_path, four):
    root, truth = four
    alone, few = drawn(make_config, tmp_path, table(tmp_path, ROWS[2:3]))
    same = truth[truth["case"] == "TCGA-44-A47B"]
    assert few["image_id"].to_list() == same["image_id"].to_list()
    for path in few["path"]:
        assert (alone / path).read_bytes() == (root / path).read_bytes()


def test_the_first_cases_alone_have_images_where_fewer_are_asked_for(make_config, tmp_path):
    config = make_config(**CLEAN | {"patients": 2})
    root = tmp_path / "root"
    assert cases.illustrate(table(tmp_path), config, root, tmp_path / "t.parquet") == 2
    found = of_cases(datasets.read("tcga_luad", root, "{}"))
    assert found.index.to_list() == ["TCGA-05-4244", "TCGA-44-A47B"]


def barcodes(count):
    return [f"TCGA-{n // 1000:02d}-{n % 1000:04d}" for n in range(count)]


def people_of(make_config, tmp_path, rows):
    """The scene of a table, undrawn."""
    config = make_config(**CLEAN)
    return cases._scenes(config, cases._people(config, cases._read(table(tmp_path, rows))))


def test_a_late_stage_makes_grave_findings_likely(make_config, tmp_path):
    """One study in ten shows what its stage does not say; 400 cases leave 0.05 to chance."""
    stages = ["Stage IA", "Stage IIIA", "'--"] * 400
    rows = [
        (case, "female", stage, *ALIKE)
        for case, stage in zip(barcodes(1200), stages, strict=True)
    ]  # fmt: skip
    found = people_of(make_config, tmp_path, rows)
    first = found[found["study"] == 0]
    grave = first[list(tcga_luad.GRAVE)].any(axis=1).groupby(first["late_stage"]).mean()
    assert grave["positive"] == pytest.approx(1 - tcga_luad.UNCLEAR, abs=0.05)
    assert grave["negative"] == pytest.approx(tcga_luad.UNCLEAR, abs=0.05)
    assert grave["unmentioned"] == pytest.approx(1 - (1 - 0.21) * (1 - 0.02), abs=0.05)


def test_no_finding_follows_an_attribute(make_config, tmp_path):
    """The same cases told of another sex, race and age: other bodies, the same disease."""
    stages = ["Stage IA", "Stage IIIA"] * 20
    made = [
        people_of(
            make_config, tmp_path,
            [(c, *told[:1], s, *told[1:]) for c, s in zip(barcodes(40), stages, strict=True)],
        )
        for told in [("female", *ALIKE), ("male", "asian", "not hispanic or latino", "30")]
    ]  # fmt: skip
    one, other = (rows[rows["image"] == 0].set_index("key") for rows in made)
    for finding in population.FINDINGS:
        np.testing.assert_array_equal(one[finding], other[finding])
    assert not np.allclose(one["heart_ratio"], other["heart_ratio"])


def test_what_cannot_be_used_is_refused(make_config, tmp_path):
    config, to = make_config(**CLEAN), (tmp_path / "root", tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="no such file; give the clinical table"):
        cases.illustrate(tmp_path / "none.tsv", config, *to)
    with pytest.raises(SourceError, match="0 cases; 1 or more are needed"):
        cases.illustrate(table(tmp_path, []), config, *to)
    to[0].mkdir()
    (to[0] / "mine.txt").write_text("mine")
    with pytest.raises(PhantomError, match=f"no {MARKER}"):
        cases.illustrate(table(tmp_path), config, *to)
    assert (to[0] / "mine.txt").read_text() == "mine"


def test_the_real_table(shared_data, make_config, tmp_path):
    """60 of its cases: sex and stage are read back as they are without pictures."""
    source = shared_data / "tcga_luad" / "clinical.tsv"
    root, truth = drawn(make_config, tmp_path, source, patients=60)
    found = of_cases(datasets.read("tcga_luad", root, "{}"))
    said = datasets.get("tcga_luad").read_cases(
        source, datasets.get("tcga_luad").Options(), Counter()
    ).sort_index().head(60)  # fmt: skip
    assert found.index.to_list() == said.index.to_list()
    assert found["sex"].to_list() == said["sex"].to_list()
    assert found["state"].to_list() == said["late_stage"].to_list()
    assert set(said["sex"]) >= {"female", "male"}
    assert set(said["late_stage"]) == {"negative", "positive", "unmentioned"}
    shown = truth.drop_duplicates("case").set_index("case")["sex"]
    known = said["sex"] != "unknown"
    assert shown[known].to_list() == said["sex"][known].to_list()
