"""Image files of other kinds than PNG and JPEG, written whole or spoilt as told."""

from pathlib import Path

NOT_AN_IMAGE = b"<html><body>404 Not Found</body></html>\n"


def write(path: Path, data: bytes, how: str) -> None:
    """Write `data`, or what is left of it: see `output.SPOILT`."""
    if how == "truncated":
        data = data[: len(data) // 2]
    elif how == "not an image":
        data = NOT_AN_IMAGE
    elif how == "empty":
        data = b""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
