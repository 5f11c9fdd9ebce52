"""What a result was made with: versions and processor, the same bytes for the same machine."""

import hashlib
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("cxrfair", "numpy", "pandas", "safetensors", "scikit-learn", "timm", "torch")


def describe(processor: str, threads: int) -> dict[str, str]:
    """Name Python, the packages results depend on, and the processor used."""
    facts = {"python": platform.python_version(), "system": platform.platform(aliased=True)}
    return (
        facts | {p: version(p) for p in PACKAGES} | {"device": processor, "threads": str(threads)}
    )


def md5(path: Path) -> str:
    """Hash a file as DVC does, so that its copy can be found in DVC's cache."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def fingerprint(parts: Iterable[str]) -> str:
    """Hash settings and the hashes of files into one short name."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def git_commit() -> str:
    """Return the commit this runs from, `-dirty` where files differ; `unknown` outside git."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
