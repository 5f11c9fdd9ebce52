"""What each method is for, and what it costs: planted biases, and seconds an epoch.

`python benchmarks/methods.py planted`: every method trained on the phantom with a planted shortcut
and with planted underdiagnosis (`benchmarks/planted.py`), told of sex, `group_dro` and `balanced`
also of label x sex; all with the same network, epochs and batches.
Three questions: test AUROC, the worst group's balanced error at Youden's threshold of the
validation set, and the measured direct effect, the mean change of the score when sex alone is
changed along the direct path in the same test pictures. Trainings are kept in `--cache`, so that
the same command goes on after an interruption.

`python benchmarks/methods.py epoch`: seconds an epoch of every method beside erm, in turns.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import planted
from costs import show_epochs
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from planted import PLANTS, Row, Task, World
from rich import box
from rich.console import Console
from rich.table import Table

from cxrfair import methods, metrics, thresholds
from cxrfair.progress import say
from cxrfair.report.figures import _style as style
from cxrfair.report.figures import _tradeoff as tradeoff
from cxrfair.statistics.bootstrap import patient_counts
from cxrfair.statistics.cells import Cell
from cxrfair.statistics.estimates import Judged, Sample, estimate
from cxrfair.statistics.intervals import percentile

Array = NDArray[np.float64]
RESAMPLES, CONFIDENCE, SEED = 1000, 0.95, 11
METRICS = ("auroc", "balanced_accuracy", "fnr")
ALL, WOMEN, MEN = range(3)
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "shortcut": ("AUROC", "worst error", "effect of sex", "effect of marker"),
    "underdiagnosis": ("AUROC", "worst error", "effect of sex", "women's FNR", "FNR, women - men"),
}


@dataclass(frozen=True)
class Results:
    """One plant's numbers: of each column, values (rows, 1 + resamples) and the rows' names."""

    names: list[str]
    draws: Mapping[str, Array]

    def against(self, column: str) -> Array:
        """Return differences from erm, in the same resamples."""
        values = self.draws[column]
        return np.asarray(values - values[self.names.index("erm")])


def main() -> None:
    """Measure what is asked for and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["planted", "epoch"])
    parser.add_argument("--methods", nargs="*", default=list(methods.names()))
    parser.add_argument("--patients", type=int, default=1400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--cache", type=Path, help="where trainings are kept; by default nowhere")
    parser.add_argument("--figure", type=Path, help="a PNG or PDF to write")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    chosen.methods = list(dict.fromkeys(["erm", *chosen.methods]))
    if chosen.what == "epoch":
        show_epochs(chosen.methods, chosen.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        _planted(chosen, chosen.cache or Path(folder))


def _planted(chosen: argparse.Namespace, cache: Path) -> None:
    """Train, judge, print and draw."""
    found = planted.world(chosen.patients)
    rows = planted.rows_of(chosen.methods)
    tasks = [
        Task(plant, row, seed, chosen.epochs)
        for seed in range(chosen.seeds)
        for plant in PLANTS
        for row in rows
    ]
    for number, done in enumerate(planted.run_all(tasks, found, cache, chosen.jobs), 1):
        say(f"{number} of {len(tasks)}: {done}")
    console = Console(width=200)
    results = {}
    for plant in PLANTS:
        results[plant] = _judge([t for t in tasks if t.plant == plant], rows, found, cache)
        for table in _tables(plant, results[plant]):
            console.print(table)
    if chosen.figure:
        _draw(results).savefig(chosen.figure)


def _judge(tasks: Sequence[Task], rows: Sequence[Row], found: World, cache: Path) -> Results:
    """Compute every column of one plant, averaged over seeds, in the sample and all resamples.

    A resample draws test patients and, apart from them, seeds; both the same for all rows.
    """
    seeds = sorted({task.seed for task in tasks})
    ordered = [next(t for t in tasks if (t.row, t.seed) == (r, s)) for r in rows for s in seeds]
    answers = [dict(np.load(cache / task.folder / "answers.npz")) for task in ordered]
    people = found.people[found.tested]
    counts = patient_counts(len(people), RESAMPLES, SEED)
    cut = np.array([_youden(t, a, found) for t, a in zip(ordered, answers, strict=True)])
    woman = people["sex"].eq("female").to_numpy(bool)
    everyone = np.arange(len(people))
    cells = [Cell("all", "all", everyone)]
    cells += [Cell("sex", str(w), np.flatnonzero(woman == w)) for w in (True, False)]
    sample = Sample(people["truth"].to_numpy(np.int8), everyone, cells)
    judged = Judged(np.stack([a["test"] for a in answers]), cut)
    wanted = [metrics.get(name) for name in METRICS]
    draws = estimate(sample, judged, wanted, counts)[0]
    columns = {
        "AUROC": draws[:, 0, ALL],
        "worst error": 1 - draws[:, 1, WOMEN:].min(axis=1),
        "women's FNR": draws[:, 2, WOMEN],
        "FNR, women - men": draws[:, 2, WOMEN] - draws[:, 2, MEN],
    }
    for name in ("sex", "marker"):
        if name in answers[0]:
            change = np.stack([abs(a["test"] - a[name]) for a in answers])
            columns[f"effect of {name}"] = change @ (counts / counts.sum(axis=1, keepdims=True)).T
    shape = (len(rows), len(seeds), -1)
    return Results(
        [row.name for row in rows],
        {name: _over_seeds(columns[name].reshape(shape)) for name in COLUMNS[tasks[0].plant]},
    )


def _over_seeds(draws: Array) -> Array:
    """Average (rows, seeds, 1 + resamples) over the seeds that each resample draws."""
    rng, n = np.random.default_rng(SEED), draws.shape[1]
    weight = rng.multinomial(n, np.full(n, 1 / n), draws.shape[2]).T / n
    weight[:, 0] = 1 / n
    return np.asarray((draws * weight).sum(axis=1))


def _youden(task: Task, answers: Mapping[str, Array], found: World) -> float:
    """Fit the threshold on the validation patients, with the labels that they have there."""
    held = found.people["fold"].eq("validation").to_numpy(bool)
    target = planted.labels(found, task.plant, task.seed)[held]
    rows = pd.DataFrame({"target": target, "score": answers["validation"]})
    rule = thresholds.ThresholdConfig(rule="youden")
    fitted = thresholds.fit(rows.assign(label=planted.LABEL, fold="validation"), rule)
    return float(fitted["value"].iloc[0])


def _tables(plant: str, results: Results) -> Iterator[Table]:
    """Yield the values, then the differences from erm."""
    ways: Mapping[str, Callable[[str], Array]] = {
        f"{plant}: values (95% intervals)": results.draws.__getitem__,
        f"{plant}: minus erm (paired; * where the interval leaves out 0)": results.against,
    }
    for title, take in ways.items():
        table = Table("method", *COLUMNS[plant], title=title, box=box.MARKDOWN)
        parts = {column: take(column) for column in COLUMNS[plant]}
        for number, name in enumerate(results.names):
            difference = take == results.against
            if not (difference and name == "erm"):
                cells = [_cell(parts[column][number], difference) for column in parts]
                table.add_row(name, *cells)
        yield table


def _cell(draws: Array, difference: bool) -> str:
    low, high = percentile(draws[1:], CONFIDENCE)
    sign = "+" if difference else ""
    star = "*" if difference and (low > 0 or high < 0) else ""
    return f"{draws[0]:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f}){star}"


def _draw(results: Mapping[str, Results]) -> Figure:
    """Draw each plant: the worst group's error against AUROC, and the direct effect of sex."""
    names = results[PLANTS[0]].names
    with mpl.rc_context(style.RC):
        height = max(1.6 + 0.24 * len(names), 3.6)  # of a plant: room for the label beside it
        figure = Figure((11, height * len(results)), layout="constrained")
        grid = figure.subplots(len(results), 2, squeeze=False)
        for (plant, found), (left, right) in zip(results.items(), grid, strict=True):
            left.set_title(f"{plant}: price and gain")
            right.set_title(f"{plant}: measured direct effect")
            left.set_xlabel("AUROC, test (higher is better)")
            left.set_ylabel("Balanced error of the worse sex (lower is better)")
            right.set_xlabel("Mean change of the score when sex changes (lower is better)")
            _points(left, found)
            _bars(right, found)
    return figure


def _points(axes: Axes, found: Results) -> None:
    x, y = found.draws["AUROC"], found.draws["worst error"]
    ends_x, ends_y = (percentile(draws[:, 1:], CONFIDENCE) for draws in (x, y))
    for i, (colour, marker) in enumerate(style.look(found.names).values()):
        axes.hlines(y[i, 0], ends_x[0][i], ends_x[1][i], color=colour, alpha=0.3)
        axes.vlines(x[i, 0], ends_y[0][i], ends_y[1][i], color=colour, alpha=0.3)
        axes.plot(x[i, 0], y[i, 0], marker, color=colour, zorder=3)
    tradeoff.number_points(axes, np.column_stack([x[:, 0], y[:, 0]]))


def _bars(axes: Axes, found: Results) -> None:
    draws = found.draws["effect of sex"]
    low, high = percentile(draws[:, 1:], CONFIDENCE)
    for i, (colour, marker) in enumerate(style.look(found.names).values()):
        axes.hlines(i, low[i], high[i], color=colour, linewidth=1.6, alpha=0.6)
        axes.plot(draws[i, 0], i, marker, color=colour, zorder=3)
    names = [f"{name}  {i}" for i, name in enumerate(found.names, 1)]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.axvline(draws[found.names.index("erm"), 0], color=style.QUIET, linestyle=(0, (4, 3)))
    axes.set_xlim(left=0)


if __name__ == "__main__":
    main()
