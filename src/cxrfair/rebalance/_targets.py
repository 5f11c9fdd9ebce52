"""How many rows each cell of a training set is to have."""

from bisect import bisect_right
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cxrfair.config import Section

Way = Literal["down", "up", "both"]  # cells over their target, those under it, or all


class Aim(Section):
    """What is balanced and how far.

    `over` names attributes, whose crossed values are the cells, or labels. `target` is the size
    each cell is brought to: `equal` (the same total over all cells), `median` (of the cells) or
    `cap` (the largest cell at most `cap` times the smallest; `cap` is empty with other targets).
    """

    over: tuple[str, ...] = Field(min_length=1, max_length=62)
    target: Literal["equal", "median", "cap"]
    cap: float | None = Field(ge=1)

    @model_validator(mode="after")
    def _settings_go_together(self) -> Self:
        if (self.target == "cap") != (self.cap is not None):
            raise ValueError("`cap` is given with `target: cap` and with nothing else")
        if len(set(self.over)) < len(self.over):
            raise ValueError("`over` names something twice")
        return self


def wanted(n: NDArray[np.int64], aim: Aim, way: Way) -> NDArray[np.int64]:
    """Return the size each cell is to have, of the sizes (g,) they have; every one at least 1.

    Both ways, `equal` and `cap` keep the total exactly. `equal` gives what does not divide to the
    largest cells, one each. `median` makes every cell as large as the median cell (rounded down),
    whatever the total becomes. One way alone leaves the cells on the other side as they are, and
    takes `cap` from the smallest cell (down) or the largest (up).

    Parameters
    ----------
    n
        Rows of each cell, each at least 1; without cells the answer is empty.
    """
    if len(n) == 0:
        return n.copy()
    if aim.cap is not None:
        return _capped(n, aim.cap, way)
    size = _equal(n) if aim.target == "equal" else np.full_like(n, int(np.median(n)))
    return {"down": np.minimum(n, size), "up": np.maximum(n, size), "both": size}[way]


def _equal(n: NDArray[np.int64]) -> NDArray[np.int64]:
    """Share out the total evenly."""
    each, over = divmod(int(n.sum()), len(n))
    size = np.full_like(n, each)
    size[np.argsort(-n, kind="stable")[:over]] += 1
    return size


def _capped(n: NDArray[np.int64], cap: float, way: Way) -> NDArray[np.int64]:
    """Bring the largest cell to at most `cap` times the smallest."""
    if way == "down":
        return np.minimum(n, int(cap * n.min()))
    if way == "up":
        return np.maximum(n, int(np.ceil(n.max() / cap)))
    return _within(n, cap)


def _within(n: NDArray[np.int64], cap: float) -> NDArray[np.int64]:
    """Clip all cells between a least size and `cap` times that, such that the total is kept.

    The least size is the largest that does not need more rows than there are. Rows left over go
    to cells of the least size first, which breaks no cap (where `cap` is so close to 1 that the
    next whole number is beyond it, cells differ by one row instead).
    """

    def clipped(least: int) -> NDArray[np.int64]:
        return np.clip(n, least, max(least, int(cap * least)))

    total = int(n.sum())
    least = bisect_right(range(1, total // len(n) + 1), total, key=lambda s: int(clipped(s).sum()))
    size = clipped(least)
    room = clipped(least + 1) - size
    order = np.lexsort((-n, n > least))
    before = np.cumsum(room[order]) - room[order]
    size[order] += np.clip(total - size.sum() - before, 0, room[order])
    return size
