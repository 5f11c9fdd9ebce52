"""params.yaml as the command line reads it."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cxrfair.config import ConfigError

DEFAULT = Path("params.yaml")

Params = Annotated[Path, typer.Option(metavar="FILE", help="Where the settings are read.")]


def load(path: Path) -> dict[str, Any]:
    """Read params.yaml; without entries where the default one is not there.

    Raises
    ------
    ConfigError
        If a file other than the default is missing, or it is no YAML of named sections.
    """
    if path == DEFAULT and not path.exists():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); a YAML file is needed") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: holds no sections; the repository's own shows which it needs")
    return found
