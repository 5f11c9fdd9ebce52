"""A study's part of the page, by itself: what `stages.report` hands to `stages.page`."""

import json

import pytest

from cxrfair.config import ConfigError
from cxrfair.report import ReportConfig
from cxrfair.report.article import Article, write
from cxrfair.report.site import bind, build
from cxrfair.stages._cli import as_json

PUBLIC = ReportConfig(public=True)
TINY = {"datasets": ("nih",), "attributes": ("sex",), "seeds": (0,), "n": 200}


@pytest.fixture(scope="module")
def tiny(made):
    return made.results(**TINY)


@pytest.fixture(scope="module")
def text(tiny, tmp_path_factory):
    return as_json(write(tiny, PUBLIC, tmp_path_factory.mktemp("part")).model_dump(mode="json"))


def test_a_page_bound_from_files_is_the_page_made_at_once(tiny, text, tmp_path):
    bind([Article.parse(text)], PUBLIC, tmp_path / "bound.html", ("a word",))
    build([tiny], PUBLIC, tmp_path, ("a word",))
    assert (tmp_path / "bound.html").read_bytes() == (tmp_path / "index.html").read_bytes()


def test_articles_are_in_the_order_given(text, tmp_path):
    first = Article.parse(text)
    second = first.model_copy(update={"name": "other", "body": "<article>the other</article>"})
    bind([second, first], PUBLIC, tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    contents = page.index('<a href="#other">'), page.index('<a href="#quick">')
    bodies = page.index("<article>the other</article>"), page.index('<article id="quick">')
    assert contents == tuple(sorted(contents))
    assert bodies == tuple(sorted(bodies))


def test_an_article_names_its_chapters_and_what_is_simulated(tiny, text):
    read = Article.parse(text)
    assert read.simulated == tuple(sorted(tiny.title(name) for name in tiny.simulated))
    assert read.chapters
    assert all(f'id="quick-{chapter.name}"' in read.body for chapter in read.chapters)


def test_a_file_that_is_no_article_is_refused(text):
    lacking = {key: value for key, value in json.loads(text).items() if key != "body"}
    with pytest.raises(ConfigError, match=r"results/report/quick/article\.json\.body"):
        Article.parse(json.dumps(lacking), "results/report/quick/article.json")
