"""Which value of a setting holds at the scale chosen in params.yaml."""

from collections.abc import Mapping
from typing import Any

from cxrfair.config import ConfigError

SCALES = ("demo", "small", "paper")


def resolve(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return params.yaml with the values of its own `scale`.

    Raises
    ------
    ConfigError
        If `scale` is not one of the three.
    """
    scale = params.get("scale")
    if scale not in SCALES:
        raise ConfigError(f"params.yaml scale: got {scale!r}; allowed: {', '.join(SCALES)}")
    resolved: dict[str, Any] = at_scale(dict(params), scale)
    return resolved


def at_scale(value: Any, scale: str) -> Any:
    """Replace every `{demo: a, small: b, paper: c}` in a setting by the value of `scale`."""
    if isinstance(value, Mapping):
        if set(value) == set(SCALES):
            return value[scale]
        return {key: at_scale(part, scale) for key, part in value.items()}
    return [at_scale(part, scale) for part in value] if isinstance(value, list) else value
