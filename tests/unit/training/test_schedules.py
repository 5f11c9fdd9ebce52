import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from cxrfair.training.config import Constant, Cosine, Plateau, Step
from cxrfair.training.schedules import factor, improves, reductions, stale

NAN = math.nan
CONSTANT = Constant(kind="constant", warmup_epochs=0.0)
COSINE = Cosine(kind="cosine", warmup_epochs=0.0)
STEP = Step(kind="step", warmup_epochs=0.0, every_epochs=2, factor=0.5)
PLATEAU = Plateau(kind="plateau", warmup_epochs=0.0, patience_epochs=2, factor=0.5)
ALL = [CONSTANT, COSINE, STEP, PLATEAU]
SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, NAN]), max_size=15)


def warmed(config, epochs):
    return config.model_copy(update={"warmup_epochs": epochs})


def curve(config, steps_per_epoch, epochs):
    return [
        factor(config, step, steps_per_epoch, epochs) for step in range(steps_per_epoch * epochs)
    ]


def torch_s(make, count):
    """Return a torch scheduler's rates of a unit learning rate, one for each step."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimiser)
    rates = []
    for _ in range(count):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


def test_the_warm_up_is_a_line_that_ends_at_one():
    assert curve(warmed(CONSTANT, 1.0), 4, 2) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]


def test_a_warm_up_may_take_part_of_an_epoch_or_of_a_step():
    assert curve(warmed(CONSTANT, 0.5), 4, 1) == [0.5, 1, 1, 1]
    assert curve(warmed(CONSTANT, 0.625), 4, 1) == [0.4, 0.8, 1, 1]


def test_a_warm_up_as_long_as_the_run_ends_with_it():
    assert curve(warmed(COSINE, 2.0), 2, 2) == [0.25, 0.5, 0.75, 1]
    assert curve(warmed(COSINE, 4.0), 2, 2) == [0.125, 0.25, 0.375, 0.5]


def test_a_cosine_by_hand():
    half = math.sqrt(0.5)
    assert curve(COSINE, 2, 2) == pytest.approx([1, (1 + half) / 2, 0.5, (1 - half) / 2])


def test_a_cosine_takes_the_steps_after_the_warm_up():
    assert curve(warmed(COSINE, 1.0), 2, 2) == pytest.approx([0.5, 1, 1, 0.5])


def test_a_cosine_is_torch_s():
    expected = torch_s(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=21), 21)
    assert curve(COSINE, 7, 3) == pytest.approx(expected, abs=1e-12)


def test_steps_are_torch_s_and_fall_between_epochs():
    expected = torch_s(lambda o: lr_scheduler.StepLR(o, step_size=6, gamma=0.5), 21)
    assert curve(STEP, 3, 7) == pytest.approx(expected)
    assert curve(STEP, 1, 5) == [1, 1, 0.5, 0.5, 0.25]


def test_the_steps_of_a_warm_up_are_steps_too():
    assert curve(warmed(STEP, 3.0), 1, 4) == pytest.approx([1 / 3, 2 / 3, 0.5, 0.5])


def test_a_plateau_s_rate_is_its_reductions():
    assert [factor(PLATEAU, 9, 5, 4, count) for count in range(3)] == [1, 0.5, 0.25]
    assert factor(warmed(PLATEAU, 4.0), 9, 5, 4, 1) == 0.25


@given(
    st.sampled_from(ALL), st.floats(0, 6), st.integers(1, 9), st.integers(1, 6), st.integers(0, 3)
)
def test_a_rate_is_above_zero_and_never_above_one(config, warmup, steps, epochs, count):
    for step in range(steps * epochs):
        assert 0 < factor(warmed(config, warmup), step, steps, epochs, count) <= 1


def test_a_score_improves_only_if_it_is_better():
    assert improves(2, 1, "higher")
    assert not improves(2, 1, "lower")
    assert not improves(1, 1, "higher")
    assert not improves(1, 1, "lower")
    assert improves(1, NAN, "higher")
    assert not improves(NAN, 1, "lower")
    assert not improves(NAN, NAN, "higher")


def test_reductions_by_hand():
    assert reductions([], 2, "higher") == 0
    assert reductions([0.5, 0.5], 2, "higher") == 0
    assert reductions([0.5, 0.5, 0.4], 2, "higher") == 1
    assert reductions([0.5, 0.5, 0.4, 0.45], 2, "higher") == 1  # patience starts anew
    assert reductions([0.5, 0.5, 0.4, 0.45, 0.5], 2, "higher") == 2  # and the best stays
    assert reductions([0.5, 0.5, 0.6, 0.5, 0.5], 2, "higher") == 1
    assert reductions([0.5, 0.5, 0.4], 2, "lower") == 0
    assert reductions([NAN, NAN, 0.1], 2, "lower") == 1


def test_no_epoch_counts_as_better_for_being_nan():
    assert reductions([0.5, NAN, NAN], 2, "lower") == 1
    assert stale([0.5, NAN, NAN], "lower") == 2
    assert stale([NAN, NAN], "higher") == 2


def test_epochs_since_the_best_by_hand():
    assert stale([], "higher") == 0
    assert stale([0.1, 0.3, 0.2], "higher") == 1
    assert stale([0.1, 0.3, 0.2], "lower") == 2
    assert stale([0.3, 0.3, 0.3], "lower") == 2


@given(SCORES, st.integers(1, 4), st.sampled_from(["higher", "lower"]))
def test_reductions_are_torch_s(scores, patience, better):
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    mode = "max" if better == "higher" else "min"
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimiser, mode, factor=0.5, patience=patience - 1, threshold=0, cooldown=0
    )
    for score in scores:
        scheduler.step(score)
    assert optimiser.param_groups[0]["lr"] == 0.5 ** reductions(scores, patience, better)


@given(SCORES, st.sampled_from(["higher", "lower"]))
def test_the_best_lies_where_stale_says(scores, better):
    known = [score for score in scores if not math.isnan(score)]
    if not known:
        assert stale(scores, better) == len(scores)
        return
    best = max(known) if better == "higher" else min(known)
    assert stale(scores, better) == len(scores) - 1 - scores.index(best)
