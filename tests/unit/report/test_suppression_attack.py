"""An attacker who reads all of a public report, and solves for what it hides.

The unknowns are images, patients and states of labels in the finest cells (crossings of attributes,
by fold); every number shown is an equation; linear programs give each hidden count's interval.
Folds are solved one by one: only their total links them, which the cohort's flow tells as well.
"""

import functools
import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from scipy.sparse import coo_array

from cxrfair.report import StudyResults, composition
from cxrfair.report._results import Decoding, Leakage
from cxrfair.report.references import Group, GroupTable, Reference
from cxrfair.report.suppression import close, suppress
from cxrfair.report.tables import paper_groups
from cxrfair.studies import Study
from cxrfair.tables import CURVES, LABEL_SHIFT, METRICS, SUMMARY, THRESHOLDS

SMALLEST = 20
FOLDS = ("train", "validation", "test")
LABELS = ("edema", "mass")
SHAPES = {
    "one": ("sex",),
    "two apart": ("sex", "race"),
    "crossed": ("sex", "race", "sex x race"),
    "crossing alone": ("race", "sex x race"),
}
COUNTS = ["n", "n_positive", "n_patients"]
CELL = ["sex", "race", "fold"]


class Puzzle:
    """A linear system over counts that are at least 0."""

    def __init__(self):
        self.names, self.rows, self.most = {}, [], []

    def sum(self, *terms):
        """Write a sum of unknowns, (name, factor) each, as {column: factor}."""
        found = {}
        for name, factor in terms:
            column = self.names.setdefault(name, len(self.names))
            found[column] = found.get(column, 0) + factor
        return found

    def equals(self, terms, count):
        self.rows.append((self.sum(*terms), float(count)))

    def at_most(self, terms, count=0.0):
        self.most.append((self.sum(*terms), float(count)))

    def intervals(self, sums, enough=np.inf):
        """Ends of what sums can be; one known to be `enough` apart is not looked at further.

        A solution for one sum is a way to make all others, too.
        """
        costs = np.zeros((len(sums), len(self.names)))
        for i, terms in enumerate(sums):
            for column, factor in self.sum(*terms).items():
                costs[i, column] = factor
        known = *_matrix(self.most, len(self.names)), *_matrix(self.rows, len(self.names))
        low, high = np.full(len(sums), np.inf), np.full(len(sums), -np.inf)
        for (i, cost), sign in itertools.product(enumerate(costs), (1, -1)):
            if high[i] - low[i] < enough or low[i] == np.inf:
                found = linprog(sign * cost, *known, method="highs")
                assert found.status == 0, found.message
                low, high = np.minimum(low, costs @ found.x), np.maximum(high, costs @ found.x)
        return list(zip(low, high, strict=True))


def _matrix(rows, width):
    if not rows:
        return None, None
    rows = list({(tuple(row.items()), count): (row, count) for row, count in rows}.values())
    entries = [(i, j, factor) for i, (row, _) in enumerate(rows) for j, factor in row.items()]
    i, j, factor = np.array(entries).T
    places = (i.astype(int), j.astype(int))
    matrix = coo_array((factor, places), shape=(len(rows), width)).tocsr()
    return matrix, [count for _, count in rows]


def invent(seed, attributes):
    """A cohort with small groups, and results that show every count there is a place for."""
    rng = np.random.default_rng(seed)
    people = int(rng.choice([250, 1000, 3000]))
    share = rng.dirichlet([4.0, 2.0, 0.5, 0.3])
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["female", "male", "unknown"], people, p=[0.52, 0.45, 0.03]),
            "race": rng.choice(["a", "b", "c", "unknown"], people, p=share),
            "fold": rng.choice(FOLDS, people, p=[0.5, 0.2, 0.3]),
            "patient_id": [f"p{i}" for i in range(people)],
        }
    )
    frame = frame.loc[frame.index.repeat(rng.integers(1, 5, people))].reset_index(drop=True)
    frame["image_id"] = [f"i{i}" for i in range(len(frame))]
    rare = rng.choice([0.0, 0.002, 0.1])
    for label in LABELS:
        chances = [0.25, 0.65 - rare, rare, 0.1]
        state = rng.choice([1.0, 0.0, np.nan, -1.0], len(frame), p=chances)
        frame[label] = state if rng.random() < 0.7 else np.where(state == 1, 1.0, 0.0)
    return frame, results(frame, attributes)


