"""The report's page: one HTML file that needs no network, with the articles of its studies."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from cxrfair.files import write_text
from cxrfair.report import article
from cxrfair.report._config import ReportConfig
from cxrfair.report._results import StudyResults
from cxrfair.report._templates import HERE, template
from cxrfair.report.article import Article


def build(
    results: Sequence[StudyResults],
    config: ReportConfig,
    out: Path,
    notices: Sequence[str] = (),
) -> None:
    """Write `index.html` under `out`, and what `article.write` writes under `out/<study>`."""
    articles = [article.write(study, config, out / study.name) for study in results]
    bind(articles, config, out / "index.html", notices)


def bind(
    articles: Sequence[Article],
    config: ReportConfig,
    page: Path,
    notices: Sequence[str] = (),
) -> None:
    """Write the page; each article's files lie beside it, in a folder of the study's name.

    `notices` are said at the top. Equal articles give equal bytes.
    """
    text = template("page.html").render(
        articles=[(given, Markup(given.body)) for given in articles],
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        public=config.public,
        notices=notices,
        simulated=sorted({name for given in articles for name in given.simulated}),
    )
    write_text(page, text)
