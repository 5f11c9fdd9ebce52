import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair import datasets, tables
from cxrfair.config import ConfigError
from cxrfair.datasets import SourceError, mimic_sdoh

HOMES = ("10,25025,25025010100", "11,9001,9001000100", "12,,", "13,25025,")
COUNTY = (
    "25025,2016,3.5,70000",
    "25025,2017,,72000",
    "25025,2018,4.5,",
    "09001,2018,,90000",
)
TRACT = ("25025010100,2018,50000", "09001000100,2017,120000")
SVI = ("25025,10.5,-999", "09001,-999.0,0.25")
FILES = {
    "mimic_sdoh_residences": ("subject_id,COUNTYFIPS,TRACTFIPS", HOMES),
    "ahrq_county": ("COUNTYFIPS,YEAR,SAHIE_PCT_UNINSURED64,ACS_MEDIAN_HH_INC", COUNTY),
    "ahrq_tract": ("TRACTFIPS,YEAR,ACS_MEDIAN_HH_INC", TRACT),
    "svi_county": ("FIPS,EP_UNINSUR,RPL_THEMES", SVI),
}
SVI_TABLE = {
    "file": "SVI2018_US_COUNTY.csv",
    "level": "county",
    "key": "FIPS",
    "variables": ["EP_UNINSUR", "RPL_THEMES", "E_TOTPOP"],
    "missing": [-999.0],
}


def _write(root, **changed):
    for name, (header, rows) in FILES.items():
        lines = changed.get(name, rows)
        (root / f"{name}.csv").write_text("\n".join([header, *lines, ""]))


def _read(root, **settings):
    found = datasets.read("mimic_sdoh", root, json.dumps(settings))
    tables.RESIDENCES.check(found.residences)
    tables.SURROUNDINGS.check(found.values)
    return found


def _value(found, level, fips, variable):
    values = found.values.set_index(["level", "fips", "variable"])["value"]
    return values[level, fips, variable]


def _homes(found):
    rows = found.residences.fillna("-").to_numpy().tolist()
    return {patient: (county, tract) for patient, county, tract in rows}


def test_homes_and_values(tmp_path):
    _write(tmp_path)
    found = _read(tmp_path)
    assert _homes(found) == {
        "10": ("25025", "25025010100"),
        "11": ("09001", "09001000100"),
        "12": ("-", "-"),
        "13": ("25025", "-"),
    }
    assert _value(found, "tract", "25025010100", "ACS_MEDIAN_HH_INC") == 50_000
    assert _value(found, "county", "25025", "EP_UNINSUR") == 10.5
    assert _value(found, "county", "09001", "RPL_THEMES") == 0.25
    assert found.values["value"].isna().sum() == 3  # two are coded, one was never told
    assert found.notes == {mimic_sdoh.PADDED: 2, mimic_sdoh.CODED: 2}


def test_the_latest_value_counts_of_each_variable(tmp_path):
    _write(tmp_path)
    found = _read(tmp_path)
    assert _value(found, "county", "25025", "SAHIE_PCT_UNINSURED64") == 4.5
    assert _value(found, "county", "25025", "ACS_MEDIAN_HH_INC") == 72_000
    assert _value(found, "county", "09001", "ACS_MEDIAN_HH_INC") == 90_000


def test_one_year_may_be_chosen(tmp_path):
    _write(tmp_path, ahrq_tract=("25025010100,2016.0,50000",))
    found = _read(tmp_path, year=2016)
    assert _value(found, "county", "25025", "SAHIE_PCT_UNINSURED64") == 3.5
    assert _value(found, "tract", "25025010100", "ACS_MEDIAN_HH_INC") == 50_000
    assert ("county", "09001") not in {*zip(*_keys(found, "SAHIE_PCT_UNINSURED64"), strict=True)}
    assert _value(found, "county", "25025", "EP_UNINSUR") == 10.5  # a table without years
    says = r"ahrq_tract\.csv: no row of the year 2018; has 2016"
    with pytest.raises(SourceError, match=says):
        _read(tmp_path, year=2018)


def _keys(found, variable):
    rows = found.values[found.values["variable"] == variable]
    return rows["level"], rows["fips"]


@given(st.sampled_from(["25025", "09001"]), st.booleans(), st.booleans())
def test_codes_are_mended_whatever_a_spreadsheet_did_to_them(county, short, floated):
    spoilt = county.removeprefix("0") if short else county
    spoilt += ".0" if floated else ""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        _write(
            root,
            mimic_sdoh_residences=(f"10,{spoilt},{spoilt.split('.')[0]}000100",),
            svi_county=(f"{spoilt},1,1",),
            ahrq_county=(),
            ahrq_tract=("25025010100,2018,50000",),
        )
        found = _read(root)
    assert _homes(found) == {"10": (county, f"{county}000100")}
    assert _value(found, "county", county, "EP_UNINSUR") == 1
    is_short = len(spoilt.split(".")[0]) < 5
    assert found.notes.get(mimic_sdoh.PADDED, 0) == 3 * is_short
    assert found.notes.get(mimic_sdoh.FLOATED, 0) == 2 * floated


def test_a_tract_outside_its_county_is_kept_and_counted(tmp_path):
    _write(tmp_path, mimic_sdoh_residences=("10,25025,09001000100", "11,25025,25025000100"))
    found = _read(tmp_path)
    assert _homes(found)["10"] == ("25025", "09001000100")
    assert found.notes[mimic_sdoh.ELSEWHERE] == 1


