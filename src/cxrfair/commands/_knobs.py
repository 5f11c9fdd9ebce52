"""The settings of a section as options of the command line, also those inside its parts."""

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from cxrfair.config import Section

Place = tuple[str, ...]


@dataclass(frozen=True)
class Knob:
    """One setting; `names` are those it may hold a value for, where it holds one by group."""

    place: Place
    metavar: str
    help: str
    panel: str
    names: tuple[str, ...] | None = None

    @property
    def flag(self) -> str:
        """Name of the option."""
        return f"--{'-'.join(self.place).replace('_', '-')}"

    @property
    def argument(self) -> str:
        """Name of the parameter that stands for the option."""
        return "__".join(self.place)

    def parameter(self) -> inspect.Parameter:
        """Declare the option to typer; it is None unless the command line has it."""
        option = typer.Option(
            self.flag, metavar=self.metavar, help=self.help, rich_help_panel=self.panel
        )
        kind = str | None if self.names is None else list[str] | None
        return inspect.Parameter(
            self.argument,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind, option],
        )

    def values(self, text: Any) -> dict[Place, Any]:
        """Read what was written, by place: NAME=VALUE gives each name a place of its own.

        Raises
        ------
        BadParameter
            If it should be NAME=VALUE and is not.
        """
        if self.names is None:
            return {self.place: _number(text)}
        pairs = [part.partition("=")[::2] for part in text]
        for part, (name, value) in zip(text, pairs, strict=True):
            if not (name and value):
                raise typer.BadParameter(f"{part!r}; allowed: {self.metavar}", param_hint=self.flag)
        return {(*self.place, name): _number(value) for name, value in pairs}


def knobs(section: type[Section]) -> tuple[Knob, ...]:
    """List the settings of a section, in its order."""
    return tuple(_leaves(section, (), "Settings"))


def lay_over(base: Mapping[str, Any], given: Mapping[Place, Any]) -> dict[str, Any]:
    """Return settings with those `given` in their places."""
    result: dict[str, Any] = dict(base)
    for (first, *rest), value in given.items():
        if rest:
            result[first] = lay_over(result.get(first) or {}, {tuple(rest): value})
        else:
            result[first] = value
    return result


def holds(settings: Any, place: Place) -> bool:
    """Tell whether there is a value at a place."""
    for name in place:
        if not isinstance(settings, Mapping) or name not in settings:
            return False
        settings = settings[name]
    return True


def _leaves(section: type[Section], place: Place, panel: str) -> Iterator[Knob]:
    """Yield the settings of a section; those inside a part are under the part's own heading."""
    for name, field in section.model_fields.items():
        kind, says, here = field.annotation, field.description or "", (*place, name)
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _leaves(kind, here, says or name)
        elif get_origin(kind) is dict:
            names = get_args(get_args(kind)[0])
            says = f"{says} May be repeated; names: {', '.join(names)}."
            yield Knob(here, "NAME=VALUE", says, panel, names)
        else:
            yield Knob(here, _metavar(kind), says, panel)


def _metavar(kind: Any) -> str:
    """Say what a value looks like."""
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return {int: "INTEGER", float: "NUMBER"}.get(kind, "TEXT")


def _number(text: str) -> Any:
    """Read a number; a word stays one, and so do JSON's names of what is no number."""
    try:
        return json.loads(text, parse_constant=str)
    except json.JSONDecodeError:
        return text
