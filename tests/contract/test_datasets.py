"""Promises every data set file keeps; a new one is under test the moment its file exists."""

from pathlib import PurePath

import pytest

from cxrfair import datasets
from cxrfair.errors import CxrfairError
from cxrfair.plugins import UnknownNameError

NAMES = datasets.names()


def test_the_three_data_sets_are_found_by_file_name():
    assert {"mimic_cxr", "mimic_iv", "nih_chestxray14"} <= set(NAMES)
    with pytest.raises(UnknownNameError, match="no 'chexprt'; have "):
        datasets.get("chexprt")


@pytest.mark.parametrize("name", NAMES)
def test_it_says_which_files_it_reads_and_whom_to_cite(name):
    source = datasets.get(name)
    assert source.SOURCE
    assert source.TABLES
    for pattern in (*source.TABLES, *source.IMAGES):
        assert not PurePath(pattern).is_absolute()
        assert ".." not in PurePath(pattern).parts


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_is_an_error_that_names_it(name, tmp_path):
    with pytest.raises(CxrfairError, match=str(tmp_path)):
        datasets.get(name).read(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_label_names_are_canonical(name):
    labels = getattr(datasets.get(name), "LABELS", {})
    assert len(set(labels.values())) == len(labels)
    assert all(word.isidentifier() and word == word.lower() for word in labels.values())
