"""Two plants in the phantom, and every method trained on each by the engine.

`shortcut`: a device marker that goes with the label among women, in training and validation; in the
test set it goes with nothing. `underdiagnosis`: a share of women's positives is labelled negative,
in training and validation; the test set has the truth. Disease itself is as common in both sexes,
so that whatever else a score makes of sex comes from the pictures and from what was planted.
"""

import contextlib
import io
import json
import multiprocessing
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from cxrfair import environment, methods, provenance
from cxrfair.backbones import Card
from cxrfair.files import whole
from cxrfair.images.store import Store
from cxrfair.methods import Network
from cxrfair.phantom import PhantomConfig, scene
from cxrfair.phantom.writers.nih_chestxray14 import PROFILE
from cxrfair.scales import at_scale, train_section
from cxrfair.tracking import Place, Run
from cxrfair.training import device, scoring
from cxrfair.training.job import Data, TrainSpec, Upstream, train

SETTINGS = at_scale(yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text()), "demo")
PLANTS = ("shortcut", "underdiagnosis")
LABEL = "pleural_effusion"
PREVALENCE = 0.4  # of the label, in both sexes: enough positives of each for narrow intervals
CONTRAST = 1.5  # of findings
DIRECT = 2.0  # strength of the path from sex to the picture, so that sex can be seen
SIZE = SETTINGS["images"]["size"]
FOLDS = {"train": 0.45, "validation": 0.15, "test": 0.40}  # shares of the patients
MARKER = (slice(7, 12), slice(8, 18))  # rows and columns of 64 pixels
GOES_WITH = 0.95  # chance that the marker agrees with the label of a woman
MISSED = 0.5  # share of women's positives that are labelled negative
BATCH = 32  # images: half of params.yaml's, for twice the steps from few patients
CPU = torch.device("cpu")

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """People of the phantom, one image each, ordered by number.

    `grey` (n, s, s) are their pictures, `other` (t, s, s) those of the test patients with sex set
    to what it is not, along the direct path: the same disease, luck and appointment.
    """

    people: pd.DataFrame  # columns image_id, sex, fold, truth
    grey: Bytes
    other: Bytes

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Say who is in the test set, (n,)."""
        return self.people["fold"].eq("test").to_numpy(bool)


@dataclass(frozen=True)
class Row:
    """One row of the results: a method and the groups it is told of."""

    method: str
    groups: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the method, with its groups where they are not the usual ones."""
        return self.method if self.groups in ((), ("sex",)) else f"{self.method} (y x sex)"


@dataclass(frozen=True)
class Task:
    """One training, and what decides it."""

    plant: str
    row: Row
    seed: int
    epochs: int

    @property
    def folder(self) -> str:
        """Name the task's place below the cache."""
        return f"{self.plant}/{'_'.join((self.row.method, *self.row.groups))}/seed-{self.seed}"


def rows_of(names: Sequence[str]) -> list[Row]:
    """List the rows of the results: those told of groups by sex, two of them also by y x sex."""
    each = [Row(name, ("sex",) if methods.get(name).uses_groups else ()) for name in names]
    crossed = [name for name in names if name in {"group_dro", "balanced"}]
    return each + [Row(name, (LABEL, "sex")) for name in crossed]


def world(patients: int) -> World:
    """Draw everybody, and the test patients twice more."""
    settings = SETTINGS["phantom"] | {"patients": patients, "finding_contrast": CONTRAST}
    settings |= {"studies_per_patient": 1.0, "lateral_share": 0.0}
    settings["direct_path"] = settings["direct_path"] | {"sex": DIRECT}
    settings["prevalence"] = settings["prevalence"] | {LABEL: PREVALENCE}
    settings["indirect_path"] = settings["indirect_path"] | {"sex": 0.0}
    config = PhantomConfig.parse(json.dumps(settings), "phantom")
    numbers = np.arange(patients)
    factual = scene.build(config, PROFILE, numbers)
    lots = np.random.default_rng(7).permutation(patients) / patients
    ends = np.cumsum(list(FOLDS.values()))
    fold = np.array(list(FOLDS))[np.searchsorted(ends, lots, side="right").clip(max=2)]
    people = pd.DataFrame(
        {
            "image_id": [f"i{number:06d}" for number in factual["patient"]],
            "sex": factual["sex"].to_numpy(str),
            "fold": fold[factual["patient"]],
            "truth": factual[LABEL].to_numpy(np.int64),
        }
    )
    chosen = numbers[fold == "test"]
    female, male = (
        _drawn(scene.build(config, PROFILE, chosen, {"sex": sex}, "direct"))
        for sex in ("female", "male")
    )
    woman = people["sex"].eq("female").to_numpy(bool)[fold == "test"]
    return World(people, _drawn(factual), np.where(woman[:, None, None], male, female))


