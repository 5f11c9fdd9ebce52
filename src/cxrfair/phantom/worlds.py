"""The same images in other worlds: a data set's pictures with an attribute set along either path.

Of an attribute with values S- and S+ there are four worlds, by what it is along S -> X (`shown`)
and along S -> Y (`ill`). Between them lie its direct, its indirect and its total effect. All noise
is held, the files are those its layout writes, and they are read as the image store reads them.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow import parquet

from cxrfair import plugins
from cxrfair.images.decode import decode
from cxrfair.lookup import places
from cxrfair.phantom import families, intervention, scene, writers
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.intervention import FACTUAL, World
from cxrfair.phantom.noise import PhantomError
from cxrfair.phantom.scene import Bytes
from cxrfair.phantom.writers._images import Layout
from cxrfair.progress import meter

Effects = Mapping[str, tuple[str, str]]  # of an attribute, S- and S+
Rows = NDArray[np.int64]

PAIRS = ((0, 0), (1, 0), (0, 1), (1, 1))  # (shown, ill): 0 = S-, 1 = S+
IMAGES = 1024  # in memory as numbers at a time, each in all worlds


def names() -> tuple[str, ...]:
    """Return the data sets that the phantom writes pictures of."""
    every = plugins.names(writers)
    return tuple(name for name in every if hasattr(plugins.find(writers, name), "LAYOUT"))


def of(effects: Effects) -> dict[tuple[str, str, str], World]:
    """Return the four worlds of each attribute, by (attribute, shown, ill), in order."""
    return {
        (attribute, values[shown], values[ill]): World(
            {attribute: values[shown]}, {attribute: values[ill]}
        )
        for attribute, values in effects.items()
        for shown, ill in PAIRS
    }


def listed(effects: Effects, image_ids: Sequence[str]) -> pd.DataFrame:
    """Return rows of `tables.INTERVENTIONS`: world by world, the images of each in their order."""
    which = list(of(effects))
    parts = pd.DataFrame(which, columns=["attribute", "shown", "ill"], dtype="str")
    rows = parts.loc[parts.index.repeat(len(image_ids))].reset_index(drop=True)
    ids = pd.Series([*image_ids] * len(which), dtype="str")
    return rows.assign(image_id=ids, row=np.arange(len(rows)))


def known(truth: Path, image_ids: Sequence[str]) -> pd.DataFrame:
    """Read what is true of some images, in their order.

    Raises
    ------
    PhantomError
        If there is none, or the truth lacks one.
    """
    if not image_ids:
        raise PhantomError("interventions: 0 images of the fold test; 1 or more are needed")
    wanted = [("image_id", "in", list(image_ids))]
    rows: pd.DataFrame = parquet.read_table(truth, filters=wanted).to_pandas()
    found = places(pd.Series(image_ids, dtype="str"), rows["image_id"])
    if lost := int((found < 0).sum()):
        raise PhantomError(f"{truth}: {lost} of {len(found)} images are not in it; allowed: 0")
    return rows.iloc[found].reset_index(drop=True)


def check(dataset: str, effects: Effects) -> None:
    """Refuse data sets that the phantom has no pictures of, and what cannot be set.

    Raises
    ------
    PhantomError
        Naming all that is wrong.
    """
    wrong = intervention.faults(effects)
    if dataset not in names():
        wrong.append(f"interventions: no pictures of {dataset!r}; one of {', '.join(names())}")
    if wrong:
        raise PhantomError("\n".join(wrong))


def render(
    config: PhantomConfig, dataset: str, images: pd.DataFrame, worlds: Sequence[World], out: Bytes
) -> None:
    """Draw, write and read images in every world, into `out` (worlds * images, size, size).

    Pictures are drawn at `config.image_size`, encoded as the data set's layout encodes them (never
    spoilt), and decoded to the size of `out` by `images.decode`: with no intervention they are the
    store's own, bit for bit. A picture that several worlds share is drawn once. Numbers of `IMAGES`
    images and a batch of pictures are in memory at a time.

    Parameters
    ----------
    config
        Section `phantom` of params.yaml, as `phantom.write` had it.
    images
        Rows of the truth (`known`).
    worlds
        As `of` gives them; row `w * len(images) + i` of `out` is image `i` in world `w`.

    Raises
    ------
    PhantomError
        If the truth is of other settings than `config`.
    """
    layout: Layout = plugins.find(writers, dataset).LAYOUT
    config = families.settled(config, dataset)
    order = np.argsort(images["patient"].to_numpy(), kind="stable")
    with (
        meter(f"interventions on {dataset}", "pictures", len(out)) as shown,
        TemporaryDirectory() as folder,
    ):
        for start in range(0, len(order), IMAGES):
            part = order[start : start + IMAGES]
            filed = images.iloc[part].reset_index(drop=True)
            rows = pd.concat(_scenes(config, layout, filed, worlds), ignore_index=True)
            to = np.concatenate([part + w * len(images) for w in range(len(worlds))])
            for same, grey in _pictures(config, layout, rows, Path(folder), out.shape[-1]):
                out[to[same]] = grey
                shown.advance(len(same))


def _scenes(
    config: PhantomConfig, layout: Layout, filed: pd.DataFrame, worlds: Sequence[World]
) -> Iterator[pd.DataFrame]:
    """Yield filed images in each world: what is drawn is the world's, names and files their own."""
    patients = np.unique(filed["patient"].to_numpy())

    def under(world: World) -> pd.DataFrame:
        built = scene.build_in(config, layout.profile, patients, world)
        return layout.frame(built, filed)

    factual = under(FACTUAL)
    others = [str(c) for c in factual if not np.array_equal(factual[c], filed[c])]
    if others:
        raise PhantomError(
            f"interventions on {layout.profile.dataset}: the truth differs from these settings in "
            f"{', '.join(others[:3])} ({len(others)} columns); allowed: 0, write the phantom again"
        )
    own = filed.drop(columns=factual.columns)
    for world in worlds:
        yield pd.concat([under(world), own], axis=1)


def _pictures(
    config: PhantomConfig, layout: Layout, rows: pd.DataFrame, folder: Path, size: int
) -> Iterator[tuple[Rows, Bytes]]:
    """Yield each different picture of some rows (size, size), after the rows that show it."""
    group = rows.groupby(list(rows.columns), sort=False, dropna=False).ngroup().to_numpy()
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    different = rows.iloc[[same[0] for same in members]].reset_index(drop=True)
    endings = enumerate(PurePosixPath(path).suffix for path in different["path"])
    different["path"] = [f"{number}{ending}" for number, ending in endings]  # one file each
    showing = iter(members)
    for batch, pictures in scene.batches(different, config.image_size):
        encode = layout.encoder(config, batch, folder)
        for path, grey in zip(batch["path"], pictures.grey, strict=True):
            encode(folder / path, grey, "")
            decoded, _, _ = decode(folder / path, size)
            (folder / path).unlink()
            yield next(showing), decoded
