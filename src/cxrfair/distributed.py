"""Several processes that train one network, each on its part of every batch."""

from torch import Tensor


def gather(part: Tensor) -> Tensor:
    """Join the parts of all processes."""
    return part
