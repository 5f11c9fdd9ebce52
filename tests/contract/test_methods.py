"""Promises every training method keeps; a new method is under test the moment its file exists."""

import copy
import functools
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import distributed

from cxrfair import methods
from cxrfair.distributed import average
from cxrfair.methods import LEARNER, Batch, Groups, Listed, Network, Representation
from cxrfair.scales import at_scale

GROUPS = Groups(("a", "b", "c"), (8, 6, 2))
LABELS, LONGEST = 2, 300  # no method takes more steps until all of its players have moved


class Tiny(Network):
    """Four patches of four pixels, five features; nothing in it mixes images."""

    def __init__(self, labels=LABELS):
        super().__init__()
        self.width = 5
        self.conv = torch.nn.Conv2d(1, self.width, 2, stride=2)
        self.head = torch.nn.Linear(self.width, labels)

    def represent(self, image):
        tokens = self.conv(image).tanh().flatten(2).transpose(1, 2)
        pooled = tokens.mean(1)
        return Representation(tokens, pooled, self.head(pooled), (2, 2))


def batch(n=12, labels=LABELS, seed=1):
    """Draw images and targets, among them missing ones, and one in doubt."""
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand((n, 1, 4, 4), generator=draw)
    target = torch.randint(0, 2, (n, labels), generator=draw).float()
    target[1, 0], target[2, 0], target[4] = 0.5, math.nan, math.nan
    index = torch.randperm(sum(GROUPS.counts), generator=draw)[:n]
    return Batch(image, target, torch.arange(n) % 3, index)


def changed(given, **parts):
    fields = {name: getattr(given, name) for name in ("image", "target", "group", "index")}
    return Batch(**(fields | parts))


def taken(given, places):
    return Batch(
        given.image[places], given.target[places], given.group[places], given.index[places]
    )


def fresh(name, settings, groups=GROUPS, labels=LABELS, seed=0):
    kind = methods.get(name)
    torch.manual_seed(seed)
    net, upstream = Tiny(labels), Tiny(labels).eval().requires_grad_(False) if kind.needs else None
    config = kind.config_type.parse(json.dumps(settings), f"methods.{name}")
    return kind(net, groups, config, upstream)


def step(method, given, seed=0):
    """Do what the engine does: each player in its turn; return the losses by player."""
    torch.manual_seed(seed)
    players, losses = method.players(), {}
    for turn in method.turns(given):
        method.zero_grad(set_to_none=True)
        turn.loss.backward()
        losses[turn.player] = turn.shown
        player = players[turn.player]
        grads = [p.grad for p in player.parameters if p.grad is not None]
        average(grads)
        with torch.no_grad():
            for parameter in player.parameters:
                if parameter.grad is not None:
                    parameter.sub_(0.1 * player.rate * parameter.grad)
    return losses


def begun(method, given):
    """Step until every player has moved: some join late."""
    moved = set()
    for _ in range(LONGEST):
        moved |= set(step(method, given))
        if moved == set(method.players()):
            return method
    raise AssertionError(f"only {moved} of {set(method.players())} moved")


def weights(method):
    return [p.detach().clone() for p in method.parameters()]


def state(method):
    return {key: value.clone() for key, value in method.state_dict().items()}


def assert_same(some, others, exact=False):
    close = {"rtol": 0, "atol": 0} if exact else {}
    torch.testing.assert_close(dict(some.state_dict()), dict(others.state_dict()), **close)


@pytest.fixture(scope="module")
def all_settings(repo):
    return at_scale(yaml.safe_load((repo / "params.yaml").read_text())["methods"], "demo")


@pytest.fixture(scope="module")
def all_running():
    return functools.cache(lambda name, text: begun(fresh(name, json.loads(text)), batch()))


@pytest.fixture(params=methods.names())
def name(request):
    return request.param


@pytest.fixture
def settings(name, all_settings):
    return all_settings[name]


@pytest.fixture
def running(name, settings, all_running):
    """Make a method of which every player has moved; call it again for another just like it."""
    text = json.dumps(settings)
    return lambda: copy.deepcopy(all_running(name, text))


def test_it_names_its_source_and_what_it_needs(name):
    kind = methods.get(name)
    assert kind.source
    if kind.needs:
        upstream, when = kind.needs.split("@")
        assert upstream in methods.names()
        assert when in {"early", "selected"}


