"""A stage's command line is its signature."""

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from cxrfair.config import ConfigError, Section
from cxrfair.errors import CxrfairError


def call(stage: Callable[..., None], argv: Sequence[str] | None = None) -> None:
    """Run `stage` with arguments from the command line, one required flag per parameter.

    A Section is read from JSON, a `tuple[Path, ...]` from any number of paths, any other tuple or
    dict and a truth value from JSON. What a user can put right ends in one message and exit status
    1, not in a traceback.
    """
    parser = argparse.ArgumentParser(description=inspect.getdoc(stage))
    hints = {name: kind for name, kind in get_type_hints(stage).items() if name != "return"}
    for name, kind in hints.items():
        flag = f"--{name.replace('_', '-')}"
        if kind == tuple[Path, ...]:
            parser.add_argument(flag, type=Path, nargs="*", required=True)
        else:
            parser.add_argument(flag, required=True)
    given = vars(parser.parse_args(argv))
    try:
        stage(**{name: _read(kind, given[name], name) for name, kind in hints.items()})
    except CxrfairError as error:
        sys.exit(f"error: {error}")


def _read(kind: Any, value: Any, name: str) -> Any:
    """Turn what the command line gave into `kind`."""
    if kind == tuple[Path, ...]:
        return tuple(value)
    if kind is bool:
        return _truth(value, name)
    if get_origin(kind) in {tuple, dict}:
        return get_origin(kind)(json.loads(value))
    if isinstance(kind, type) and issubclass(kind, Section):
        return kind.parse(value, name)
    return kind(value)


def _truth(value: str, name: str) -> bool:
    """Read a truth value: any other word would be true in Python."""
    if value not in {"true", "false"}:
        raise ConfigError(f"--{name.replace('_', '-')}: {value!r}; allowed: true, false")
    return value == "true"


def as_json(value: Any) -> str:
    """Write a value as JSON, the same text every time."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
