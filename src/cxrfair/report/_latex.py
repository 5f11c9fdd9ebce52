"""Tables as LaTeX, for booktabs and longtable."""

from collections.abc import Sequence

from cxrfair.report._present import Cell, Shown

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


def escape(text: str) -> str:
    """Replace the characters that mean something to LaTeX."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)