def test_every_parameter_belongs_to_one_player(name, settings):
    method = fresh(name, settings)
    owned = Counter(id(p) for player in method.players().values() for p in player.parameters)
    assert owned == Counter(id(p) for p in method.parameters() if p.requires_grad)
    assert LEARNER in method.players()


def test_in_its_turn_a_player_moves_all_its_parameters_and_no_others(running):
    method = running()
    players, before, seen = method.players(), {}, set()
    for turn in method.turns(batch()):
        before = {id(p): p.detach().clone() for p in method.parameters()}
        method.zero_grad(set_to_none=True)
        turn.loss.backward()
        own = {id(p) for p in players[turn.player].parameters}
        with torch.no_grad():
            for parameter in players[turn.player].parameters:
                parameter.sub_(parameter.grad)
        for parameter in method.parameters():
            stayed = torch.equal(parameter, before[id(parameter)])
            assert stayed == (id(parameter) not in own)
        seen.add(turn.player)
    assert seen == set(players)


def test_what_is_shown_is_a_number_and_so_is_all_that_is_logged(running):
    for turn in running().turns(batch()):
        for number in (turn.loss, turn.shown, *turn.numbers.values()):
            assert number.shape == ()
            assert torch.isfinite(number)
        turn.loss.backward()


def other(value):
    """Change a setting to something else that is allowed."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value // 2 if isinstance(value, int) else value / 2
    raise TypeError(f"this test knows no other value for {value!r}; teach it")


def test_every_setting_changes_the_deployed_network_or_what_it_sees(name, settings):
    draw = np.random.default_rng(3)
    target = draw.integers(0, 2, (20, LABELS)).astype("float32")
    logit = draw.normal(size=(20, LABELS)).astype("float32")
    listed = Listed(target, ("a", "b"), draw.integers(0, 3, 20), logit)
    for key, value in settings.items():
        some, others = fresh(name, settings), fresh(name, settings | {key: other(value)})
        pair = some.repeats(listed), others.repeats(listed)
        differ = pair[0] is not None and (pair[0] != pair[1]).any()
        for _ in range(LONGEST):
            if differ:
                break
            step(some, batch()), step(others, batch())
            both = zip(some.net.parameters(), others.net.parameters(), strict=True)
            differ = not all(torch.equal(a, b) for a, b in both)
        assert differ, f"methods.{name}.{key} changes nothing"


def test_the_same_step_gives_the_same_bytes(running):
    some, others = running(), running()
    assert step(some, batch()) == step(others, batch())
    assert_same(some, others, exact=True)


def test_the_order_of_images_does_not_matter(running):
    some, others = running(), running()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(step(some, batch()), step(others, taken(batch(), order)))
    assert_same(some, others)


def test_the_names_of_groups_do_not_matter(name, running):
    some, others, order = running(), running(), torch.tensor([2, 0, 1])
    given = batch()
    if not methods.get(name).uses_groups:
        step(some, given), step(others, changed(given, group=torch.zeros_like(given.group)))
        assert_same(some, others, exact=True)
        return
    # Whatever is kept of groups, a row each, is renamed with them; nothing else has three rows.
    per_group = [v for v in others.state_dict().values() if v.ndim and len(v) == len(order)]
    with torch.no_grad():
        for values in per_group:
            values[order] = values.clone()
    step(some, given), step(others, changed(given, group=order[given.group]))
    torch.testing.assert_close(weights(some.net), weights(others.net))


def test_a_method_that_says_it_uses_groups_does(name, running):
    given = batch()
    some, others = running(), running()
    # Not flipped, which of these groups is a renaming.
    step(some, given), step(others, changed(given, group=given.group.sort().values))
    same = all(map(torch.equal, weights(some.net), weights(others.net)))
    assert same != methods.get(name).uses_groups


def test_a_missing_label_is_not_learnt_from(running):
    method, given = running(), batch()
    target = given.target.clone()
    target[:, 1] = math.nan
    before = copy.deepcopy(method.net.head)
    step(method, changed(given, target=target))
    assert torch.equal(method.net.head.weight[1], before.weight[1])
    assert torch.equal(method.net.head.bias[1], before.bias[1])
    assert not torch.equal(method.net.head.weight[0], before.weight[0])


def test_an_image_without_any_label_changes_nothing(running):
    given = batch()
    places = torch.cat([torch.arange(12), torch.tensor([0, 5])])
    more = taken(given, places)
    more.target[12:] = math.nan
    more.image[12:] += 1
    some, others = running(), running()
    torch.testing.assert_close(step(some, given), step(others, more))
    assert_same(some, others)


@pytest.mark.parametrize("labels", [1, 3])
def test_one_group_an_absent_group_and_no_label_at_all_are_defined(name, settings, labels):
    given = batch(labels=labels)
    whole = Groups(("all",), (sum(GROUPS.counts),))
    nothing = torch.zeros_like(given.group)
    unlabelled = torch.full_like(given.target, math.nan)
    for groups, case in (
        (whole, changed(given, group=nothing)),
        (GROUPS, changed(given, group=nothing)),
        (GROUPS, changed(given, target=unlabelled)),
    ):
        method = begun(fresh(name, settings, groups, labels), case)
        assert all(torch.isfinite(loss) for loss in step(method, case).values())
        assert all(torch.isfinite(value).all() for value in method.state_dict().values())


def test_no_label_at_all_teaches_the_network_nothing(running):
    method, given = running(), batch()
    before = weights(method.net)
    step(method, changed(given, target=torch.full_like(given.target, math.nan)))
    assert all(map(torch.equal, before, weights(method.net)))


def test_evaluation_changes_no_state(running):
    method = running().eval()
    before = state(method)
    assert list(method.turns(batch(seed=5)))
    torch.testing.assert_close(state(method), before, rtol=0, atol=0)


def test_a_run_goes_on_from_its_state_bit_for_bit(name, settings, running):
    method, again = running(), fresh(name, settings, seed=99)
    saved = state(method)
    again.load_state_dict(saved)
    for seed in (1, 2):
        losses = step(method, batch(seed=seed), seed), step(again, batch(seed=seed), seed)
        assert losses[0] == losses[1]
    assert_same(method, again, exact=True)
    # What is restored is a part of the method, not a second copy that nobody reads.
    assert state(method).keys() == saved.keys()


def test_inference_takes_the_image_alone(running):
    method, given, deployed = running(), batch(), Tiny()
    deployed.load_state_dict(method.net.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(deployed(given.image), method.net(given.image))


def test_repeats_are_counts_of_every_example(name, settings):
    target = np.array([[1, 0], [0, np.nan], [0.5, 1]], "float32")
    logit = np.array([[2, -2], [3, 0], [1, -1]], "float32")
    listed = Listed(target, ("a", "b"), np.array([0, 1, 2]), logit)
    found = fresh(name, settings).repeats(listed)
    assert found is None or (found.dtype == np.int64 and found.shape == (3,) and (found >= 1).all())


def one_of_two(rank, folder):
    """Train every method on a part of each batch; the two parts are not of one size."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    for name, (settings, saved) in torch.load(folder / "begun.pt").items():
        method = fresh(name, settings, seed=rank)
        method.load_state_dict(saved)
        for seed in (1, 2):
            step(method, taken(batch(11, seed=seed), torch.arange(rank, 11, 2)))
        torch.save(method.state_dict(), folder / f"{name}-{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_with_a_part_of_each_batch_do_as_one(all_settings, all_running, tmp_path):
    begun_here = {
        name: (all_settings[name], copy.deepcopy(all_running(name, json.dumps(all_settings[name]))))
        for name in methods.names()
    }
    saved = {name: (given, method.state_dict()) for name, (given, method) in begun_here.items()}
    torch.save(saved, tmp_path / "begun.pt")
    command = [sys.executable, __file__, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(rank)]) for rank in (0, 1)]
    try:
        assert [process.wait(60) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    for name, (_, alone) in begun_here.items():
        for seed in (1, 2):
            step(alone, batch(11, seed=seed))
        one, two = (torch.load(tmp_path / f"{name}-{rank}.pt") for rank in (0, 1))
        torch.testing.assert_close(one, two, rtol=0, atol=0)
        torch.testing.assert_close(one, dict(alone.state_dict()))


if __name__ == "__main__":
    one_of_two(int(sys.argv[2]), Path(sys.argv[1]))
