"""The parts of the report to one page."""

from pathlib import Path

from cxrfair.report import ReportConfig
from cxrfair.report.article import Article
from cxrfair.report.site import bind
from cxrfair.stages._cli import call


def page(articles: tuple[Path, ...], config: ReportConfig, page: Path) -> None:
    """Write the page, with the studies in the order of `articles`."""
    read = [Article.parse(path.read_text(encoding="utf-8"), str(path)) for path in articles]
    bind(read, config, page)


if __name__ == "__main__":
    call(page)
