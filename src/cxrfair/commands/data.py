"""`cxrfair data`: which data sets there are, and what is missing of one."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cxrfair import completeness, datasets
from cxrfair.commands import _params
from cxrfair.completeness import Completeness, CountCheck
from cxrfair.config import ConfigError
from cxrfair.phantom import MARKER
from cxrfair.scales import SCALES, at_scale

LISTED = ("images", "embeddings")  # counted as listed, also those that cannot be used

app = typer.Typer(
    help="Look at data sets: which there are, what is missing of one.", no_args_is_help=True
)


@app.command("list", help="List the data sets, and where params.yaml says that they lie.")
def list_(params: _params.Params = _params.DEFAULT) -> None:
    """Say kind, title and place of every data set."""
    entries = _entries(_params.load(params))
    for name in datasets.names():
        source = datasets.get(name)
        root = entries.get(name, {}).get("root")
        place = f"{root} ({_there(root, params.parent)})" if root else "no root in params.yaml"
        typer.echo(f"{name:<22}{source.KIND:<14}{source.LAYOUT.title}: {place}")


@app.command("check", help="Compare a folder with what a complete copy of a data set holds.")
def check(
    dataset: Annotated[str, typer.Argument(help="A name that `cxrfair data list` shows.")],
    root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where it lies; else as params.yaml says.")
    ] = None,
    params: _params.Params = _params.DEFAULT,
    tables_only: Annotated[
        bool,
        typer.Option("--tables-only", help="See that the tables are there; open nothing."),
    ] = False,
) -> None:
    """Say what is there, what is missing, and whether one can work with it."""
    entry = _entries(_params.load(params)).get(dataset, {})
    if root is None and "root" not in entry:
        datasets.get(dataset)  # a name that does not exist is the likelier mistake
        raise ConfigError(f"{params} data: no root for {dataset}; name a folder with --root")
    folder = root or params.parent / entry["root"]
    options = json.dumps(entry.get("options", {}))
    found = completeness.check(dataset, folder, options, tables_only=tables_only)
    for line in lines(found):
        typer.echo(line)
    raise typer.Exit(0 if found.is_usable else 1)


def lines(found: Completeness) -> Iterator[str]:
    """Yield what was found, for people; counts alone, no patient."""
    yield f"{found.dataset}: {found.title}"
    yield f"{found.root}{'   PHANTOM: everything here is simulated' if found.is_phantom else ''}"
    yield ""
    width = max((len(file.pattern) for file in found.files), default=0)
    for file in found.files:
        optional = " (optional)" if file.optional else ""
        state = f"found {file.n_found:,}" if file.n_found else f"missing{optional}"
        yield f"  {state:<20} {file.pattern:<{width}}   {file.holds}"
    if found.counts or found.absent or found.notes:
        yield ""
    for count in found.counts:
        yield _count(count, sum(found.absent.values()))
    for why, n in found.absent.items():
        yield f"  cannot be used, {why}: {n:,}"
    for rule, n in found.notes.items():
        yield f"  {rule}: {n:,}"
    yield ""
    yield verdict(found)


def _count(count: CountCheck, n_absent: int) -> str:
    """Say how many there are, and how many of those listed can be used."""
    n_found = "some" if count.n_found is None else f"{count.n_found:,}"
    said = f"  {count.name.replace('_', ' ')}: {n_found} of {count.n_published:,}"
    if count.name not in LISTED or count.n_found is None or not n_absent:
        return said
    return f"{said} listed; {count.n_found - n_absent:,} can be used"


def verdict(found: Completeness) -> str:
    """Say in a line whether one can work with it."""
    if found.fault is not None:
        return f"cannot be used: {found.fault}"
    if not found.was_read:
        return "the tables are there; nothing was read"
    if found.is_phantom:
        return "usable; simulated, so its numbers are not those of the real thing"
    if found.is_complete:
        return "complete" if found.counts else "usable; how much a complete copy holds is not known"
    return "usable, but not all that was published: fine to work with"


def _entries(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section `data` of params.yaml, at its scale."""
    section = params.get("data", {})
    return dict(at_scale(section, params.get("scale", SCALES[0])))


def _there(root: str, folder: Path) -> str:
    """Say whether a root, seen from `folder`, exists, and whether it is simulated."""
    if not (folder / root).is_dir():
        made = Path(root).is_relative_to(datasets.SIMULATED_BELOW)
        return "simulated when a study uses it" if made else "not there"
    return "phantom" if (folder / root / MARKER).is_file() else "there"
