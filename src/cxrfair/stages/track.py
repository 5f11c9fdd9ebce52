"""Test metrics to the tracker's runs, after everything else is done."""

from pathlib import Path
from typing import Any

from cxrfair import tables
from cxrfair.stages._cli import call
from cxrfair.tracking import Place, log_results

SHOWN = ("all", "between")  # numbers over all images, and gaps between groups


def track(metrics: tuple[Path, ...]) -> None:
    """Add each model's test metrics over all images, and gaps between groups, to its run."""
    found: dict[Place, dict[str, float]] = {}
    for path in metrics:
        rows = tables.METRICS.read(path)
        wanted: Any = rows[rows["group"].isin(SHOWN)].to_dict("records")
        for row in wanted:
            place = Place(*(row[key] for key in ("study", "dataset", "variant", "seed")))
            found.setdefault(place, {})[_name(row)] = float(row["value"])
    log_results(found)


def _name(row: dict[str, Any]) -> str:
    """Name a number as MLflow allows: `test/auroc_gap.pleural_effusion.sex`.

    MLflow shows what comes before the slash as a section of its own, apart from the curves.
    """
    attribute = "" if row["attribute"] == "all" else f".{row['attribute'].replace(' ', '_')}"
    return f"test/{row['metric']}.{row['label']}{attribute}"


if __name__ == "__main__":
    call(track)
