"""What a result was made with: versions, processor, code and data; equal facts, equal bytes."""

import hashlib
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("cxrfair", "numpy", "pandas", "safetensors", "scikit-learn", "timm", "torch")


@dataclass(frozen=True)
class Conditions:
    """How one training ran, beside its settings; `resumed` is how often it went on from a stop."""

    device: str
    threads: int
    processes: int
    precision: str
    seed: int
    resumed: int


def describe(conditions: Conditions, origin: Mapping[str, str]) -> dict[str, str]:
    """Name Python, the packages results depend on, how the training ran, and its `origin`."""
    machine = {"python": platform.python_version(), "system": platform.platform(aliased=True)}
    ran = {name: str(value) for name, value in asdict(conditions).items()}
    return machine | versions() | ran | dict(origin)


def versions() -> dict[str, str]:
    """Name the packages that results depend on, with their versions."""
    return {package: version(package) for package in PACKAGES}


def origin(hashes: Mapping[str, str]) -> dict[str, str]:
    """Name what a result is made from: the commit, and each input by the hash DVC keeps it under.

    Parameters
    ----------
    hashes
        MD5 of each input file, by name (see `md5`).
    """
    return {"git.commit": git_commit()} | {f"dvc.md5.{name}": h for name, h in hashes.items()}


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
