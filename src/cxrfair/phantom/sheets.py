"""Pictures of the population to look at: findings by group, and people beside their others.

Both are drawn pixel for pixel and say that all of it is simulated.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cxrfair.files import whole
from cxrfair.phantom import intervention, scene
from cxrfair.phantom.acquisition import Profile
from cxrfair.phantom.config import PhantomConfig, Prevalence
from cxrfair.phantom.intervention import VALUES
from cxrfair.phantom.noise import Floats, Keys, PhantomError
from cxrfair.phantom.population import FINDINGS

PROFILE = Profile("sheet", 0.35, 0.0, 0.0, 0.0, 0.0, 0.0, laterals=False)
COLUMNS: Mapping[str, Sequence[str | float]] = {**VALUES, "age_years": (20, 40, 60, 80, 90)}
OTHERS: Mapping[str, Mapping[str, str | float]] = {  # of each attribute, to what it is set
    "sex": {"female": "male", "male": "female"},
    "race": {"white": "black", "black": "white", "hispanic": "white", "asian": "black"},
    "age_years": {},
}
TELLING = 0.7  # severity at which a finding is plain, and not yet at its worst
ASIDE = 0.40  # half pictures from the midline, where no heart hides a finding
CROWD = 200  # patients to choose from
DPI, MARGIN, TOP = 100, 150, 30  # pixels
ACROSS, DOWN, WORDS = 4, 22, 18  # pixels between pictures; of DOWN, WORDS lie above each
LIMIT = 90  # grey levels of difference drawn in full colour
INK, ALARM = "#1b2733", "#D55E00"


def contact_sheet(
    config: PhantomConfig, size: int, out: Path, *, attribute: str, masks: bool
) -> None:
    """Draw each finding alone, and none, in every group of an attribute, as PNG.

    Across a row one patient is set to each group along the direct path: the same body and luck,
    the same finding at the same place. `masks` outlines where the finding lies.

    Raises
    ------
    PhantomError
        If there is no such attribute.
    """
    if attribute not in COLUMNS:
        raise PhantomError(
            f"contact sheet: no attribute {attribute!r}; one of {', '.join(COLUMNS)}"
        )
    groups = COLUMNS[attribute]
    sheet = _Sheet(size, 1 + len(FINDINGS), len(groups), f"{attribute}, direct path")
    for i, (finding, number) in enumerate(_examples(config).items()):
        alone = _only(config, [finding])
        for j, group in enumerate(groups):
            row = _frontal(alone, {attribute: group}, "direct", np.array([number]))
            grey, mask = _drawn(row, finding, size)
            axes = sheet.picture(i, j, grey)
            _title(axes, str(group) if i == 0 else "", finding if j == 0 else "")
            if masks and mask is not None and mask.max() > 0.5:
                axes.contour(mask, [0.5], colors=[ALARM], linewidths=0.8)
    sheet.save(out)


def counterfactual_sheet(config: PhantomConfig, size: int, out: Path, *, patients: int) -> None:
    """Draw people as they are and as they would be, as PNG: `patients` rows an attribute.

    Columns: as they are; the attribute set along the direct path; what that changed (brighter red,
    darker blue); set along all paths, with the findings that came or went. People for whom any do
    are shown first.

    Raises
    ------
    PhantomError
        If fewer than one patient is asked for.
    """
    if patients < 1:
        raise PhantomError(f"counterfactual sheet: {patients} patients; 1 or more")
    sheet = _Sheet(size, patients * len(OTHERS), 4, "counterfactual pairs")
    row = 0
    for attribute in OTHERS:
        for number in _telling(config, attribute, patients):
            _pair(sheet, row, config, attribute, number)
            row += 1
    sheet.save(out)


class _Sheet:
    """A figure of square pictures, `size` pixels each, with room for words above and beside."""

    def __init__(self, size: int, rows: int, columns: int, title: str) -> None:
        self.size = size
        self._wide = MARGIN + columns * (size + ACROSS)
        self._high = TOP + rows * (size + DOWN)
        self._figure = Figure(figsize=(self._wide / DPI, self._high / DPI), dpi=DPI)
        FigureCanvasAgg(self._figure)
        self._figure.text(
            8 / self._wide, 1 - 18 / self._high, f"PHANTOM (simulated): {title}", color=ALARM
        )

    def picture(self, row: int, column: int, grey: Floats, **how: Any) -> Axes:
        """Place one picture, grey from 0 to 255 unless told otherwise, and return its axes."""
        left, top = MARGIN + column * (self.size + ACROSS), TOP + row * (self.size + DOWN) + WORDS
        box = (
            left / self._wide,
            1 - (top + self.size) / self._high,
            self.size / self._wide,
            self.size / self._high,
        )
        axes = self._figure.add_axes(box)
        axes.imshow(grey, **{"cmap": "gray", "vmin": 0, "vmax": 255, **how}, interpolation="none")
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def save(self, out: Path) -> None:
        """Write the figure; equal figures are equal bytes."""
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole(out) as part:
            self._figure.savefig(part, format="png", metadata={"Software": None})


def _title(axes: Axes, above: str, beside: str) -> None:
    """Write above and beside a picture."""
    axes.set_title(above, fontsize=9, color=INK, pad=4)
    axes.set_ylabel(
        beside.replace("_", "\n"), rotation=0, ha="right", va="center", fontsize=9, color=INK
    )


def _frontal(
    config: PhantomConfig, do: intervention.Do | None, path: intervention.Path, patients: Keys
) -> pd.DataFrame:
    """Return the first picture of some patients."""
    rows = scene.build(config, PROFILE, patients, do, path)
    return rows[rows["study"] == 0].set_index("patient", drop=False)


def _only(config: PhantomConfig, findings: Sequence[str]) -> PhantomConfig:
    """Return settings in which everybody has some findings and nobody another."""
    prevalence = {name: float(name in findings) for name in FINDINGS}
    return config.model_copy(update={"prevalence": Prevalence(**prevalence)})


def _examples(config: PhantomConfig) -> dict[str, int]:
    """Return whom each finding shows well in."""
    rows = _frontal(_only(config, FINDINGS), None, "total", np.arange(CROWD))
    chosen = {"none": 0}
    for name in FINDINGS:
        off = np.abs(rows[f"{name}_severity"].to_numpy() - TELLING)
        hidden = np.maximum(ASIDE - rows[f"{name}_x"].to_numpy(), 0)
        chosen[name] = int((off + hidden).argmin())
    return chosen


def _drawn(row: pd.DataFrame, finding: str, size: int) -> tuple[Floats, Floats | None]:
    """Draw a picture, and the mask of its finding if it has one."""
    pictures = scene.draw(row, size)
    return pictures.grey[0], pictures.masks[finding][1][0] if finding != "none" else None


def _other(attribute: str, row: pd.Series) -> str | float:
    """Return what a patient's attribute is set to."""
    if attribute == "age_years":
        return 80.0 if row["age_years"] < 55 else 25.0
    return OTHERS[attribute].get(str(row[attribute]), "white")


