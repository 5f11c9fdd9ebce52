"""A model's stored features to fresh heads on them, many trials, and what each of them says."""

from pathlib import Path

from cxrfair import head_trials, tables
from cxrfair.embeddings import Embeddings
from cxrfair.files import write_text
from cxrfair.head_trials import HeadSpec
from cxrfair.stages._cli import as_json, call
from cxrfair.training import device

LOCKS = Path(".cxrfair/locks")


def heads(
    *,
    features: Path,
    places: Path,
    splits: Path,
    cohort: Path,
    targets: Path,
    spec: HeadSpec,
    threads: int,
    scores: Path,
    index: Path,
    predictions: Path,
    card: Path,
) -> None:
    """Fit all trials of a variant on the features of its upstream, and score with them.

    `scores` and `index` are of all trials on validation and test images; `predictions` of trial 0
    on all; `card` says what was fitted and what is to be known beside it.
    """
    device.make_deterministic(threads)
    stored = Embeddings(features, tables.EMBEDDING_INDEX.read(places))
    images = head_trials.align(
        spec, tables.SPLITS.read(splits), tables.COHORT.read(cohort), tables.TARGETS.read(targets)
    )
    fitted = head_trials.fit(spec, images, stored, device.choose(LOCKS))
    tables.TRIAL_INDEX.write(head_trials.score(fitted, images, stored, scores), index)
    tables.PREDICTIONS.write(head_trials.predict(spec, fitted, images, stored), predictions)
    write_text(card, as_json(head_trials.describe(spec, fitted, images)))


if __name__ == "__main__":
    call(heads)
