"""The stages that read linked sources and bring them together, on files."""

import json
from itertools import permutations
from types import SimpleNamespace

import pandas as pd
import pytest

from cxrfair import datasets, tables
from cxrfair.cohort.link import LinkConfig
from cxrfair.cohort.sdoh import SdohConfig
from cxrfair.errors import CxrfairError
from cxrfair.stages._cli import call
from cxrfair.stages.encounters import encounters
from cxrfair.stages.ingest import ingest
from cxrfair.stages.link import link
from cxrfair.stages.marks import marks
from cxrfair.stages.surroundings import surroundings

LINK = LinkConfig(nearest_max_days=30, race_conflict="latest")
SDOH = SdohConfig.parse(
    json.dumps(
        {
            "attributes": {
                "income": {
                    "variable": "tract.INCOME",
                    "cut": {"rule": "quantile", "at": [0.5]},
                    "groups": ["low", "high"],
                }
            }
        }
    ),
    "sdoh",
)


def _rows(table, **columns):
    n = len(next(iter(columns.values())))
    empty = table.empty()
    known = {name: pd.Series(v).astype(empty[name].dtype) for name, v in columns.items()}
    return empty.reindex(range(n)).assign(**known)


RECORDS = _rows(
    tables.RECORDS,
    image_id=["i1", "i2"],
    dataset=["d", "d"],
    patient_id=["a", "b"],
    study_id=["1", "2"],
    path=["1.jpg", "2.jpg"],
    acquired_at=["2150-01-02", "2150-01-02"],
    sex=["male", "male"],
)
PATIENTS = _rows(
    tables.PATIENTS, patient_id=["a"], sex=["female"], anchor_age_years=[50.0], anchor_year=[2150]
)
STAYS = _rows(
    tables.STAYS,
    kind=["admission"],
    stay_id=["1"],
    patient_id=["a"],
    starts_at=["2150-01-01"],
    ends_at=["2150-01-03"],
    insurance=["Medicare"],
)
EMERGENCY = _rows(
    tables.STAYS,
    kind=["emergency"],
    stay_id=["1"],
    patient_id=["b"],
    starts_at=["2150-01-01"],
    ends_at=["2150-01-03"],
    race=["ASIAN"],
)
RESIDENCES = _rows(tables.RESIDENCES, patient_id=["a"], tract_fips=["25001000100"])
VALUES = _rows(
    tables.SURROUNDINGS, level=["tract"], fips=["25001000100"], variable=["INCOME"], value=[8.0]
)
MARKS = _rows(
    tables.ANNOTATIONS,
    image_id=["i1", "other"],
    label=["mass", "mass"],
    i=[0, 0],
    kind=["box", "box"],
    geometry=["[0, 0, 1, 1]"] * 2,
    source=["s", "s"],
)


class Files:
    """Tables written below a folder; every path the link stage wants."""

    def __init__(self, root):
        self.root = root
        self.given = dict.fromkeys(
            ("patients", "stays", "residences", "values", "marks", "notes"), ()
        )
        tables.RECORDS.write(RECORDS, root / "records.parquet")
        tables.ANNOTATIONS.write(tables.ANNOTATIONS.empty(), root / "annotations.parquet")

    def give(self, name, table, *frames):
        paths = [self.root / f"{name}{i}.parquet" for i in range(len(frames))]
        for path, frame in zip(paths, frames, strict=True):
            table.write(frame, path)
        self.given[name] = tuple(paths)

    def note(self, *notes):
        paths = [self.root / f"notes{i}.json" for i in range(len(notes))]
        for path, note in zip(paths, notes, strict=True):
            path.write_text(json.dumps(note))
        self.given["notes"] = tuple(paths)

    def link(self):
        link(
            records=self.root / "records.parquet",
            annotations=self.root / "annotations.parquet",
            **self.given,
            config=LINK,
            sdoh=SDOH,
            linked=self.root / "linked.parquet",
            linked_annotations=self.root / "linked_annotations.parquet",
            flow=self.root / "flow.parquet",
        )
        return (
            tables.RECORDS.read(self.root / "linked.parquet"),
            tables.ANNOTATIONS.read(self.root / "linked_annotations.parquet"),
            tables.FLOW.read(self.root / "flow.parquet"),
        )


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def test_all_sources_come_together(files):
    nobody = tables.PATIENTS.empty()
    files.give("patients", tables.PATIENTS, PATIENTS, nobody)
    files.give("stays", tables.STAYS, STAYS, EMERGENCY)
    files.give("residences", tables.RESIDENCES, RESIDENCES)
    files.give("values", tables.SURROUNDINGS, VALUES)
    files.give("marks", tables.ANNOTATIONS, MARKS)
    files.note({"odd times": 2, "never": 0}, {"odd times": 1, "short codes": 5})
    linked, drawn, flow = files.link()
    assert linked["link_rung"].tolist() == ["admission", "emergency"]
    assert linked["sex"].tolist() == ["female", "unknown"]
    assert linked["sdoh_income"].tolist()[0] == 8.0
    assert linked["sdoh_income"].isna().tolist() == [False, True]
    assert drawn["image_id"].tolist() == ["i1"]
    assert flow["step"].tolist() == [
        "as the linked sources' rules say",
        "linked to hospital stays",
        "age when the image was taken",
        "insurance of the admission",
        "one race for each patient",
        "home of the patient",
        "income of the tract",
        "annotations of linked sources",
    ]
    assert flow["why"].iloc[0] == "short codes: 5; odd times: 3"
    assert flow["why"].iloc[-1] == "on images that are not here 1, on these images 1"