def _telling(config: PhantomConfig, attribute: str, patients: int) -> list[int]:
    """Return patients whose disease the attribute changes, and others if there are too few."""
    crowd = np.arange(CROWD)
    factual = _frontal(config, None, "total", crowd)
    changed = []
    for value in set(_others(attribute, factual)):
        other = _frontal(config, {attribute: value}, "total", crowd)
        moved = (other[list(FINDINGS)] != factual[list(FINDINGS)]).any(axis=1)
        changed += factual.index[moved & (_wanted(attribute, factual) == value)].tolist()
    chosen = sorted(changed)
    return [*chosen, *(number for number in factual.index if number not in chosen)][:patients]


def _others(attribute: str, rows: pd.DataFrame) -> Iterator[str | float]:
    """Yield what each row's attribute is set to."""
    yield from (_other(attribute, row) for _, row in rows.iterrows())


def _wanted(attribute: str, rows: pd.DataFrame) -> pd.Series:
    """Return what each row's attribute is set to, by row."""
    return pd.Series(list(_others(attribute, rows)), index=rows.index, dtype=object)


def _pair(sheet: _Sheet, row: int, config: PhantomConfig, attribute: str, number: int) -> None:
    """Draw one row of a counterfactual sheet."""
    who = np.array([number])
    factual = _frontal(config, None, "total", who)
    value = _other(attribute, factual.iloc[0])
    scenes = [factual] + [
        _frontal(config, {attribute: value}, path, who) for path in ("direct", "total")
    ]
    grey, direct, total = (scene.draw(rows, sheet.size).grey[0].astype(np.int16) for rows in scenes)
    person = factual.iloc[0]
    was = f"{person[attribute]:.0f}" if attribute == "age_years" else person[attribute]
    shown = f"patient {number}\n{person['sex']}, {person['age_years']:.0f}, {person['race']}"
    _title(sheet.picture(row, 0, grey), f"{attribute} {was}", f"{shown}\n{_ill(person)}")
    will = f"{value:.0f}" if attribute == "age_years" else value
    _title(sheet.picture(row, 1, direct), f"do {will}, direct", "")
    how = {"cmap": "RdBu_r", "vmin": -LIMIT, "vmax": LIMIT}
    _title(sheet.picture(row, 2, direct - grey, **how), "direct - factual", "")
    last = sheet.picture(row, 3, total)
    _title(last, f"do {will}, total", "")
    plate = {"facecolor": "black", "pad": 2}
    said = last.text(0.04, 0.04, _moved(scenes), transform=last.transAxes, bbox=plate)
    said.set(fontsize=7, color="white")


def _ill(person: pd.Series) -> str:
    """List the findings that are there, a line each."""
    return "\n".join(name for name in FINDINGS if person[name]) or "no finding"


def _moved(scenes: Sequence[pd.DataFrame]) -> str:
    """Say which findings came and went between the first scene and the last."""
    first, last = scenes[0].iloc[0], scenes[-1].iloc[0]
    came = [f"+ {name}" for name in FINDINGS if last[name] and not first[name]]
    went = [f"- {name}" for name in FINDINGS if first[name] and not last[name]]
    return "\n".join([*came, *went]).replace("_", " ") or "same findings"