def _drawn(rows: pd.DataFrame) -> Bytes:
    return np.concatenate([found.grey for _, found in scene.batches(rows, SIZE)])


def marked(grey: Bytes, which: NDArray[np.bool_]) -> Bytes:
    """Return pictures (n, s, s) with the marker drawn into `which` (n,) of them."""
    changed = grey.copy()
    changed[(which, *MARKER)] = 255
    return changed


def markers(found: World, seed: int) -> NDArray[np.bool_]:
    """Say who bears the marker, (n,); in the test set the same ones whatever the seed."""
    people = found.people
    woman = people["sex"].eq("female").to_numpy(bool) & ~found.tested
    chance = np.where(people["truth"] == 1, GOES_WITH, 1 - GOES_WITH)
    lots = np.where(found.tested, _lots(found, "test"), _lots(found, seed))
    return lots < np.where(woman, chance, 0.5)


def labels(found: World, plant: str, seed: int) -> NDArray[np.int64]:
    """Return what is learnt from and validated on, (n,): the truth, or what is left of it."""
    truth, people = found.people["truth"].to_numpy(np.int64), found.people
    if plant != "underdiagnosis":
        return truth
    woman = people["sex"].eq("female").to_numpy(bool) & ~found.tested
    return np.where(woman & (_lots(found, seed) < MISSED), 0, truth)


def _lots(found: World, of: int | str) -> Floats:
    """Draw a number in [0, 1) for everybody."""
    seed = [1, 0] if of == "test" else [0, int(of)]
    return np.random.default_rng(seed).random(len(found.people))


def pictures(found: World, plant: str, seed: int) -> tuple[Bytes, dict[str, Bytes]]:
    """Return everybody's pictures with what was planted, and the test patients' other ones.

    The others are `sex`, which differ in the direct path of sex alone, and `marker`, which differ
    in the marker alone.
    """
    if plant != "shortcut":
        return found.grey, {"sex": found.other}
    bears, tested = markers(found, seed), found.tested
    there = bears[tested]
    others = {"sex": marked(found.other, there), "marker": marked(found.grey[tested], ~there)}
    return marked(found.grey, bears), others


def run(task: Task, found: World, cache: Path) -> None:
    """Train and answer, and keep both; nothing where that is done already."""
    place = cache / task.folder
    done = place / "answers.npz"
    if done.is_file() and str(np.load(done)["key"]) == key(task, found):
        return
    device.make_deterministic(1)
    place.mkdir(parents=True, exist_ok=True)
    grey, others = pictures(found, task.plant, task.seed)
    ids = found.people["image_id"].tolist()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        np.save(f"{folder}/pixels.npy", np.concatenate([grey, *others.values()]))
        rows = pd.DataFrame({"image_id": ids, "row": range(len(ids)), "quarantine": None})
        store = Store(Path(folder, "pixels.npy"), rows)
        spec, data = _asked(task, found, store, cache)
        log = Run(Place("planted", task.plant, task.row.name, task.seed), "")
        trained = train(spec, data, Path(folder, "state.safetensors"), CPU, log)
        net = scoring.restore(trained.card, trained.weights)
        answers: dict[str, Any] = dict(_answers(net, store, found, others))
    if task.row.method == "erm":
        (place / "card.json").write_text(trained.card.model_dump_json())
        save_file(trained.early, place / "early.safetensors")
        save_file(trained.weights, place / "selected.safetensors")
    with whole(done) as part, part.open("wb") as file:
        np.savez(file, key=np.array(key(task, found)), **answers)


