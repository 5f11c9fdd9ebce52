"""Signals that ask a training to stop: it finishes its step, saves and goes."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cxrfair.distributed import AGENT
from cxrfair.errors import CxrfairError

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # SIGUSR1: what Slurm can send early


class InterruptedTrainingError(CxrfairError):
    """A training was asked to stop, and its state is saved."""


class Asked:
    """Which signal has come, if any."""

    name: str = ""

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal; the same one a second time does what it always does.

        Not so in one of several processes: there it comes from the scheduler and from the launcher.
        """
        del frame
        self.name = signal.Signals(number).name
        signal.signal(number, signal.SIG_IGN if AGENT in os.environ else signal.SIG_DFL)


@contextmanager
def watched() -> Iterator[Asked]:
    """Note signals instead of dying of them; only a process's main thread can."""
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, asked.note) for number in STOPPING}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
