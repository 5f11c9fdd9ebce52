"""Commands that work with a phantom: its settings from params.yaml and the command line."""

import inspect
import json
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from cxrfair.commands import _params
from cxrfair.commands._knobs import Place, holds, knobs, lay_over
from cxrfair.config import ConfigError
from cxrfair.phantom import PhantomConfig
from cxrfair.scales import SCALES, at_scale

KNOBS = knobs(PhantomConfig)
PLACES = {knob.place: knob for knob in KNOBS}
FROM_PARAMS = "A setting that is not given is that of params.yaml, section phantom."

Command = Callable[..., None]
Scale = Annotated[
    Literal["demo", "small", "paper"] | None,
    typer.Option(help="Whose values of params.yaml hold; its own scale where not given."),
]


def configured(command: Command) -> Command:
    """Give a command its `config`, from --params, --scale and an option for every setting.

    A parameter of the command that is named like a setting stands for that setting.
    """
    own = inspect.signature(command, eval_str=True).parameters
    kept = [parameter for name, parameter in own.items() if name != "config"]
    every = [knob for knob in KNOBS if knob.argument not in own]

    @wraps(command)
    def run(params: Path, scale: str | None, **given: Any) -> None:
        texts = [(knob, given.pop(knob.argument)) for knob in every]
        places = {
            place: v for knob, text in texts if text for place, v in knob.values(text).items()
        }
        places |= {(name,): value for name, value in given.items() if (name,) in PLACES}
        command(**given, config=configure(params, scale, places))

    more = {"params": (_params.Params, _params.DEFAULT), "scale": (Scale, None)}
    both = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in more.items()
    ]
    options = [*kept, *both, *(knob.parameter() for knob in every)]
    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    return run


def configure(params: Path, scale: str | None, given: Mapping[Place, Any]) -> PhantomConfig:
    """Lay settings over those of params.yaml, at its scale or another.

    Raises
    ------
    ConfigError
        If a setting has no value at all, or one that is not allowed.
    """
    found = _params.load(params)
    scale = scale or found.get("scale")
    if found and scale not in SCALES:
        raise ConfigError(f"{params} scale: got {scale!r}; allowed: {', '.join(SCALES)}")
    settings = lay_over(at_scale(found.get("phantom", {}), str(scale)), given)
    lacking = [knob.flag for knob in KNOBS if not holds(settings, knob.place)]
    if lacking:
        where = f"{params}: no value for" if found else f"{params}: no such file here, and no"
        raise ConfigError(
            f"{where} {', '.join(lacking[:3])} ({len(lacking)} of {len(KNOBS)} settings); "
            "name a file with --params, or give every setting"
        )
    try:
        return PhantomConfig.model_validate_json(json.dumps(settings))
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    """Name the option of each value that is not allowed."""
    lines = []
    for item in error.errors(include_url=False):
        place = tuple(str(part) for part in item["loc"])
        knob = PLACES.get(place) or PLACES.get(place[:1])
        where = knob.flag if knob else f"phantom.{'.'.join(place)}"
        lines.append(
            f"{where}: {item['msg'].removeprefix('Value error, ')} (got {item['input']!r})"
        )
    return "\n".join(lines)
