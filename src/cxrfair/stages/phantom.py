"""Settings to one simulated data set in its original layout."""

from pathlib import Path

from cxrfair import manifests
from cxrfair.phantom import PhantomConfig, write
from cxrfair.stages._cli import call


def phantom(
    *,
    dataset: str,
    config: PhantomConfig,
    root: Path,
    truth: Path,
    tables: Path,
    images: Path,
    memory: Path,
) -> None:
    """Write a data set, the truth behind it, and the manifests of its folder."""
    write(dataset, config, root, truth)
    manifests.refresh(dataset, root, {"tables": tables, "images": images}, memory)


if __name__ == "__main__":
    call(phantom)
