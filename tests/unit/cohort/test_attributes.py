import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.cohort import CohortError
from cxrfair.cohort.attributes import age_groups, insurance_groups, race_groups
from cxrfair.datasets import _stays

GROUPING = "seyyed_kalantari_2021"


def test_age_bins_are_closed_on_the_left():
    ages = pd.Series([0, 19.99, 20, 79, 80, 117, None], dtype="float32")
    assert age_groups(ages, (20, 40, 60, 80)).tolist() == [
        *("0-20", "0-20", "20-40", "60-80", "80+", "80+", "unknown"),
    ]


@given(
    st.floats(0, 120, width=32),
    st.lists(st.integers(1, 110), min_size=1, unique=True).map(sorted),
)
def test_an_age_lies_in_the_bin_of_its_name(age, cuts):
    name = age_groups(pd.Series([age], dtype="float32"), cuts).iloc[0]
    low, _, high = name.rstrip("+").partition("-")
    assert int(low) <= age
    assert age < (int(high) if high else float("inf"))


def test_a_negative_age_is_an_error():
    with pytest.raises(CohortError, match=r"records\.age_years: -1\.0; allowed: 0 or more"):
        age_groups(pd.Series([-1.0]), (20,))


def test_every_word_of_mimic_has_a_race_group():
    groups = race_groups(pd.Series(_stays.RACES, dtype="str"), GROUPING)
    of_word = dict(zip(_stays.RACES, groups, strict=True))
    assert set(groups) == {
        *("white", "black", "hispanic or latino", "asian", "american indian or alaska native"),
        *("other", "unknown"),
    }
    assert of_word["WHITE - BRAZILIAN"] == "white"
    assert of_word["BLACK/CAPE VERDEAN"] == "black"
    assert of_word["HISPANIC/LATINO - COLUMBIAN"] == "hispanic or latino"
    assert of_word["ASIAN - KOREAN"] == "asian"
    unknown = [word for word, group in of_word.items() if group == "unknown"]
    assert unknown == ["UNKNOWN", "UNABLE TO OBTAIN", "PATIENT DECLINED TO ANSWER"]


# CheXpert's workbook: all its words, and those with what its column of ethnicity adds.
CHEXPERT = {
    "white": ["White", "White, non-Hispanic", "White or Caucasian", "White | Not Hispanic"],
    "black": ["Black or African American", "Black, non-Hispanic"],
    "asian": ["Asian", "Asian, non-Hispanic", "Asian - Historical Conv"],
    "american indian or alaska native": [
        *("American Indian or Alaska Native", "Native American, non-Hispanic"),
    ],
    "hispanic or latino": [
        *("White, Hispanic", "Black, Hispanic", "Asian, Hispanic", "Native American, Hispanic"),
        *("Pacific Islander, Hispanic", "Other, Hispanic", "White | Hispanic/Latino"),
        *("Hispanic - Historical Conv", "Hispanic/Latino"),
        *("Unknown | Hispanic/Latino", "Patient Refused | Hispanic/Latino"),
    ],
    "other": [
        *("Native Hawaiian or Other Pacific Islander", "Pacific Islander, non-Hispanic"),
        *("Other", "Other, non-Hispanic"),
    ],
    "unknown": ["Unknown", "Race and Ethnicity Unknown", "Patient Refused"],
}
TCGA = {
    "white": ["white", "white | not hispanic or latino"],
    "black": ["black or african american"],
    "asian": ["asian"],
    "american indian or alaska native": ["american indian or alaska native"],
    "other": ["native hawaiian or other pacific islander"],
    "unknown": ["not reported", "unknown", "not allowed to collect"],
}
V1 = {
    "white": ["WHITE"],
    "black": ["BLACK/AFRICAN AMERICAN"],
    "hispanic or latino": ["HISPANIC/LATINO"],
    "asian": ["ASIAN"],
    "american indian or alaska native": ["AMERICAN INDIAN/ALASKA NATIVE"],
    "other": ["OTHER"],
    "unknown": ["UNKNOWN", "UNABLE TO OBTAIN"],
}


@pytest.mark.parametrize("source", [CHEXPERT, TCGA, V1], ids=["chexpert", "tcga", "mimic v1"])
def test_every_word_of_other_sources_has_a_race_group(source):
    for group, words in source.items():
        for word in (*words, *map(str.upper, words), *map(str.lower, words)):
            if source is V1 and word != word.upper():
                continue
            assert race_groups(pd.Series([word]), GROUPING).tolist() == [group], word


def test_words_are_whole_words_and_several_groups_are_other():
    words = pd.Series(["Caucasian", "Black and White", "Multiple races"])
    assert race_groups(words, GROUPING).tolist() == ["white", "other", "other"]
    for word in ("Whitehall", "Eurasian", "non-Hispanic"):
        with pytest.raises(CohortError, match=word):
            race_groups(pd.Series([word]), GROUPING)


def test_no_race_is_unknown_and_never_other():
    assert race_groups(pd.Series([None, None], dtype="str"), GROUPING).tolist() == ["unknown"] * 2


def test_an_unknown_race_word_is_named_with_what_is_known():
    with pytest.raises(CohortError, match=r"records\.race: \['MARTIAN'\]; allowed: WHITE, PORTU"):
        race_groups(pd.Series(["WHITE", "MARTIAN"]), GROUPING)


def test_insurance_is_lower_case_or_unknown():
    words = pd.Series(["Medicare", "No charge", None], dtype="str")
    assert insurance_groups(words).tolist() == ["medicare", "no charge", "unknown"]
