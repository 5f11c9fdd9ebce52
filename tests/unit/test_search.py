"""Draws of settings: in range, of a stated distribution, and independent of all else."""

import json
from collections import Counter

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cxrfair import methods, ranges
from cxrfair.ranges import Among, Between
from cxrfair.scales import resolve
from cxrfair.search import Drawing, draw, free
from cxrfair.training.config import Adam, Sgd

SEEDS = st.integers(0, 2**31)
DRAWS = st.integers(1, 10_000)
NUMBERS = st.floats(1e-6, 1e6, allow_nan=False)


def drawing(number=1, seed=0, tuned=("settings", "train"), **own):
    return Drawing(draw=number, seed=seed, tuned=tuned, **({"settings": {}, "train": {}} | own))


def one(entry, number=1, seed=0, place="a"):
    return draw(drawing(number, seed), "settings", place, {"x": entry}, {"x": 0})["x"]


def many(entry, n=2000):
    return np.array([one(entry, number) for number in range(1, n + 1)])


@given(SEEDS, DRAWS, NUMBERS, NUMBERS, st.booleans())
def test_numbers_stay_in_range(seed, number, one_end, other_end, log):
    low, high = sorted((one_end, other_end))
    found = one(Between(low, high, log), number, seed)
    assert isinstance(found, float)
    assert low <= found <= high


@given(SEEDS, DRAWS, st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_whole_numbers_stay_whole_and_in_range(seed, number, one_end, width, log):
    low = one_end + log  # the logarithm of 0 is none
    found = one(Between(low, low + width, log, whole=True), number, seed)
    assert type(found) is int
    assert low <= found <= low + width


@given(SEEDS, DRAWS)
def test_one_of_a_few(seed, number):
    assert one(Among(("a", None, 3)), number, seed) in ("a", None, 3)


def test_draws_are_even_in_what_is_asked_for():
    even = many(Between(2.0, 6.0))
    assert stats.kstest(even, stats.uniform(2, 4).cdf).pvalue > 0.01
    logs = many(Between(1e-5, 1e-2, log=True))
    assert stats.kstest(np.log10(logs), stats.uniform(-5, 3).cdf).pvalue > 0.01
    assert stats.kstest(logs, stats.uniform(1e-5, 1e-2).cdf).pvalue < 1e-6
    whole = Counter(many(Between(1, 4, whole=True)).tolist())
    assert stats.chisquare([whole[n] for n in (1, 2, 3, 4)]).pvalue > 0.01
    few = Counter(many(Among((True, False))).tolist())
    assert stats.chisquare([few[True], few[False]]).pvalue > 0.01


def test_whole_numbers_are_even_in_their_logarithm():
    """1 stands for [1, 2), ..., 7 for [7, 8): each as likely as its share of log 8."""
    found = Counter(many(Between(1, 7, log=True, whole=True)).tolist())
    wanted = [2000 * np.log((n + 1) / n) / np.log(8) for n in range(1, 8)]
    assert stats.chisquare([found[n] for n in range(1, 8)], wanted).pvalue > 0.01


def test_what_is_written_down_is_what_was_drawn():
    for value in many(Between(1e-5, 1e-2, log=True), 50):
        assert len(f"{value:.10e}".split("e")[0].rstrip("0").replace(".", "")) <= 3


TWO = {"a": Between(0, 1), "b": Between(0, 1)}
NOW = {"a": 0.5, "b": 0.25, "c": "as it is"}


@given(SEEDS, DRAWS)
def test_a_setting_s_draw_depends_on_nothing_beside_it(seed, number):
    both = draw(drawing(number, seed), "settings", "m", TWO, NOW)
    alone = draw(drawing(number, seed), "settings", "m", {"b": TWO["b"]}, {"b": 0.9})
    own = draw(drawing(number, seed, settings={"a": 0.1}), "settings", "m", TWO, NOW)
    assert both["b"] == alone["b"] == own["b"]
    assert set(both) == {"a", "b"}
    assert set(own) == {"b"}


def test_another_seed_draw_setting_or_method_is_another_value():
    entry = Between(0, 1)
    values = [one(entry), one(entry, 2), one(entry, seed=1), one(entry, place="b")]
    values.append(draw(drawing(), "settings", "a", {"y": entry}, {"y": 0})["y"])
    assert len(set(values)) == 5


def test_draw_0_is_what_is_set():
    assert draw(drawing(0), "settings", "m", TWO, NOW) == {"a": 0.5, "b": 0.25}


def optimiser(number, kind, train=None):
    extra = {"kind": "sgd", "momentum": 0.9} if kind is Sgd else {"kind": "adam"}
    parsed = kind.model_validate({"learning_rate": 0.5, "weight_decay": 0.5, **extra})
    named = {f"optimiser.{name}": entry for name, entry in ranges.within(parsed).items()}
    now = {"optimiser": parsed.model_dump()}
    return draw(drawing(number, train=train or {}), "train", "train", named, now)


@given(DRAWS)
def test_one_draw_gives_every_variant_the_same_learning_rate_and_weight_decay(number):
    found = optimiser(number, Adam)
    assert found == optimiser(number, Sgd)
    assert set(found["optimiser"]) == {"learning_rate", "weight_decay"}
    fixed = optimiser(number, Sgd, {"optimiser": {"kind": "sgd", "learning_rate": 0.1}})
    assert fixed == {"optimiser": {"weight_decay": found["optimiser"]["weight_decay"]}}


def test_only_what_is_tuned_is_drawn():
    for tuned, other in (("settings", "train"), ("train", "settings")):
        assert draw(drawing(tuned=(tuned,)), other, "m", TWO, NOW) == {}
        assert draw(drawing(tuned=(tuned,)), tuned, "m", TWO, NOW)


def test_what_a_variant_leaves_to_a_search():
    named = {"optimiser.learning_rate": TWO["a"], "optimiser.weight_decay": TWO["b"]}
    assert free(named, {}) == list(named)
    assert free(named, {"optimiser": {"kind": "sgd"}, "epochs": 3}) == list(named)
    assert free(named, {"optimiser": {"weight_decay": 0.0}}) == ["optimiser.learning_rate"]


@pytest.mark.parametrize("name", methods.names())
def test_every_draw_of_every_method_s_settings_is_allowed(name, repo):
    kind = methods.get(name).config_type
    params = resolve(yaml.safe_load((repo / "params.yaml").read_text()))
    now = kind.parse(json.dumps(params["methods"][name])).model_dump(mode="json")
    found = [draw(drawing(number), "settings", name, ranges.of(kind), now) for number in range(40)]
    for values in found:
        kind.parse(json.dumps(now | values), name)
    for setting in ranges.of(kind):
        assert len({values[setting] for values in found}) > 1, f"{name}.{setting} never changes"
