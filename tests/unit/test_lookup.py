import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.lookup import places, take

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
