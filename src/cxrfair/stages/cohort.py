"""Records and labels to a study's images and targets."""

from pathlib import Path

from cxrfair import labels as label_policy
from cxrfair import tables
from cxrfair.cohort import flow as flows
from cxrfair.cohort.filters import CohortConfig, select
from cxrfair.labels import LabelConfig
from cxrfair.lookup import places
from cxrfair.stages._cli import call
from cxrfair.studies import single


def cohort(
    *,
    records: Path,
    flows_before: tuple[Path, ...],
    states: Path,
    index: Path,
    config: CohortConfig,
    policy: LabelConfig,
    attributes: tuple[str, ...],
    labels: tuple[str, ...],
    chosen: Path,
    targets: Path,
    flow: Path,
) -> None:
    """Choose a study's images, group their patients, and turn what sources said into targets."""
    store = tables.STORE_INDEX.read(index)
    rows, steps = select(tables.RECORDS.read(records), store, config, single(attributes))
    said = tables.LABELS.read(states)
    inside = places(said["image_id"], rows["image_id"]) >= 0
    wanted = label_policy.targets(said[inside], labels, policy)
    tables.CHOSEN.write(rows, chosen)
    tables.TARGETS.write(wanted, targets)
    tables.FLOW.write(flows.join(*map(tables.FLOW.read, flows_before), steps), flow)


if __name__ == "__main__":
    call(cohort)
