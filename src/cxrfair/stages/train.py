"""A training list to a trained network."""

from pathlib import Path

from safetensors.torch import save_file

from cxrfair import environment, provenance, tables
from cxrfair.files import whole, write_text
from cxrfair.images.store import Store
from cxrfair.stages._cli import as_json, call
from cxrfair.tracking import Place, Run
from cxrfair.training.job import Data, TrainSpec
from cxrfair.training.job import train as run_training

STATE = Path(".cxrfair")  # checkpoints and locks: neither results nor inputs


def train(
    *,
    listed: Path,
    cohort: Path,
    targets: Path,
    splits: Path,
    pixels: Path,
    index: Path,
    study: str,
    dataset: str,
    variant: str,
    spec: TrainSpec,
    weights: Path,
    card: Path,
    history: Path,
    made_with: Path,
) -> None:
    """Train one method with one seed on one data set."""
    data = Data(
        tables.TRAINING_LIST.read(listed),
        tables.COHORT.read(cohort),
        tables.TARGETS.read(targets),
        tables.SPLITS.read(splits),
        Store(pixels, tables.STORE_INDEX.read(index)),
    )
    inputs = {p.stem: environment.md5(p) for p in (listed, cohort, targets, splits, pixels, index)}
    saved = STATE / "checkpoints" / f"{_name(spec, inputs)}.safetensors"
    with Run(Place(study, dataset, variant, spec.seed)) as log:
        log.log_params(spec.model_dump(), _facts(inputs))
        trained = run_training(spec, data, saved, STATE / "locks", log)
        with whole(weights) as part:
            save_file(trained.weights, part)
        write_text(card, as_json(trained.card.model_dump()))
        write_text(made_with, as_json(trained.environment))
        tables.HISTORY.write(trained.history, history)
        log.log_files([weights, card, made_with])
    saved.unlink(missing_ok=True)


def _name(spec: TrainSpec, inputs: dict[str, str]) -> str:
    """Name a training by its settings, data and code, so that no other resumes from its state."""
    modules = ("cxrfair.stages.train", f"cxrfair.methods.{spec.method}")
    code = sorted({path for module in modules for path in provenance.closure(module)})
    parts = [spec.model_dump_json(), *inputs.values(), *map(environment.md5, code)]
    return environment.fingerprint(parts)


def _facts(inputs: dict[str, str]) -> dict[str, str]:
    """Say in the tracker what went in: each file by the hash DVC keeps it under, and the commit."""
    hashes = {f"dvc.md5.{name}": digest for name, digest in inputs.items()}
    return hashes | {"git.commit": environment.git_commit()}


if __name__ == "__main__":
    call(train)