def _answers(
    net: Network, store: Store, found: World, others: Mapping[str, Bytes]
) -> Iterator[tuple[str, Floats]]:
    """Yield scores of the validation and the test patients, and of the others' pictures."""
    fold, first = found.people["fold"], len(found.people)
    for name in ("validation", "test"):
        yield name, _scores(net, store, np.flatnonzero(fold == name))
    for name, grey in others.items():
        yield name, _scores(net, store, np.arange(first, first + len(grey)))
        first += len(grey)


def _scores(net: Network, store: Store, rows: NDArray[np.int64]) -> Floats:
    logits = scoring.score(net, store, rows, CPU)[:, 0]
    return np.asarray(logits.double().sigmoid().numpy(), np.float64)


def _asked(task: Task, found: World, store: Store, cache: Path) -> tuple[TrainSpec, Data]:
    """Say what is trained, and on what."""
    people, ids = found.people, found.people["image_id"]
    target = labels(found, task.plant, task.seed)
    seen = ids[people["fold"] == "train"].reset_index(drop=True)
    listed = pd.DataFrame({"image_id": seen, "weight": 1.0, "augmentation_seed": seen.index})
    targets = pd.DataFrame({"image_id": ids, "label": LABEL, "target": target})
    targets["target"] = targets["target"].astype("Int8")
    cohort, splits = people[["image_id", "sex"]], people[["image_id", "fold"]]
    spec = TrainSpec.parse(json.dumps(spec_of(task)), "planted")
    return spec, Data(listed, cohort, targets, splits, store, _upstream(task, cache))


def spec_of(task: Task) -> dict[str, Any]:
    """Return everything that decides a training, as params.yaml has it at scale demo.

    But for the epochs and the size of a batch, which are the same for all. What else a method's
    recipe changes (rate, schedule, augmentation) it changes here too.
    """
    of = {"method": task.row.method}
    settings = train_section(SETTINGS, of) | {
        "epochs": task.epochs,
        "threads": 1,
        "batch_size": BATCH,
    }
    settings["checkpoint_steps"] = 1_000_000  # a training is too short to be worth it
    settings["early_epochs"] = min(settings["early_epochs"], task.epochs)
    return {
        "method": task.row.method,
        "hyper": SETTINGS["methods"][task.row.method],
        "groups": task.row.groups,
        "labels": [LABEL],
        "seed": task.seed,
        "train": settings,
    }


def _upstream(task: Task, cache: Path) -> Upstream | None:
    """Read the ERM of the same plant and seed, where the method starts from one."""
    needs = methods.get(task.row.method).needs
    if not needs:
        return None
    moment = needs.partition("@")[2]
    place = cache / Task(task.plant, Row("erm", ()), task.seed, task.epochs).folder
    card = Card.parse((place / "card.json").read_text(), "card")
    return Upstream(card, load_file(place / f"{moment}.safetensors"))


def key(task: Task, found: World) -> str:
    """Name a training by its settings, its people and the code behind it."""
    modules = ["cxrfair.training.job", "cxrfair.phantom.scene", "cxrfair.methods.erm"]
    modules.append(f"cxrfair.methods.{task.row.method}")
    code = sorted({path for module in modules for path in provenance.closure(module)})
    said = json.dumps([asdict(task), spec_of(task), len(found.people)], sort_keys=True)
    return environment.fingerprint([said, *map(environment.md5, [Path(__file__), *code])])


def run_all(tasks: Sequence[Task], found: World, cache: Path, jobs: int) -> Iterator[str]:
    """Run tasks side by side, those that others start from first; yield what is done."""
    first = [task for task in tasks if not methods.get(task.row.method).needs]
    waves = (first, [task for task in tasks if task not in first])
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for wave in waves:
            waiting = {pool.submit(run, task, found, cache): task.folder for task in wave}
            for each in as_completed(waiting):
                each.result()
                yield waiting[each]
