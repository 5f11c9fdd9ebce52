"""Sections of params.yaml, each a frozen record declared beside the code that reads it."""

import json
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cxrfair.errors import CxrfairError


class ConfigError(CxrfairError):
    """A setting is missing, misspelt or of the wrong kind."""


class Section(BaseModel):
    """One section of params.yaml: unknown, missing and mistyped keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, text: str, where: str = "") -> Self:
        """Read a section from JSON.

        Raises
        ------
        ConfigError
            Naming every key that is wrong (`params.yaml <where>.<key>: ...`).
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ConfigError(explain(error, where or cls.__name__, text)) from None


def explain(error: ValidationError, where: str, text: str) -> str:
    """Say a pydantic error about JSON in our form, one line for each key that is wrong."""
    lines = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in (where, *_keys(item["loc"], text)) if part != "")
        plain = item["type"] in {"missing", "extra_forbidden", "value_error"}
        given = "" if plain else f" (got {item['input']!r})"
        message = {
            "extra_forbidden": "no such setting; check its spelling",
            "missing": "this setting is missing; every value must be written out",
        }.get(item["type"], item["msg"].removeprefix("Value error, "))
        lines.append(f"params.yaml {key}: {message}{given}")
    return "\n".join(lines)


def _keys(place: tuple[int | str, ...], text: str) -> list[int | str]:
    """Return the keys of a place, without the kinds that pydantic puts between them."""
    try:
        value = json.loads(text)
    except ValueError:
        return list(place)
    keys = []
    for part in place:
        inside = value if isinstance(value, dict) else {}
        if part != inside.get("kind"):
            keys.append(part)
            value = inside.get(str(part))
    return keys
