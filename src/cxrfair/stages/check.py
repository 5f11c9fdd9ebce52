"""Check params.yaml before the first job, not after a night of training."""

from typing import Any

from cxrfair import settings
from cxrfair.stages._cli import call


def check(params: dict[str, Any]) -> None:
    """Check every section, and every name that one section uses of another."""
    settings.check(params)


if __name__ == "__main__":
    call(check)
