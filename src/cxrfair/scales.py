"""Which value of a setting holds at the scale chosen in params.yaml."""

from collections.abc import Mapping
from typing import Any

from cxrfair.config import ConfigError

SCALES = ("demo", "small", "paper")


def resolve(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return params.yaml with the values of its own `scale`, without studies that are null.

    A second file of settings lies over the first entry by entry, and so takes a study out. Variants
    that are null are left out as well: some are for larger scales alone.

    Raises
    ------
    ConfigError
        If `scale` is not one of the three.
    """
    scale = params.get("scale")
    if scale not in SCALES:
        raise ConfigError(f"params.yaml scale: got {scale!r}; allowed: {', '.join(SCALES)}")
    resolved: dict[str, Any] = at_scale(dict(params), scale)
    studies = resolved.get("studies")
    if isinstance(studies, Mapping):
        resolved["studies"] = {k: _present(v) for k, v in studies.items() if v is not None}
    return resolved


def _present(study: Any) -> Any:
    """Return a study without the variants that are null."""
    variants = study.get("variants") if isinstance(study, Mapping) else None
    if not isinstance(variants, Mapping):
        return study
    return {**study, "variants": {k: v for k, v in variants.items() if v is not None}}


def at_scale(value: Any, scale: str) -> Any:
    """Replace every `{demo: a, small: b, paper: c}` in a setting by the value of `scale`."""
    if isinstance(value, Mapping):
        if set(value) == set(SCALES):
            return at_scale(value[scale], scale)
        return {key: at_scale(part, scale) for key, part in value.items()}
    return [at_scale(part, scale) for part in value] if isinstance(value, list) else value


def overridden(section: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section with some values replaced, in its parts too.

    A part of another `kind` replaces the whole part: what it had belongs to the old kind.
    """
    merged = dict(section)
    for key, value in changes.items():
        old = section.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and _one_kind(old, value):
            merged[key] = overridden(old, value)
        else:
            merged[key] = value
    return merged


def train_section(params: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, Any]:
    """Return section `train` as it holds for a variant of a study.

    `recipes.<method>` of params.yaml takes the place of `train`, the variant's own `train` that of
    both; each only where it says something.
    """
    recipe = params["recipes"].get(variant.get("method")) or {}
    return overridden(overridden(params["train"], recipe), variant.get("train", {}))


def split_section(
    params: Mapping[str, Any], study: Mapping[str, Any], dataset: str | None = None
) -> dict[str, Any]:
    """Return section `split` as it holds for a study: its own `split` where that says something.

    A study that splits in another way (`by`) takes no amounts from the section: they are of that.
    All of an external data set is tested on, whatever the study says.
    """
    own, shared = study.get("split", {}), params["split"]
    if dataset is not None and dataset in study.get("external", ()):
        return {"by": "external", "seed": own.get("seed", shared["seed"]), "stratify": []}
    if own.get("by", shared["by"]) != shared["by"]:
        shared = {key: shared[key] for key in ("seed", "stratify")}
    return overridden(shared, own)


def cohort_section(params: Mapping[str, Any], study: Mapping[str, Any]) -> dict[str, Any]:
    """Return section `cohort` as it holds for a study: its own where that says something."""
    return overridden(params["cohort"], study.get("cohort", {}))


def rebalance_section(params: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    """Return the strategy of an entry of section `rebalance`, and its settings.

    An entry is named as its strategy, or says under `strategy` which one it is.
    """
    own = dict(params["rebalance"][name])
    strategy = own.pop("strategy", name)
    return strategy, own


def _one_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return bool(new.get("kind", old.get("kind")) == old.get("kind"))
