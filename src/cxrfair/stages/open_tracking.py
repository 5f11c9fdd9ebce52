"""Open the tracker's runs before jobs can race to do so, and print how jobs find them."""

import sys

from cxrfair.stages._cli import call
from cxrfair.tracking import TrackingConfig, open_session


def open_tracking(config: TrackingConfig, studies: tuple[str, ...]) -> None:
    """Print the value of the jobs' environment variable; nothing where there is no tracker."""
    sys.stdout.write(open_session(config, studies) or "")


if __name__ == "__main__":
    call(open_tracking)
