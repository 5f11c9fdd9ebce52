"""Signals ask; a second one insists."""

import os
import signal
import threading

import pytest

from cxrfair.training.interrupts import STOPPING, watched


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_is_noted_and_handlers_are_put_back(number):
    before = signal.getsignal(number)
    with watched() as asked:
        assert asked.name == ""
        os.kill(os.getpid(), number)
        assert asked.name == signal.Signals(number).name
        assert signal.getsignal(number) == signal.SIG_DFL
    assert signal.getsignal(number) == before


def test_outside_the_main_thread_nothing_is_watched():
    found = []

    def work():
        before = signal.getsignal(signal.SIGTERM)
        with watched() as asked:
            found.append((asked.name, signal.getsignal(signal.SIGTERM) == before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [("", True)]