def results(frame, attributes):
    study = Study.model_validate(
        {"datasets": ("nih",), "labels": LABELS, "attributes": attributes, "reference": "erm"}
        | {"variants": {"erm": {"method": "erm"}}, "seeds": (0,)}
    )
    targets = frame.melt("image_id", LABELS, var_name="label", value_name="target")
    counted = composition.count(
        study, {"nih": frame.drop(columns="fold")}, {"nih": frame[["image_id", "fold"]]},
        {"nih": targets},
    )  # fmt: skip
    test = frame[frame["fold"] == "test"]
    rows = pd.DataFrame(list(_rows(test, counted, attributes)))
    rows = rows.assign(study="s", dataset="nih", variant="erm", seed=0, note=None, value=0.123456)
    fitted = counted[(counted["fold"] == "validation") & (counted["attribute"] == "all")]
    fitted = fitted[fitted["label"] != "any"].assign(
        variant="erm", seed=0, value=0.512345, rule="max_f1", fitted_on="validation", note=None
    )
    n, patients = len(frame), frame["patient_id"].nunique()
    steps = {"position": [0], "step": ["all"], "images_in": [n], "images_out": [n]}
    flow = pd.DataFrame(steps | {"images_lost": [0], "patients_out": [patients], "why": [None]})
    return StudyResults(
        name="s",
        study=study,
        metrics=_as(METRICS, rows),
        summary=_as(SUMMARY, rows.assign(n_seeds=1)),
        flows={"nih": flow},
        composition=counted,
        thresholds=_as(THRESHOLDS, fitted, "dataset", "variant", "seed"),
        decoding={"nih": Decoding(n, 0, 0, None, None)},
        cuts={"nih": {}},
        leakage={"nih": Leakage(patients, n, len(test), len(test) // 2, 0.5)},
        simulated=frozenset(),
        facts={},
        resamples=10,
        confidence=0.9,
        min_group_size=SMALLEST,
        label_shift=_as(LABEL_SHIFT, rows[rows["label"] != "mean"]),
        curves=_as(CURVES, _bins(test, counted, attributes)),
        paper=printed(attributes[-1]),
    )


def printed(attribute):
    """A paper that counts the images of every known group of an attribute."""
    values = {"sex": ("female", "male"), "race": ("a", "b", "c")}
    crossed = itertools.product(*(values[name] for name in attribute.split(" x ")))
    groups = tuple(Group(group=" x ".join(of), called=of, printed=1) for of in crossed)
    kind = {"number": "Table 1", "caption": "x", "dataset": "nih", "attribute": attribute}
    return Reference(title="x", citation="x", groups=GroupTable(rows=groups, total=1, **kind))


def _as(table, rows, *more):
    """Give rows the columns of a table, empty where they have none."""
    return rows.reindex(columns=[*table.schema.names, *more])


def _inside(frame, attribute, group):
    parts = attribute.split(" x ")
    if attribute == "all":
        return np.ones(len(frame), bool)
    if group == "between":
        return (frame[parts] != "unknown").all(axis=1).to_numpy()
    if group == "unknown":
        return (frame[parts] == "unknown").any(axis=1).to_numpy()
    return (frame[parts] == group.split(" x ")).all(axis=1).to_numpy()


def _rows(test, counted, attributes):
    places = counted[["attribute", "group"]].drop_duplicates().to_numpy().tolist()
    for attribute, group in [*places, *([a, "between"] for a in attributes)]:
        for label in (*LABELS, "mean"):
            if label == "mean" and group not in ("all", "between"):
                continue
            of = test[_inside(test, attribute, group)]
            states = of[[label]] if label != "mean" else of[list(LABELS)]
            judged = states.isin([0, 1]).any(axis=1)
            yield {
                "metric": "tpr_gap" if group == "between" else "tpr",
                "label": label,
                "attribute": attribute,
                "group": group,
                "n": int(judged.sum()),
                "n_positive": int((states[judged] == 1).any(axis=1).sum()),
                "n_patients": of.loc[judged, "patient_id"].nunique(),
            }


def _bins(test, counted, attributes):
    """Calibration curves of three bins, filled by the number of an image."""
    rows = []
    for place in _rows(test, counted, attributes):
        if place["label"] == "mean" or place["group"] == "between":
            continue
        inside = test[_inside(test, place["attribute"], place["group"])]
        inside = inside[inside[place["label"]].isin([0, 1])]
        for point, of in inside.groupby(inside.index % 3):
            count = {"n": len(of), "n_positive": int(of[place["label"]].sum())}
            rows.append(place | count | {"n_patients": of["patient_id"].nunique(), "point": point})
    fixed = {"study": "s", "dataset": "nih", "variant": "erm", "seed": 0, "curve": "calibration"}
    return pd.DataFrame(rows).assign(**fixed, x=0.12345, y=0.23456, ci_low=0.1, ci_high=0.4)


def solve(cells, public, fold):
    """Set up everything that a public report says of a fold, and that cannot be otherwise."""
    puzzle = Puzzle()
    for cell in _of(cells, "all", "all", fold):
        images, people = ("images", *cell), ("people", *cell)
        puzzle.at_most([(people, 1), (images, -1)])
        for label in LABELS:
            states = [((state, label, *cell), 1) for state in ("positive", "negative", "doubt")]
            puzzle.equals([*states, (("blank", label, *cell), 1), (images, -1)], 0)
            puzzle.at_most([(("people judged", label, *cell), 1), (people, -1)])
            judged = states[:2]
            puzzle.at_most([(("people judged", label, *cell), 1), *_less(judged)])
            puzzle.at_most([*judged, (("judged for any", *cell), -1)])
            puzzle.at_most([states[0], (("positive for any", *cell), -1)])
        puzzle.at_most([(("judged for any", *cell), 1), (images, -1)])
        puzzle.at_most([(("positive for any", *cell), 1), (("judged for any", *cell), -1)])
    for terms, count in shown(public, cells):
        inside = [(name, factor) for name, factor in terms if name[-1] == fold]
        if pd.notna(count) and len(inside) == len(terms):
            puzzle.equals(terms, count)
        elif pd.notna(count):
            puzzle.at_most(inside, count)
    return puzzle


def _less(terms):
    return [(name, -factor) for name, factor in terms]


def _cells(frame, public):
    """Finest cells that can hold anybody: in a group that is listed, of every attribute."""
    listed = set(public.composition[["attribute", "group"]].itertuples(index=False, name=None))
    attributes = {attribute for attribute, _ in listed}
    values = [sorted({*frame[name], "unknown"}) for name in ("sex", "race")]
    return tuple(
        (*cell, fold)
        for cell in itertools.product(*values)
        if all(any(b == a and _holds(a, g, cell) for b, g in listed) for a in attributes)
        for fold in FOLDS
    )


@functools.cache
def _of(cells, attribute, group, fold):
    """Cells of a group, in one fold or in all."""
    return [c for c in cells if fold in (None, c[2]) and _holds(attribute, group, c)]


def _holds(attribute, group, cell):
    """`_inside` of one cell."""
    own = dict(zip(("sex", "race"), cell[:2], strict=True))
    parts = [own[name] for name in attribute.split(" x ")] if attribute != "all" else ["all"]
    known = "unknown" not in parts
    if group == "between":
        return known
    return group == " x ".join(parts) or (group == "unknown" and not known)


def _terms(cells, *names):
    return [((*name, *cell), 1) for cell in cells for name in names]


def shown(public, cells):
    """Every number of a public report that counts something, as a sum of unknowns."""
    for row in public.composition.itertuples():
        inside = _of(cells, row.attribute, row.group, row.fold)
        yield from _counts(row, inside)
        if row.label != "any":
            yield _terms(inside, ("doubt", row.label)), row.n_uncertain
    for rows in (public.metrics, public.summary, public.label_shift):
        for row in rows.itertuples():
            yield from _counts(row, _of(cells, row.attribute, row.group, "test"))
    yield from _beside_the_paper(public, cells)
    for row in public.thresholds.itertuples():
        inside = _of(cells, "all", "all", "validation")
        yield _judged(row.label, inside), row.n
        yield _terms(inside, ("positive", row.label)), row.n_positive
    everyone = _of(cells, "all", "all", None)
    yield _terms(everyone, ("images",)), public.flows["nih"]["images_out"].iloc[-1]
    yield _terms(everyone, ("people",)), public.flows["nih"]["patients_out"].iloc[-1]
    assert public.curves[COUNTS].isna().all(axis=None) or public.curves["n"].notna().all()
    bins = public.curves.dropna(subset=["n"]).groupby(["label", "attribute", "group"])
    for (label, attribute, group), of in bins:
        yield _judged(label, _of(cells, attribute, group, "test")), of["n"].sum()


def _beside_the_paper(public, cells):
    """The counts of our groups beside a paper's."""
    for row in paper_groups.make(public).to_dict("records"):
        attribute = "all" if row["group"] == "all" else public.paper.groups.attribute
        for fold in FOLDS:
            yield _terms(_of(cells, attribute, row["group"], fold), ("images",)), row[f"n_{fold}"]
        inside = _of(cells, attribute, row["group"], None)
        yield _terms(inside, ("images",)), row["n_images"]
        yield _terms(inside, ("people",)), row["n_patients"]


def _judged(label, cells):
    return _terms(cells, ("positive", label), ("negative", label))


def _counts(row, inside):
    """What n, n_positive and n_patients of a row count."""
    if row.label == "any":
        names = [("images",)], ("positive for any",), ("people",)
    elif row.label == "mean":
        names = [("judged for any",)], ("positive for any",), None
    else:
        judged = [("positive", row.label), ("negative", row.label)]
        names = judged, ("positive", row.label), ("people judged", row.label)
    yield _terms(inside, *names[0]), row.n
    yield _terms(inside, names[1]), row.n_positive
    if names[2]:
        yield _terms(inside, names[2]), row.n_patients


def secrets(frame, study, fold):
    """Yield every count from 1 to one less than allowed, as (what it is, its sum, its value)."""
    places = study.composition[["attribute", "group"]].drop_duplicates().to_numpy().tolist()
    places += [["sex x race", group] for group in _crossings(frame) if _crossed(study)]
    for attribute, group in places:
        of = frame[_inside(frame, attribute, group) & (frame["fold"] == fold)]
        truths = {("images",): len(of), ("people",): of["patient_id"].nunique()}
        for label in LABELS:
            truths["positive", label] = int((of[label] == 1).sum())
            truths["negative", label] = int((of[label] == 0).sum())
            truths["not judged", label] = int((~of[label].isin([0, 1])).sum())
        for name, truth in truths.items():
            if 0 < truth < SMALLEST:
                yield (attribute, group, fold, *name), _sum(name, attribute, group, fold), truth


def _crossed(study):
    """Cells of unknown sex or race are left over where both margins are listed."""
    return {"sex", "race", "sex x race"} <= set(study.study.attributes)


def _crossings(frame):
    return [f"{sex} x unknown" for sex in sorted(set(frame["sex"]))] + [
        f"unknown x {race}" for race in sorted(set(frame["race"]) - {"unknown"})
    ]


def _sum(name, attribute, group, fold):
    def terms(cells):
        inside = _of(cells, attribute, group, fold)
        if name[0] == "not judged":
            return _terms(inside, ("doubt", name[1]), ("blank", name[1]))
        return _terms(inside, name)

    return terms


def attack(frame, private, public, enough=np.inf):
    """Return the intervals of all small counts: {what: (low, high, truth)}."""
    found, cells = {}, _cells(frame, public)
    for fold in FOLDS:
        puzzle = solve(cells, public, fold)
        wanted = list(secrets(frame, private, fold))
        ends = puzzle.intervals([terms(cells) for _, terms, _ in wanted], enough)
        found |= {what: (*end, truth) for (what, _, truth), end in zip(wanted, ends, strict=True)}
    return found


def naive(private):
    """Hide small groups and nothing else."""

    def hide(rows):
        few = [rows["n"], rows["n_positive"], rows["n"] - rows["n_positive"], rows["n_patients"]]
        mask = np.any([count.between(1, SMALLEST - 1) for count in few], axis=0)
        return rows.assign(**{name: rows[name].astype(float).mask(mask) for name in COUNTS})

    return replace(
        private,
        metrics=hide(private.metrics),
        summary=hide(private.summary),
        label_shift=hide(private.label_shift),
        composition=hide(private.composition),
        curves=private.curves.iloc[:0],
    )


def _puzzle(table, hidden):
    """Sex by age from its margins and the cells that are not hidden; cell (0, 0) is sought."""
    puzzle = Puzzle()
    for axis in (0, 1):
        for place, total in enumerate(table.sum(axis=axis)):
            line = [((i, j), 1) for i, j in np.ndindex(table.shape) if (j, i)[axis] == place]
            puzzle.equals(line, total)
    for cell in set(np.ndindex(table.shape)) - hidden:
        puzzle.equals([(cell, 1)], table[cell])
    return puzzle


def _tables(like):
    """Every table of whole numbers with the margins of one of two rows."""
    columns = like.sum(axis=0)
    for first in itertools.product(*(range(total + 1) for total in columns)):
        if sum(first) == like[0].sum():
            yield np.array([first, columns - first])


@pytest.mark.parametrize("seed", range(6))
def test_the_attacker_finds_what_trying_everything_finds(seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 6, (2, 3))
    hidden = {cell for cell in np.ndindex(2, 3) if rng.random() < 0.7} | {(0, 0)}
    possible = [
        other[0, 0]
        for other in _tables(table)
        if all(other[cell] == table[cell] for cell in set(np.ndindex(2, 3)) - hidden)
    ]
    ((low, high),) = _puzzle(table, hidden).intervals([[((0, 0), 1)]])
    assert (low, high) == pytest.approx((min(possible), max(possible)))


@pytest.mark.parametrize("seed", range(6))
def test_closing_leaves_as_many_whole_tables_as_promised(seed):
    rng = np.random.default_rng(100 + seed)
    table, smallest = rng.integers(0, 9, (2, 3)), 4
    table[0, 0] = rng.integers(1, smallest)
    names = [("female", "male"), ("a", "b", "c")]
    profiles = {("all", "all"): table.sum()}
    profiles |= dict(zip((("sex", name) for name in names[0]), table.sum(axis=1), strict=True))
    profiles |= dict(zip((("age", name) for name in names[1]), table.sum(axis=0), strict=True))
    crossed = {("sex x age", f"{names[0][i]} x {names[1][j]}"): (i, j) for i, j in np.ndindex(2, 3)}
    profiles |= {group: table[cell] for group, cell in crossed.items()}
    known = {group: np.array([count]) for group, count in profiles.items()}
    hidden = close(frozenset(), known, smallest)
    if ("all", "all") in hidden:
        return
    puzzle = Puzzle()
    for (attribute, name), counts in known.items():
        if (attribute, name) not in hidden:
            at = [
                (cell, 1)
                for group, cell in crossed.items()
                if attribute == "all" or name in (group[1], *group[1].split(" x "))
            ]
            puzzle.equals(at, counts[0])
    ((low, high),) = puzzle.intervals([[((0, 0), 1)]])
    assert high - low > smallest - 1e-6


def test_the_attacker_defeats_who_hides_small_cells_alone():
    frame, private = invent(3, SHAPES["crossed"])
    found = attack(frame, private, naive(private), enough=1)
    pinned = [what for what, (low, high, _) in found.items() if high - low < 1e-6]
    assert len(pinned) > 10
    for what in pinned:
        low, _, truth = found[what]
        assert low == pytest.approx(truth), what


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("shape", SHAPES)
def test_no_small_count_can_be_worked_out(shape, seed):
    frame, private = invent([seed, len(shape)], SHAPES[shape])
    found = attack(frame, private, suppress(private), enough=SMALLEST)
    assert found
    for what, (low, high, truth) in found.items():
        assert high - low > SMALLEST - 1e-6, (what, low, high, truth)