def test_a_patient_may_be_listed_again_with_the_same_home(tmp_path):
    _write(tmp_path, mimic_sdoh_residences=("11,9001,9001000100", "11,09001,09001000100.0"))
    found = _read(tmp_path)
    assert _homes(found) == {"11": ("09001", "09001000100")}
    assert found.notes[mimic_sdoh.AGAIN] == 1


@pytest.mark.parametrize("second", ["11,25025,", "11,,", "11,25025,25025000200"])
def test_two_homes_are_refused(tmp_path, second):
    first = "11,25025,25025000100"
    _write(tmp_path, mimic_sdoh_residences=(first, "12,25025,", first, second))
    says = r"residences\.csv row 5: the patient of row 2 with another place; allowed: one home each"
    with pytest.raises(SourceError, match=says):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("name", "row", "says"),
    [
        ("mimic_sdoh_residences", "10,250255,", "column 'COUNTYFIPS': '250255'; allowed: a FIPS"),
        ("mimic_sdoh_residences", "10,925,", "column 'COUNTYFIPS': '925'; allowed: a FIPS code"),
        ("mimic_sdoh_residences", "10,,25025", "column 'TRACTFIPS': '25025'; allowed: a FIPS"),
        ("mimic_sdoh_residences", ",25025,", "column 'subject_id': blank; allowed: digits"),
        ("ahrq_county", ",2018,1,1", "column 'COUNTYFIPS': blank; allowed: a FIPS code of 5"),
        ("ahrq_county", "25025,18,1,1", "column 'YEAR': '18'; allowed: a year"),
        ("ahrq_county", "25025,2018,low,1", "column 'SAHIE_PCT_UNINSURED64': 'low'; allowed: a"),
        ("svi_county", "25025,nan,1", "column 'EP_UNINSUR': 'nan'; allowed: a number or blank"),
    ],
)
def test_a_bad_row_is_named(tmp_path, name, row, says):
    _write(tmp_path, **{name: (row,)})
    with pytest.raises(SourceError) as caught:
        _read(tmp_path)
    assert f"{name}.csv row 2, {says}" in str(caught.value)


def test_a_place_has_one_row_a_year(tmp_path):
    _write(tmp_path, ahrq_county=(*COUNTY, "9001,2018,1,1"))
    with pytest.raises(SourceError, match=r"ahrq_county\.csv row 6: '09001' again; allowed: one"):
        _read(tmp_path)


def test_missing_tables_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"looked for mimic_sdoh_residences\.csv"):
        _read(tmp_path)
    _write(tmp_path)
    (tmp_path / "svi_county.csv").unlink()
    with pytest.raises(SourceError, match=r"looked for svi_county\.csv"):
        _read(tmp_path)


@pytest.mark.parametrize("file", ["/etc/passwd", "../x.csv", "a/../../x.csv", "", "a\\b.csv"])
def test_files_lie_below_the_root(tmp_path, file):
    with pytest.raises(ConfigError, match=r"residences\.file: .*below the data set's folder"):
        _read(tmp_path, residences={"file": file})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"year": "last"}, r"options\.year"),
        ({"tables": []}, r"options\.tables"),
        ({"residences": {"county": None, "tract": None}}, "county and tract are both none"),
        ({"tables": [SVI_TABLE, SVI_TABLE]}, "'county.RPL_THEMES'.* twice; each variable"),
        ({"tables": [{**SVI_TABLE, "level": "zip"}]}, r"tables\.0\.level"),
    ],
)
def test_settings_that_make_no_sense_are_named(tmp_path, settings, says):
    _write(tmp_path)
    with pytest.raises(ConfigError, match=says):
        _read(tmp_path, **settings)


def test_every_name_is_a_setting(tmp_path):
    (tmp_path / "geo").mkdir()
    (tmp_path / "geo" / "homes.csv").write_text("who,tract\n10,25025010100\n")
    (tmp_path / "chr.csv").write_text("fipscode,poor_health\n25025,-1\n25027,0.2\n")
    table = {"file": "chr.csv", "level": "county", "key": "fipscode", "missing": [-1.0]}
    found = _read(
        tmp_path,
        residences={"file": "geo/homes.csv", "patient": "who", "county": None, "tract": "tract"},
        tables=[{**table, "variables": ["poor_health"]}],
    )
    assert _homes(found) == {"10": ("-", "25025010100")}
    assert _value(found, "county", "25027", "poor_health") == 0.2
    assert found.notes == {mimic_sdoh.CODED: 1}


def test_the_real_svi_table(shared_data, tmp_path):
    _write(tmp_path)
    (tmp_path / SVI_TABLE["file"]).symlink_to(shared_data / "cdc_svi" / SVI_TABLE["file"])
    found = _read(tmp_path, tables=[SVI_TABLE])
    counties = found.values.pivot(index="fips", columns="variable", values="value")
    assert len(counties) == 3142
    assert counties.index.str.len().unique().tolist() == [5]
    assert (counties.index.str[:2] == "01").sum() == 67  # Alabama keeps its zero
    missing = counties[counties["RPL_THEMES"].isna()]
    assert missing.index.tolist() == ["35039"]  # Rio Arriba, New Mexico
    assert missing["EP_UNINSUR"].tolist() == [10.6]
    assert counties["RPL_THEMES"].agg(["min", "max"]).tolist() == [0, 1]
    assert counties["EP_UNINSUR"].between(0, 100).all()
    assert found.notes == {mimic_sdoh.PADDED: 2, mimic_sdoh.CODED: 1}
