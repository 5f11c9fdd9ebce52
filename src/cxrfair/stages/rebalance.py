"""Training images to a training list."""

from pathlib import Path

from cxrfair import rebalance as strategies
from cxrfair import tables
from cxrfair.rebalance import members
from cxrfair.stages._cli import call


def rebalance(
    *,
    cohort: Path,
    targets: Path,
    splits: Path,
    strategy: str,
    config: str,
    seed: int,
    listed: Path,
) -> None:
    """Decide what is trained on, and how often; only training images are handed over."""
    chosen = strategies.get(strategy)
    images = members(
        tables.COHORT.read(cohort), tables.TARGETS.read(targets), tables.SPLITS.read(splits)
    )
    parsed = chosen.Config.parse(config, f"rebalance.{strategy}")
    tables.TRAINING_LIST.write(chosen.rebalance(images, parsed, seed), listed)


if __name__ == "__main__":
    call(rebalance)
