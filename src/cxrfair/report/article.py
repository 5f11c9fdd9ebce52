"""What the report says of one study: its files, and its part of the page."""

import base64
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from cxrfair.config import Section
from cxrfair.files import whole, write_text
from cxrfair.progress import track
from cxrfair.report import _words, figures, tables
from cxrfair.report._config import ReportConfig
from cxrfair.report._latex import latex, latex_sheets
from cxrfair.report._present import Shown, captioned, split
from cxrfair.report._results import StudyResults
from cxrfair.report._sheets import BY_GROUP, BY_PLACE, Sheet, group_sheets, sheets
from cxrfair.report._stamp import stamp
from cxrfair.report._templates import template
from cxrfair.report.composition import ANY
from cxrfair.report.figures._layout import lay_out
from cxrfair.report.figures._style import RC
from cxrfair.report.suppression import suppress
from cxrfair.statistics.cells import ALL

SECTIONS = {  # in the order of the page
    "cohort": "Who is in the data",
    "made": "How the models were made",
    "paper": "Beside the paper",
    "overall": "All test images",
    "groups": "Group by group",
    "fairness": "Between groups",
    "case_mix": "Bias or case mix",
    "calibration": "Calibration and decisions",
    "leakage": "What features say of groups",
    "looks": "What networks look at",
    "effects": "What an attribute does to answers",
    "downstream": "Other labels",
    "choice": "Comparing and choosing models",
}


@dataclass(frozen=True)
class Picture:
    """A figure on the page."""

    name: str
    title: str
    caption: str
    png: str  # base64
    simulated: bool


@dataclass(frozen=True)
class Listing:
    """A table on the page: one part a data set, or sheets with the data sets side by side."""

    name: str
    title: str
    caption: str
    n_rows: int
    parts: Sequence[Shown] = ()
    sheets: Sequence[Sheet] = ()


@dataclass(frozen=True)
class Chapter:
    """A section of a study: its figures, then its tables."""

    name: str
    title: str
    pictures: Sequence[Picture]
    listings: Sequence[Listing]


class Heading(Section):
    """A chapter in the table of contents."""

    name: str
    title: str


class Article(Section):
    """A study's part of the page: HTML, what it is made of, and which of its data are simulated."""

    name: str
    chapters: tuple[Heading, ...]
    simulated: tuple[str, ...]
    body: str


def write(results: StudyResults, config: ReportConfig, out: Path) -> Article:
    """Write a study's tables and figures to `out/tables` and `out/figures`; return its article.

    Tables are CSV and LaTeX, figures PNG and PDF; one that has nothing to show is left out, and so
    is a chapter of which nothing is left. In a public report, what `suppression.suppress` hides is
    in none of these files, nor in the article. Equal results give equal bytes.
    """
    study = suppress(results) if config.public else results
    chapters = list(_chapters(study, out))
    body = template("article.html").render(
        study=study,
        chapters=chapters,
        public=config.public,
        counts=_totals,
        decoding=_decoding,
        cuts=_cuts,
        gate=_gate,
    )
    headings = tuple(Heading(name=chapter.name, title=chapter.title) for chapter in chapters)
    simulated = tuple(sorted(study.title(name) for name in study.simulated))
    return Article(name=study.name, chapters=headings, simulated=simulated, body=body)


def _chapters(study: StudyResults, out: Path) -> Iterator[Chapter]:
    """Write a study's tables and figures, and yield them as sections of the page."""
    drawn = track(figures.names(), f"drawing {study.name}", "figures")
    pictures = [(figures.get(name).SECTION, _picture(name, study, out)) for name in drawn]
    listings = [(tables.get(name).SECTION, _listing(name, study, out)) for name in tables.names()]
    for name, title in SECTIONS.items():
        inside = [picture for section, picture in pictures if picture and section == name]
        below = [listing for section, listing in listings if listing and section == name]
        if inside or below:
            yield Chapter(name, title, inside, below)


def _picture(name: str, study: StudyResults, out: Path) -> Picture | None:
    """Draw one figure, and save it as PNG and PDF; None where it has nothing to show."""
    source = figures.get(name)
    with mpl.rc_context(RC):
        figure = source.draw(study)
        if figure is None:
            return None
        lay_out(figure)
        stamp(figure, study.simulated)
        png, pdf = _png(figure), _pdf(figure)
    _write_bytes(out / "figures" / f"{name}.png", png)
    _write_bytes(out / "figures" / f"{name}.pdf", pdf)
    encoded = base64.b64encode(png).decode("ascii")
    return Picture(name, source.TITLE, source.CAPTION, encoded, bool(study.simulated))