def test_without_hospital_stays_records_keep_what_their_source_said(files):
    files.give("marks", tables.ANNOTATIONS, MARKS)
    linked, drawn, flow = files.link()
    pd.testing.assert_frame_equal(linked, tables.RECORDS.read(files.root / "records.parquet"))
    assert linked["sex"].tolist() == ["male", "male"]
    assert drawn["image_id"].tolist() == ["i1"]
    assert flow["step"].tolist() == ["annotations of linked sources"]


def test_the_command_line_takes_no_file_of_a_kind_as_none(files):
    root, out = files.root, files.root / "out"
    words = ["--records", root / "records.parquet", "--annotations", root / "annotations.parquet"]
    for name in files.given:
        words.append(f"--{name}")
    words += ["--config", LINK.model_dump_json(), "--sdoh", SDOH.model_dump_json()]
    words += ["--linked", out / "l.parquet", "--linked-annotations", out / "a.parquet"]
    call(link, [str(word) for word in [*words, "--flow", out / "f.parquet"]])
    assert len(tables.FLOW.read(out / "f.parquet")) == 0
    assert len(tables.RECORDS.read(out / "l.parquet")) == 2


READ = {
    "images": datasets.Images(
        RECORDS,
        tables.LABELS.empty(),
        tables.ANNOTATIONS.empty(),
        tables.ABSENT.empty(),
        {"odd views": 3},
    ),
    "encounters": datasets.Encounters(PATIENTS, STAYS, {"odd times": 3}),
    "surroundings": datasets.Surroundings(RESIDENCES, VALUES, {"odd codes": 3}),
    "annotations": datasets.Marks(MARKS, {"odd outlines": 3}),
}
STAGES = {
    "images": (ingest, ("records", "labels", "annotations", "absent", "flow"), "not images; name "),
    "encounters": (encounters, ("patients", "stays", "notes"), "not hospital stays; link to one"),
    "surroundings": (surroundings, ("residences", "values", "notes"), "not where people live; "),
    "annotations": (marks, ("annotations", "notes"), "not annotations of other images; link "),
}


def _run(kind, tmp_path):
    stage, products, _ = STAGES[kind]
    paths = {name: tmp_path / name for name in products}
    stage(dataset="made", root=tmp_path, options='{"size": 1}', **paths)
    return paths


@pytest.fixture
def source(monkeypatch):
    """Let `datasets.read` give what a test wants, and remember how it was asked."""
    made = SimpleNamespace(asked=[], gives=None, kind=None)

    def read(name, root, options):
        made.asked.append((name, root, options))
        return made.gives

    monkeypatch.setattr(datasets, "read", read)
    monkeypatch.setattr(datasets, "get", lambda _: SimpleNamespace(KIND=made.kind))
    return made


@pytest.mark.parametrize("kind", STAGES)
def test_a_source_is_read_with_its_settings_and_written_down(kind, source, tmp_path):
    source.gives = READ[kind]
    paths = _run(kind, tmp_path)
    assert source.asked == [("made", tmp_path, '{"size": 1}')]
    if kind == "images":
        assert len(tables.RECORDS.read(paths["records"])) == 2
        flow = tables.FLOW.read(paths["flow"])
        assert flow["why"].tolist()[-1] == "odd views: 3"
    else:
        assert json.loads(paths["notes"].read_text()) == dict(READ[kind].notes)
    if kind == "surroundings":
        assert tables.SURROUNDINGS.read(paths["values"])["value"].tolist() == [8.0]
    if kind == "annotations":
        assert len(tables.ANNOTATIONS.read(paths["annotations"])) == 2
    if kind == "encounters":
        assert len(tables.PATIENTS.read(paths["patients"])) == 1
        assert len(tables.STAYS.read(paths["stays"])) == 1


@pytest.mark.parametrize(("kind", "other"), list(permutations(STAGES, 2)))
def test_a_source_of_another_kind_is_an_error_that_says_what_to_do(kind, other, source, tmp_path):
    source.gives, source.kind = READ[other], other
    with pytest.raises(CxrfairError, match=rf"made holds {other}, {STAGES[kind][2]}"):
        _run(kind, tmp_path)
    assert not any(tmp_path.iterdir())
