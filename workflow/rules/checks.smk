# Before anything is planned: conda where it is asked for, and all settings.
import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from cxrfair.files import write_text


def command(name, *arguments):
    """A stage's command line, for stages that the planner itself runs."""
    return [sys.executable, "-m", f"cxrfair.stages.{name}", *arguments]


def check_settings():
    """Check all settings together before anything is planned; again only when they changed.

    The check loads every section's reader, torch among them, which takes seconds.
    """
    sources = sorted(Path("src").rglob("*.py"))
    stamps = [f"{path} {path.stat().st_mtime_ns}" for path in sources]
    key = sha256("\n".join([json.dumps(config, sort_keys=True), *stamps]).encode()).hexdigest()
    checked = Path(".cxrfair/checked")
    if not checked.is_file() or checked.read_text() != key:
        if subprocess.run(command("check", "--params", json.dumps(config))).returncode:
            sys.exit(1)  # the check has said why
        write_text(checked, key)


def check_conda():
    """Say in one line that --use-conda needs conda, where Snakemake would say it in twenty."""
    wanted = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    if wanted and shutil.which("conda") is None:
        sys.exit(
            "error: --use-conda: no conda on PATH; install Miniforge, or leave --use-conda out "
            "(`make report` needs Python alone)"
        )


if workflow.is_main_process:
    check_conda()
    check_settings()
