"""What a data set's folder holds, by content: how the pipeline notices that raw data changed.

Two small files a data set (tables, images) list each file's path, size and SHA-256. They are
rewritten only when content changes, so touching files re-runs nothing, while one edited image or
row re-runs exactly what reads it. A file is hashed again only when its size or date changed.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cxrfair import datasets
from cxrfair.errors import CxrfairError
from cxrfair.files import write_text
from cxrfair.progress import say

KINDS = ("tables", "images")
_MANY_BYTES = 2_000_000_000  # from here on hashing takes long enough to say so

Known = dict[str, tuple[int, int, str]]  # path -> size, date in ns, SHA-256


def refresh(dataset: str, root: Path, manifests: Mapping[str, Path], memory: Path) -> None:
    """Bring the manifests `tables` and `images` of a data set up to date with its folder.

    `memory` is the file that holds what was hashed before, with the dates of then.

    Raises
    ------
    CxrfairError
        If `root` is not a folder or holds none of the data set's tables. A folder that is not here,
        but whose manifests are (after `dvc pull`), is taken as it was.
    """
    if not root.exists() and all(path.is_file() for path in manifests.values()):
        say(f"data.{dataset}.root: not on this machine; what was made from it is taken as it is")
        return
    if not root.is_dir():
        raise CxrfairError(f"data.{dataset}.root: no folder {str(root)!r}; see docs/data.md")
    reader = datasets.get(dataset)
    known = _recall(memory)
    patterns = {"tables": reader.TABLES, "images": reader.IMAGES}
    found = {kind: sorted(_matching(root, patterns[kind])) for kind in KINDS}
    if not found["tables"]:
        raise CxrfairError(
            f"data.{dataset}.root: {str(root)!r} holds none of its tables; "
            f"looked for {', '.join(reader.TABLES)}"
        )
    fresh = _hash_all(root, [*found["tables"], *found["images"]], known)
    if fresh != known:
        write_text(memory, json.dumps(fresh))
    for kind in KINDS:
        _write_if_changed(manifests[kind], found[kind], fresh)


def _matching(root: Path, patterns: Iterable[str]) -> set[str]:
    files = (file for pattern in patterns for file in root.glob(pattern) if file.is_file())
    return {file.relative_to(root).as_posix() for file in files}


def _recall(memory: Path) -> Known:
    if not memory.is_file():
        return {}
    return {path: (s, t, h) for path, (s, t, h) in json.loads(memory.read_text()).items()}


def _hash_all(root: Path, paths: list[str], known: Known) -> Known:
    """Return size, date and hash of each file, hashing those whose size or date is new."""
    stats = {path: (root / path).stat() for path in paths}
    result: Known = {}
    stale = []
    for path, stat in stats.items():
        before = known.get(path)
        if before and before[:2] == (stat.st_size, stat.st_mtime_ns):
            result[path] = before
        else:
            stale.append(path)
    size = sum(stats[path].st_size for path in stale)
    if size > _MANY_BYTES:
        say(f"reading {len(stale):,} new or changed files once ({size / 1e9:,.0f} GB) to know them")
    with ThreadPoolExecutor(8) as pool:
        for path, digest in zip(stale, pool.map(lambda p: _sha256(root / p), stale), strict=True):
            result[path] = (stats[path].st_size, stats[path].st_mtime_ns, digest)
    return result


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_if_changed(path: Path, files: list[str], known: Known) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "bytes", "sha256"])
    writer.writerows([file, known[file][0], known[file][2]] for file in files)
    if not path.is_file() or path.read_text(encoding="utf-8") != text.getvalue():
        write_text(path, text.getvalue())
