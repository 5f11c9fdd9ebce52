"""Tables of tabs, with or without a header; damage told in our own words."""

from collections.abc import Iterator
from pathlib import Path

from cxrfair.datasets._csv import SourceError

LONGEST = 64 << 20  # bytes; these tables have a few hundred to a few thousand rows


def rows(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each line that is not blank, cells without blanks around them.

    Raises
    ------
    SourceError
        If the file cannot be read, is not text or is absurdly long.
    """
    try:
        size = path.stat().st_size
        if size > LONGEST:
            raise SourceError(f"{path}: {size} bytes; a table of at most {LONGEST} is expected")
        text = path.read_text(encoding=encoding)
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read ({error}); a table of tabs is needed") from None
    if "\0" in text:
        raise SourceError(f"{path}: holds zero bytes; a table of tabs is needed")
    for line, row in enumerate(text.split("\n"), 1):
        cells = [cell.strip() for cell in row.split("\t")]
        if any(cells):
            yield line, cells
