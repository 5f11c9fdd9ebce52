"""Everything the studies found to one page, tables and figures."""

import json
from pathlib import Path
from typing import Any

from cxrfair.report import ReportConfig
from cxrfair.report.collect import Facts, Files, collect
from cxrfair.report.site import build
from cxrfair.stages._cli import call
from cxrfair.studies import Study


def report(
    studies: dict[str, Any], files: dict[str, Any], facts: Facts, config: ReportConfig, out: Path
) -> None:
    """Write the report; `files` names each study's files (see `report.collect.Files`)."""
    results = [
        collect(
            name,
            Study.parse(json.dumps(study), f"studies.{name}"),
            Files.parse(json.dumps(files[name]), f"files.{name}"),
            facts,
        )
        for name, study in studies.items()
    ]
    build(results, config, out)


if __name__ == "__main__":
    call(report)
