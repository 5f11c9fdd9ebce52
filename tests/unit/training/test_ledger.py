"""Numbers of steps: summed in order however often they are looked at, and guarded."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from cxrfair.training.ledger import LOOK_EVERY_STEPS, Ledger, Report


def report(step, loss, size=2, **more):
    numbers = {key: torch.tensor(value) for key, value in more.items()}
    return Report(step, np.arange(size), {"loss": torch.tensor(loss)}, numbers)


@given(st.lists(st.floats(-10, 10, width=32), min_size=1), st.integers(1, 5))
def test_totals_do_not_depend_on_when_they_are_looked_at(losses, every):
    often, once = Ledger({}), Ledger({})
    for step, loss in enumerate(losses, 1):
        often.waiting.append(report(step, loss, step))
        once.waiting.append(report(step, loss, step))
        if step % every == 0:
            assert often.look() is None
    assert often.look() is None
    assert once.look() is None
    assert often.totals == once.totals
    assert often.latest == {"loss": losses[-1]} or not often.waiting


def test_the_first_loss_that_is_not_finite_is_named_and_not_added():
    book = Ledger({"loss": 1.0})
    book.waiting += [report(4, 0.5), report(5, float("nan")), report(6, float("inf"))]
    found, what = book.look()
    assert (found.step, what) == (5, "loss is nan")
    assert book.totals == {"loss": 2.0}


def test_other_numbers_may_be_undefined():
    book = Ledger({})
    book.waiting.append(report(1, 0.5, share=float("nan")))
    assert book.look() is None
    assert np.isnan(book.totals["share"])


def test_it_is_full_after_a_few_steps():
    book = Ledger({})
    book.waiting += [report(step, 0.1) for step in range(LOOK_EVERY_STEPS)]
    assert book.full
    book.look()
    assert not book.full
