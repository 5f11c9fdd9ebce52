"""Tables as LaTeX, for booktabs and longtable."""

from collections.abc import Iterator, Sequence

from cxrfair.report._present import Cell, Shown
from cxrfair.report._sheets import Band, Heading, Sheet

ESCAPES = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "\N{INFINITY}": r"$\infty$",
    "<": "$<$",
    ">": "$>$",
}


def latex(tables: Sequence[Shown], caption: str, simulated: frozenset[str]) -> str:
    """Write one longtable for each data set; those of a phantom say so in comment and caption."""
    return "\n".join(_one(shown, caption, shown.dataset in simulated) for shown in tables)


def _one(shown: Shown, caption: str, is_simulated: bool) -> str:
    """Write the table of one data set."""
    mark = " PHANTOM: simulated data." if is_simulated else ""
    rows = [" & ".join(_cell(cell) for cell in row) + r" \\" for row in shown.rows]
    numeric = [cell.is_number for cell in shown.rows[0]]
    lines = [
        *(["% PHANTOM: simulated data"] if is_simulated else []),
        r"\begin{longtable}{" + "".join("r" if is_number else "l" for is_number in numeric) + "}",
        rf"\caption{{{escape(f'{caption} Data set: {shown.dataset}.{mark}')}}}\\",
        r"\toprule",
        " & ".join(escape(heading) for heading in shown.headings) + r" \\",
        r"\midrule \endhead",
        *rows,
        r"\bottomrule",
        r"\end{longtable}",
    ]
    return "\n".join(lines) + "\n"


def _cell(cell: Cell) -> str:
    """Write a cell on one line; a repeated one stays empty."""
    if cell.state == "repeat":
        return ""
    between = f"({cell.interval})" if cell.interval else ""
    apart = f"({cell.difference_interval})" if cell.difference_interval else ""
    parts = [cell.text, between, cell.difference, apart]
    return escape(" ".join(part for part in parts if part))


def latex_sheets(found: Sequence[Sheet]) -> str:
    """Write one table for each sheet, data sets side by side; phantoms are said as by `latex`."""
    mark = "% PHANTOM: simulated data\n" if any(sheet.simulated for sheet in found) else ""
    return mark + "\n".join(_sheet(sheet) for sheet in found)


def _sheet(sheet: Sheet) -> str:
    """Write one sheet, its footnotes below it."""
    columns = len(sheet.headings)
    simulated = ", ".join(sheet.simulated)
    mark = f" PHANTOM: simulated data ({simulated})." if simulated else ""
    width = columns // len(sheet.datasets)
    starts = range(2, columns + 2, width)
    rules = (rf"\cmidrule(lr){{{start}-{start + width - 1}}}" for start in starts)
    over = (rf"\multicolumn{{{width}}}{{c}}{{{_marked(each)}}}" for each in sheet.datasets)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(f'{sheet.number} of the paper. {sheet.caption}{mark}')}}}",
        rf"\begin{{tabular}}{{l{'r' * columns}}}",
        r"\toprule",
        " & ".join(["", *over]) + r" \\",
        "".join(rules),
        " & ".join(["", *map(_marked, sheet.headings)]) + r" \\",
        *(line for band in sheet.bands for line in _band(band, columns)),
        r"\bottomrule",
        r"\end{tabular}",
        *(_footnote(letter, text) for letter, text in sheet.footnotes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _band(band: Band, columns: int) -> Iterator[str]:
    """Yield a sub-heading and three lines a row: ours, our intervals, what the paper prints."""
    yield r"\midrule"
    yield rf"\multicolumn{{{columns + 1}}}{{l}}{{\textit{{{_marked(band.heading)}}}}} \\"
    for line in band.lines:
        yield " & ".join([_marked(line.heading), *(escape(c.text) for c in line.cells)]) + r" \\"
        between = (rf"{{\scriptsize {escape(c.interval)}}}" for c in line.cells)
        if any(c.interval for c in line.cells):
            yield " & ".join(["", *between]) + r" \\"
        printed = (_marked(Heading(c.printed, c.marks)) for c in line.cells)
        if any(c.printed for c in line.cells):
            yield " & ".join([r"\quad paper", *printed]) + r" \\"


def _footnote(letter: str, text: str) -> str:
    """Write a footnote as a paragraph of its own."""
    return rf"\par\smallskip{{\footnotesize {_marked(Heading('', letter))}{escape(text)}}}"


def _marked(heading: Heading) -> str:
    """Write a heading, the letters of its footnotes raised."""
    raised = rf"\textsuperscript{{{heading.marks}}}" if heading.marks else ""
    return escape(heading.text) + raised


def escape(text: str) -> str:
    """Replace the characters that mean something to LaTeX."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)
