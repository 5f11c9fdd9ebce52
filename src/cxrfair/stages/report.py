"""What one study found to its tables, its figures and its part of the page."""

from pathlib import Path

from cxrfair.files import write_text
from cxrfair.report import ReportConfig
from cxrfair.report.article import write
from cxrfair.report.collect import Facts, Files, collect
from cxrfair.stages._cli import as_json, call
from cxrfair.studies import Study


def report(
    *,
    name: str,
    study: Study,
    files: Files,
    facts: Facts,
    config: ReportConfig,
    out: Path,
    article: Path,
) -> None:
    """Write a study's part of the report; `files` are those of the study."""
    written = write(collect(name, study, files, facts), config, out)
    write_text(article, as_json(written.model_dump(mode="json")))


if __name__ == "__main__":
    call(report)