def _png(figure: Figure) -> bytes:
    """Return a figure as PNG, without the version of what drew it."""
    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _pdf(figure: Figure) -> bytes:
    """Return a figure as PDF, without dates and versions."""
    buffer = io.BytesIO()
    nothing = {"CreationDate": None, "Producer": None, "Creator": None}
    canvas: Any = FigureCanvasPdf(figure)
    canvas.print_pdf(buffer, metadata=nothing)
    return buffer.getvalue()


def _listing(name: str, study: StudyResults, out: Path) -> Listing | None:
    """Make one table, and save it as CSV and LaTeX; None where it has no rows."""
    source = tables.get(name)
    frame = source.make(study)
    if frame.empty:
        return None
    marked = frame.assign(simulated=frame["dataset"].isin(study.simulated))
    folder = out / "tables"
    write_text(folder / f"{name}.csv", marked.to_csv(index=False, lineterminator="\n"))
    caption = captioned(source.CAPTION, map(str, frame), study)
    listing = Listing(name, source.TITLE, caption, len(frame))
    if set(frame) >= BY_PLACE or set(frame) >= BY_GROUP:
        found = (sheets if set(frame) >= BY_PLACE else group_sheets)(frame, study)
        write_text(folder / f"{name}.tex", latex_sheets(found))
        return replace(listing, sheets=found)
    parts = split(frame, study)
    write_text(folder / f"{name}.tex", latex(parts, caption, study.simulated))
    return replace(listing, parts=parts)


def _write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(path) as part:
        part.write_bytes(content)


def _totals(study: StudyResults, dataset: str) -> Mapping[str, str]:
    """Count a data set's images and patients, all and in the test fold."""
    rows = study.composition
    of = rows[(rows["dataset"] == dataset) & (rows["label"] == ANY) & (rows["attribute"] == ALL)]
    test = of[of["fold"] == "test"]
    return {
        "Images": _sum(of["n"]),
        "Patients": _sum(of["n_patients"]),
        "Test images": _sum(test["n"]),
        "Test patients": _sum(test["n_patients"]),
    }


def _decoding(study: StudyResults, dataset: str) -> str:
    """Say how many of a data set's images could not be read, and how exactly the others were.

    Empty, like what `_cuts` and `_gate` say, where it is not known: predictions were given.
    """
    found = study.decoding.get(dataset)
    if found is None:
        return ""
    lost = _words.HIDDEN
    if found.quarantined is not None:
        share = 100 * found.quarantined / found.images if found.images else 0.0
        lost = f"{_words.count(found.quarantined)} ({share:.2f} %)"
    said = f"Of {_words.count(found.images)} images {lost} cannot be read."
    if found.error is None:
        return f"{said} The others were decoded at their full size."
    sampled = _words.count(found.sampled)
    return (
        f"{said} JPEG images were decoded at a fraction of their size: {sampled} decoded in full "
        f"as well differ by {found.error:.2f} of 255 grey levels on average, "
        f"{found.worst:.2f} at most."
    )


def _cuts(study: StudyResults, dataset: str) -> str:
    """Say where attributes of places were cut; empty without any."""
    said = []
    for name, cut in study.cuts.get(dataset, {}).items():
        limits = ", ".join(f"{limit:,.6g}" for limit in cut["limits"])
        how = "at" if cut["rule"] == "value" else "by the training patients' quantiles, at"
        groups = ", ".join(cut["groups"])
        what = name.replace("_", " ").capitalize()
        where = f"{what} is {cut['variable']}, cut {how} {limits}"
        said.append(f"{where}: {groups}, from its lowest values up.")
    return " ".join(said)


def _gate(study: StudyResults, dataset: str) -> str:
    """Say that a data set's folds share nobody, and what a split by image would have shared.

    One that is tested only (see `Leakage`) shares nobody with those that models learn from.
    """
    found = study.leakage.get(dataset)
    if found is None:
        return ""
    people, images = (
        _words.HIDDEN if number is None else _words.count(number)
        for number in (found.patients, found.images)
    )
    if found.tested is None:
        counted = f"({people} patients, {images} images)"
        return f"External: tested only. No patient and no picture is where models learn {counted}."
    passed = f"No patient and no picture is in two folds ({people} patients, {images} images)."
    if not found.tested:
        return passed
    share = _words.HIDDEN if found.share is None else f"{100 * found.share:.1f}"
    return (
        f"{passed} A split by image would have tested on images of which {share} % have the same "
        "patient in training."
    )


def _sum(numbers: Iterable[float]) -> str:
    """Add up counts; hidden if one of them is."""
    values = pd.Series(list(numbers), dtype="Int64")
    return _words.HIDDEN if values.isna().any() else _words.count(int(values.sum()))
