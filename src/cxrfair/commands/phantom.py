"""`cxrfair phantom`: write and look at the simulated population."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from cxrfair import datasets, phantom
from cxrfair.commands._configured import FROM_PARAMS, KNOBS, configured
from cxrfair.phantom import PhantomConfig, cases, sheets
from cxrfair.progress import say

Out = Annotated[Path, typer.Argument(metavar="OUT.png", help="The picture to write.")]
Size = Annotated[int, typer.Option(min=32, max=1024, help="Side of each picture, in pixels.")]
Truth = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Where to write what is true; else ROOT.truth.parquet."),
]


class _Documented(TyperGroup):
    """A group whose help lists every setting of its commands."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the usual help, and then the settings."""
        super().format_help(ctx, formatter)
        table = Table("option", "value", "", title=FROM_PARAMS, box=None, title_justify="left")
        for knob in KNOBS:
            table.add_row(knob.flag, knob.metavar, knob.help)
        Console(markup=False).print(table)


app = typer.Typer(
    cls=_Documented, help="Write and look at the simulated population.", no_args_is_help=True
)


@app.command("list", help="List the data sets that the phantom can stand in for.")
def list_() -> None:
    """Say names and titles."""
    for name in phantom.names():
        typer.echo(f"{name:<22}{datasets.get(name).LAYOUT.title}")


@app.command(help=f"Write a stand-in for a data set, in its original layout. {FROM_PARAMS}")
@configured
def write(
    dataset: Annotated[str, typer.Argument(help="A name that `cxrfair phantom list` shows.")],
    root: Annotated[Path, typer.Argument(help="Folder to make; an older phantom is replaced.")],
    config: PhantomConfig,
    truth: Truth = None,
) -> None:
    """Write one data set."""
    truth = truth or root.with_name(f"{root.name}.truth.parquet")
    phantom.write(dataset, config, root, truth)
    say(f"{root}: {dataset}, {config.patients:,} patients, all simulated; what is true: {truth}")


@app.command(help=f"Draw images for the real cases of TCGA-LUAD's clinical table. {FROM_PARAMS}")
@configured
def illustrate(
    clinical: Annotated[
        Path, typer.Argument(metavar="CLINICAL.tsv", help="The GDC's clinical table.")
    ],
    root: Annotated[Path, typer.Argument(help="Folder to make; an older phantom is replaced.")],
    config: PhantomConfig,
    truth: Truth = None,
) -> None:
    """Write simulated images beside a copy of a real table."""
    truth = truth or root.with_name(f"{root.name}.truth.parquet")
    count = cases.illustrate(clinical, config, root, truth)
    say(f"{root}: images of {count:,} real cases, all simulated; what is true: {truth}")


@app.command("contact-sheet", help=f"Draw each finding in each group on one sheet. {FROM_PARAMS}")
@configured
def contact_sheet(
    out: Out,
    config: PhantomConfig,
    attribute: Annotated[
        str, typer.Option(help=f"Whose groups: {', '.join(sheets.COLUMNS)}.")
    ] = "race",
    masks: Annotated[bool, typer.Option("--masks", help="Show where the finding is.")] = False,
    size: Size = 256,
) -> None:
    """Draw findings x groups."""
    sheets.contact_sheet(config, size, out, attribute=attribute, masks=masks)


@app.command(
    "counterfactual-sheet",
    help=f"Draw the same patients as they are and as they would be. {FROM_PARAMS}",
)
@configured
def counterfactual_sheet(
    out: Out,
    config: PhantomConfig,
    patients: Annotated[int, typer.Option(min=1, help="How many, for each attribute.")] = 4,
    size: Size = 256,
) -> None:
    """Draw patients x interventions."""
    sheets.counterfactual_sheet(config, size, out, patients=patients)
