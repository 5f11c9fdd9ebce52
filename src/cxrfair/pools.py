"""Several data sets of images as one: their tables below one another, and their stores.

Every identifier becomes `<data set>:<identifier>`, so that nobody of one data set is taken for
somebody of another. A picture that two of them hold keeps its checksum, by which it is found.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrfair import tables
from cxrfair.cohort.flow import join
from cxrfair.errors import CxrfairError
from cxrfair.files import whole
from cxrfair.images.store import PICTURES
from cxrfair.labels import UNSTATED

MARK = ":"  # between a data set's name and its own identifier
IDS = ("image_id", "patient_id", "study_id")
BLOCK = 1024  # pictures copied at a time

Parts = Mapping[str, pd.DataFrame]  # rows of one table by member, in the pool's order


class PoolError(CxrfairError):
    """Data sets that cannot be one."""


def renamed(rows: pd.DataFrame, member: str) -> pd.DataFrame:
    """Return the rows of any table with the member's name before every identifier."""
    there = [name for name in IDS if name in rows]
    return rows.assign(**{name: f"{member}{MARK}" + rows[name].astype("str") for name in there})


def records(parts: Parts) -> pd.DataFrame:
    """Return the records of a pool, rows of `tables.RECORDS`; `dataset` names the member.

    Paths stay those below the member's own root, official folds the member's own. What is known of
    places where patients live is empty for members that say nothing of it.
    """
    own = [renamed(rows, name).assign(dataset=name) for name, rows in parts.items()]
    return _stacked(own)


def labels(parts: Parts) -> pd.DataFrame:
    """Return what the members said of each finding, rows of `tables.LABELS`.

    A label that a member never states (it has no row of it) is `unstated` for all of that member's
    images, if another member states it.
    """
    every = list(dict.fromkeys(label for rows in parts.values() for label in _known(rows)))
    own = []
    for name, rows in parts.items():
        lacking = [label for label in every if label not in _known(rows)]
        images = rows["image_id"].unique()
        silent = pd.MultiIndex.from_product([images, lacking], names=["image_id", "label"])
        added = silent.to_frame(index=False).assign(state=UNSTATED)
        own.append(renamed(_stacked([rows, added]), name))
    return _stacked(own)


def annotations(parts: Parts) -> pd.DataFrame:
    """Return where the members saw findings, rows of `tables.ANNOTATIONS`."""
    return _stacked([renamed(rows, name) for name, rows in parts.items()])


def absent(parts: Parts) -> pd.DataFrame:
    """Return the images of the members that cannot be used, rows of `tables.ABSENT`."""
    return _stacked([renamed(rows, name) for name, rows in parts.items()])


def flow(parts: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """Return the flow of a pool: all that its members list, then each one's steps by its name.

    Parameters
    ----------
    parts
        By member, rows of `tables.FLOW` of its consecutive stages.

    Returns
    -------
    DataFrame
        Rows of `tables.FLOW`. Each step counts the images and patients of the whole pool as they
        are after it, so that one step begins where the last one ended.

    Raises
    ------
    PoolError
        If a member has no step.
    """
    steps = {name: join(*of) for name, of in parts.items()}
    if empty := [name for name, of in steps.items() if of.empty]:
        raise PoolError(f"pool: no flow of {', '.join(empty)}; one step or more is needed of each")
    images = {name: int(of["images_in"].iloc[0]) for name, of in steps.items()}
    # Nobody counted patients before a first step: it lists what there is, and mostly loses nothing.
    patients = {name: int(of["patients_out"].iloc[0]) for name, of in steps.items()}
    said = ", ".join(f"{name} {count:,}" for name, count in images.items())
    rows = [_step("listed by the sources", sum(images.values()), images, patients, said)]
    for name, step in ((name, step) for name, of in steps.items() for _, step in of.iterrows()):
        if step["position"] == 0 and step["images_lost"] == 0:
            continue
        before = sum(images.values())
        images[name], patients[name] = int(step["images_out"]), int(step["patients_out"])
        why = step["why"] if isinstance(step["why"], str) else None
        rows.append(_step(f"{name}: {step['step']}", before, images, patients, why))
    found = pd.DataFrame(rows).assign(position=range(len(rows)))
    return found[list(tables.FLOW.columns)].astype({"position": "int32", "why": "str"})


def store(members: Mapping[str, tuple[Path, pd.DataFrame]], pixels: Path) -> pd.DataFrame:
    """Copy the members' pictures into one array `pixels`, some at a time, one store after another.

    Parameters
    ----------
    members
        By name, the array (n, size, size) of uint8 and the rows of `tables.STORE_INDEX` of each.

    Returns
    -------
    DataFrame
        Rows of `tables.STORE_INDEX` for all images.

    Raises
    ------
    PoolError
        If a store holds no pictures, or stores are of different sizes.
    """
    arrays = {name: np.load(path, mmap_mode="r") for name, (path, _) in members.items()}
    size = _one_size(arrays)
    starts = np.cumsum([0, *(len(values) for values in arrays.values())])
    shape = (int(starts[-1]), size, size)
    with whole(pixels) as part:
        pooled = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        for start, values in zip(starts, arrays.values(), strict=False):
            for first in range(0, len(values), BLOCK):
                block = values[first : first + BLOCK]
                pooled[start + first : start + first + len(block)] = block
        pooled.flush()
    own = []
    for start, (name, (_, index)) in zip(starts, members.items(), strict=False):
        own.append(renamed(index, name).assign(row=index["row"].astype("Int64") + start))
    return _stacked(own)


def _known(rows: pd.DataFrame) -> list[str]:
    """Return the labels that there are rows of, in their order."""
    return [str(label) for label in rows["label"].unique()]


def _stacked(own: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Set rows below one another; those without any say nothing of the types of columns."""
    filled = [rows for rows in own if len(rows)] or [*own[:1]]
    return pd.concat(filled, ignore_index=True)


def _step(
    name: str, before: int, images: Mapping[str, int], patients: Mapping[str, int], why: str | None
) -> dict[str, object]:
    """Make a row of a flow, without its position."""
    after = sum(images.values())
    return {
        "step": name,
        "images_in": before,
        "images_out": after,
        "images_lost": before - after,
        "patients_out": sum(patients.values()),
        "why": why,
    }


def _one_size(arrays: Mapping[str, NDArray[np.uint8]]) -> int:
    """Return the side of all pictures."""
    for name, values in arrays.items():
        if (values.ndim, values.dtype) != PICTURES:
            raise PoolError(
                f"pool: {name} holds {values.shape} of {values.dtype}; allowed: pictures, "
                "(images, size, size) of uint8"
            )
    sizes = {values.shape[1:] for values in arrays.values()}
    if len(sizes) != 1:
        told = ", ".join(f"{name} {values.shape[1:]}" for name, values in arrays.items())
        raise PoolError(f"pool: pictures of several sizes ({told}); allowed: one size")
    return int(next(iter(arrays.values())).shape[1])
