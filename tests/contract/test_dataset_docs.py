"""Every data set with a phantom has a page, and it says what the adapter's file says."""

import re
from pathlib import Path

import pytest

from cxrfair import datasets, phantom
from cxrfair.completeness import COUNTS

PAGES = Path(__file__).parents[2] / "docs" / "datasets"
NAMES = phantom.names()  # a hospital's own data set has neither
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)^```$", re.M)


@pytest.fixture
def page(name):
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def test_there_is_a_page_for_each_and_no_other():
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_where_to_get_it_and_what_to_sign(page, name):
    layout = datasets.get(name).LAYOUT
    assert page.startswith(f"# `{name}`\n")
    assert layout.url in page
    assert " ".join(layout.access.split()) in " ".join(page.split())
    assert " ".join(datasets.get(name).SOURCE.split()) in " ".join(page.split())


@pytest.mark.parametrize("name", NAMES)
def test_it_lists_every_file_what_for_and_whether_it_may_be_missing(page, name):
    layout = datasets.get(name).LAYOUT
    blocks = [text for kind, text in FENCE.findall(page) if not kind]
    listed = {tuple(re.split(r"  +", line, maxsplit=1)) for b in blocks for line in b.splitlines()}
    expected = {
        (pattern, f"{holds} (optional)" if pattern in layout.optional else holds)
        for pattern, holds in layout.files.items()
    }
    assert listed == expected


@pytest.mark.parametrize("name", NAMES)
def test_it_states_every_published_count(page, name):
    layout = datasets.get(name).LAYOUT
    words = " ".join(page.split())
    for count, number in layout.counts.items():
        assert f" {number:,} {count.replace('_', ' ')}" in words


@pytest.mark.parametrize("name", NAMES)
def test_what_is_counted_can_be_counted(name):
    assert set(datasets.get(name).LAYOUT.counts) <= set(COUNTS)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_how_to_point_at_it_and_how_to_check_it(page, name):
    assert re.search(rf"^  {name}:", page, re.M)
    assert f"cxrfair data check {name}\n" in page


@pytest.mark.parametrize("name", NAMES)
def test_it_names_every_label_and_every_option(page, name):
    source = datasets.get(name)
    labels = getattr(source, "LABELS", None) or dict.fromkeys(getattr(source, "WORDS", ()))
    ours = [ours or theirs for theirs, ours in labels.items()]
    assert ours or source.KIND in {"encounters", "surroundings", "embeddings"}
    words = set(re.findall(r"`(\w+)`", page))
    assert set(ours) <= words
    for option in datasets.options(name).model_fields:
        assert re.search(rf"\b{option}:", page), option


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_stays_unknown_and_which_rules_hold(page, name):
    assert "## Rules and traps\n" in page
    if datasets.get(name).KIND in {"images", "encounters", "surroundings"}:
        assert re.search(r"\*\*[^*]*[Uu]nknown", page)
