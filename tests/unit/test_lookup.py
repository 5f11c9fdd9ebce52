import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.errors import CxrfairError
from cxrfair.lookup import people_of, places, take

WORDS = st.lists(st.none() | st.text(max_size=2), max_size=6)


def _text(words):
    return pd.Series(list(words), dtype="str")


@given(WORDS, st.lists(st.text(max_size=2), max_size=6, unique=True))
def test_it_says_where_each_word_stands(words, known):
    expected = [known.index(word) if word in known else -1 for word in words]
    assert places(_text(words), _text(known)).tolist() == expected


def test_a_missing_word_stands_nowhere():
    assert places(_text([None, "a"]), _text(["b", None, "a"])).tolist() == [-1, 2]


def test_what_stands_nowhere_is_empty():
    words = pd.Series(["a", "b"], index=[7, 9], dtype="str")
    taken = take(words, places(_text(["b", "x", "a"]), words))
    assert taken.index.tolist() == [0, 1, 2]
    assert taken.isna().tolist() == [False, True, False]
    assert taken.dropna().tolist() == ["b", "a"]
    assert str(taken.dtype) == "str"


def test_people_stand_as_their_images_do():
    cohort = pd.DataFrame({"image_id": _text("abc"), "patient_id": _text(["p", "q", "p"])})
    found = people_of(["c", "b", "c"], cohort, ("here", "images"), CxrfairError)
    assert found["patient_id"].tolist() == ["p", "q", "p"]
    assert found.index.tolist() == [0, 1, 2]


def test_images_of_nobody_are_refused():
    class HereError(CxrfairError):
        pass

    cohort = pd.DataFrame({"image_id": _text("abc"), "patient_id": _text("pqr")})
    with pytest.raises(HereError, match="^here: 2 drawn images are not in the cohort; allowed: 0$"):
        people_of(["a", "x", "y"], cohort, ("here", "drawn images"), HereError)
