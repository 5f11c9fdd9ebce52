"""A training list to a trained network."""

import json
from pathlib import Path

from safetensors.torch import save_file

from cxrfair import distributed, environment, tables
from cxrfair.files import whole, write_text
from cxrfair.stages import _training
from cxrfair.stages._cli import as_json, call
from cxrfair.tracking import Place
from cxrfair.training.job import TrainSpec


def train(
    *,
    listed: Path,
    cohort: Path,
    targets: Path,
    splits: Path,
    pixels: Path,
    index: Path,
    upstream: tuple[Path, ...],
    text: tuple[Path, ...],
    chosen: tuple[Path, ...],
    masks: tuple[Path, ...],
    study: str,
    dataset: str,
    variant: str,
    spec: TrainSpec,
    weights: Path,
    early: Path,
    card: Path,
    history: Path,
    repeats: Path,
    made_with: Path,
) -> None:
    """Train one method with one seed on one data set.

    `upstream` is a card and weights, or none; `text` what labels say, or none; `chosen` what a
    search chose, where there was one; `masks` are masks and where they lie, or none.
    """
    starts = (upstream, text, chosen, masks)
    inputs = _training.Inputs(listed, cohort, targets, splits, pixels, index, *starts)
    for path in chosen:
        spec = _training.settled(spec, json.loads(path.read_text(encoding="utf-8")))
    place = Place(study, dataset, variant, spec.seed)
    with _training.ready("train", inputs, spec, place) as ready:
        trained = ready.train(spec)
        if not distributed.is_first():
            return
        for path, tensors in ((weights, trained.weights), (early, trained.early)):
            with whole(path) as part:
                save_file(tensors, part)
        write_text(card, as_json(trained.card.model_dump()))
        write_text(made_with, as_json(environment.describe(trained.conditions, ready.origin)))
        tables.HISTORY.write(trained.history, history)
        tables.DRAWN.write(trained.drawn, repeats)
        ready.log.log_files([weights, card, made_with])


if __name__ == "__main__":
    call(train)
