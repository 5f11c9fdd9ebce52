"""One draw of a variant's settings to its scores of validation images."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from cxrfair import distributed, inference, methods, ranges, search, tables
from cxrfair.files import write_text
from cxrfair.inference import InferenceError
from cxrfair.progress import say
from cxrfair.search import Drawing
from cxrfair.stages import _training
from cxrfair.stages._cli import as_json, call
from cxrfair.tracking import Place
from cxrfair.training.guards import LossError
from cxrfair.training.job import TrainSpec
from cxrfair.training.scoring import restore

JUDGED = "validation"  # the only fold that a trial scores
BROKEN = "its training left the finite numbers"


def trial(
    *,
    listed: Path,
    cohort: Path,
    targets: Path,
    splits: Path,
    pixels: Path,
    index: Path,
    upstream: tuple[Path, ...],
    text: tuple[Path, ...],
    masks: tuple[Path, ...],
    study: str,
    dataset: str,
    variant: str,
    spec: TrainSpec,
    drawing: Drawing,
    predictions: Path,
    settings: Path,
) -> None:
    """Draw settings, train with them and score the validation images, and no others.

    A training that does not stay finite leaves no scores, and says so beside its settings: a draw
    that cannot be chosen is no mistake.
    """
    starts = (upstream, text, (), masks)
    inputs = _training.Inputs(listed, cohort, targets, splits, pixels, index, *starts)
    found = _drawn(spec, drawing)
    spec = _training.settled(spec, found)
    place = Place(study, dataset, f"{variant}/draw-{drawing.draw}", spec.seed)
    with _training.ready("trial", inputs, spec, place) as ready:
        try:
            scores, note = _scores(spec, ready), None
        except (LossError, InferenceError) as error:
            say(f"draw {drawing.draw}: {error}")
            scores, note = tables.PREDICTIONS.empty(), BROKEN
        if distributed.is_first():
            tables.PREDICTIONS.write(scores, predictions)
            write_text(settings, as_json({"draw": drawing.draw, "note": note, **found}))


def _drawn(spec: TrainSpec, drawing: Drawing) -> dict[str, Any]:
    """Draw the method's settings and those of `train`."""
    kind = methods.get(spec.method).config_type
    hyper = kind.parse(json.dumps(spec.hyper), f"methods.{spec.method}")
    of_method, of_train = ranges.within(hyper), ranges.within(spec.train)
    now = (hyper.model_dump(mode="json"), spec.train.model_dump(mode="json"))
    return {
        "settings": search.draw(drawing, "settings", spec.method, of_method, now[0]),
        "train": search.draw(drawing, "train", "train", of_train, now[1]),
    }


def _scores(spec: TrainSpec, ready: _training.Ready) -> pd.DataFrame:
    """Train, and score as `predict` does; of several processes the first scores."""
    trained = ready.train(spec)
    if not distributed.is_first():
        return tables.PREDICTIONS.empty()
    network = restore(trained.card, trained.weights)
    splits = ready.data.splits
    judged = (splits[splits["fold"] == JUDGED], ready.data.targets)
    return inference.predict(network, trained.card, judged, ready.data.store, ready.processor)


if __name__ == "__main__":
    call(trial)
