"""How well training lists cover what they leave out, without what would tell of small cells."""

import numpy as np
import pandas as pd

from cxrfair.report.composition import ANY
from cxrfair.report.suppression._groups import Hidden
from cxrfair.report.suppression._rows import DIGITS, NOTE, Mask, is_between
from cxrfair.studies import SEPARATOR

OTHERS = "other cells"
COUNTS = ("n", "n_patients", "kept", "looked_at")
DISTANCES = ("largest", "random")
LIST = ["study", "dataset", "rebalance", "seed", "over"]


def hide_coverage(rows: pd.DataFrame, hidden: Hidden, smallest: int) -> pd.DataFrame:
    """Leave out cells that tell of few, and every count; one row of a list stands for such cells.

    A cell goes that has few images or patients, or of which few images are kept or left out; not
    even its name stays, which may be labels that few have together. With an attribute of which a
    group is hidden, alone or crossed, go all cells of a list over it: a cell that is named has
    been thinned out, so that it was larger than others. Cells of which nothing is left out are
    not named either way. Distances are of images to images: no count can be worked out from them.
    """
    thinned = rows[(rows["kept"] < rows["n"]).to_numpy(bool)]
    mask = _few(thinned, smallest) | _hidden(thinned, hidden)
    shown = thinned[~mask].astype(dict.fromkeys(COUNTS, "Int64"))
    shown.loc[:, list(COUNTS)] = pd.NA
    shown = shown.assign(**{name: shown[name].round(DIGITS) for name in DISTANCES})
    others = thinned.loc[mask, LIST].drop_duplicates().assign(cell=OTHERS, note=NOTE)
    if others.empty:
        return shown.reset_index(drop=True)
    blank = others.reindex(columns=rows.columns).astype(shown.dtypes.to_dict())
    return pd.concat([shown, blank], ignore_index=True) if len(shown) else blank


def _few(rows: pd.DataFrame, smallest: int) -> Mask:
    """Tell which cells have few images or patients, or few of them kept or left out."""
    parts = (rows["n"], rows["n_patients"], rows["kept"], rows["n"] - rows["kept"])
    return np.asarray(np.any([is_between(part, smallest) for part in parts], axis=0))


def _hidden(rows: pd.DataFrame, hidden: Hidden) -> Mask:
    """Tell which cells are over an attribute of which a group is hidden."""
    touched = [
        not {part for name, _ in hidden[dataset, ANY] for part in name.split(SEPARATOR)}.isdisjoint(
            over.split(", ")
        )
        for dataset, over in zip(rows["dataset"], rows["over"], strict=True)
    ]
    return np.array(touched, bool)
