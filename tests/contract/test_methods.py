"""Promises every training method keeps; a new method is under test the moment its file exists.

A test of all methods begins its docstring with its name in docs/conformance.md, and says there what
it proves: `<name>: <what>`. What does not apply to a method is noted as the property `not
applicable`, with why.
"""

import ast
import copy
import functools
import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml
from torch import distributed

from cxrfair import methods, ranges
from cxrfair.distributed import average
from cxrfair.methods import LEARNER, Batch, Groups, Listed, Method, Network, Representation
from cxrfair.scales import SCALES, at_scale
from cxrfair.training.sampling import epoch_order

GROUPS = Groups(("a", "b", "c"), (8, 6, 3))
LONG = Groups(GROUPS.names, (800, 600, 300))  # enough that a threshold lies between some images
LABELS, LONGEST = 2, 10  # no method takes more steps until all of its players have moved
LATE = 2  # steps at most that a player waits before it joins, whatever params.yaml says
NOT_APPLICABLE = "not applicable"
REPO = Path(__file__).parents[2]
PARAMS = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))["methods"]


class Case(NamedTuple):
    """A method as params.yaml sets it, but for what may be one of a few: all of that is tried."""

    name: str
    changed: tuple[tuple[str, Any], ...] = ()

    def __str__(self):
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.changed)])

    @property
    def settings(self):
        """Return settings under which whoever joins late does so within a few steps.

        Dropout is off: as that of a backbone, it goes by where in a batch an image is.
        """
        given = at_scale(PARAMS.get(self.name, {}), "demo")
        soon = {k: min(v, LATE) if k.endswith("_steps") else v for k, v in given.items()}
        return soon | {k: 0.0 for k in given if k == "dropout"} | dict(self.changed)


def cases(name):
    """List a method, and once more for every other choice of each of its settings."""
    found = [Case(name)]
    for key, limits in ranges.of(methods.get(name).config_type).items():
        choices = limits.values if isinstance(limits, ranges.Among) else ()
        found += [Case(name, ((key, v),)) for v in choices if v != PARAMS.get(name, {}).get(key)]
    return found


CASES = [case for name in methods.names() for case in cases(name)]


class Tiny(Network):
    """Four patches of 8 x 8 pixels, five features; nothing in it mixes images."""

    def __init__(self, labels=LABELS):
        super().__init__()
        self.width, self.grid = 5, (2, 2)
        self.conv = torch.nn.Conv2d(1, self.width, 8, stride=8)
        self.norm = torch.nn.Identity()
        self.head = torch.nn.Linear(self.width, labels)

    def represent(self, image):
        tokens = self.norm(self.conv(image)).tanh().flatten(2).transpose(1, 2)
        pooled = tokens.mean(1)
        return Representation(tokens, pooled, self.head(pooled), (2, 2))


class Normed(Tiny):
    """The same with batch norm: its buffers follow what it sees in training mode."""

    def __init__(self, labels=LABELS):
        super().__init__(labels)
        self.norm = torch.nn.BatchNorm2d(self.width)


def batch(n=12, labels=LABELS, seed=1):
    """Draw images, targets, among them missing ones and one in doubt, and outlines of most labels.

    Outlines have soft borders; they lie at one side, so that a map that is alike everywhere errs.
    """
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand((n, 1, 16, 16), generator=draw)
    target = torch.randint(0, 2, (n, labels), generator=draw).float()
    target[1, 0], target[2, 0], target[4] = 0.5, math.nan, math.nan
    index = torch.randperm(sum(GROUPS.counts), generator=draw)[:n]
    guided = torch.rand((n, labels), generator=draw) < 0.8
    mask = torch.rand((n, labels, 16, 16), generator=draw) * guided[..., None, None]
    mask[..., 6:] = 0
    return Batch(image, target, torch.arange(n) % 3, index, mask, guided, seed=7, epoch=seed)


def listed(groups=GROUPS, labels=LABELS, upstream=True):
    """Draw a training list with as many images of each group as `groups` says."""
    draw = np.random.default_rng(3)
    group = draw.permutation(np.repeat(np.arange(len(groups.counts)), groups.counts))
    target = (draw.random((len(group), labels)) < 0.4).astype("float32")
    target[0], target[1], target[2, 0], target[3, 0], target[4] = 0, 1, 0.5, math.nan, math.nan
    logit = draw.normal(size=target.shape).astype("float32")
    arrays = target, group.astype("int64"), logit
    for array in arrays:
        array.flags.writeable = False
    names = tuple(["edema", "mass", "nodule", "fracture", "effusion"][:labels])
    return Listed(target, names, arrays[1], logit if upstream else None)


def listed_of(name, groups=GROUPS):
    return listed(groups, upstream=bool(methods.get(name).needs))


def reordered(given, order):
    """Return the rows of a training list in another order."""
    logit = None if given.logit is None else given.logit[order]
    return Listed(given.target[order], given.labels, given.group[order], logit)


def text(labels=LABELS):
    """Draw what stands for the labels in words; the same for every method."""
    return torch.randn((2 * labels, 6), generator=torch.Generator().manual_seed(4))


def changed(given, **parts):
    return replace(given, **parts)


def taken(given, places):
    """Return some images of a batch."""
    held = {key: value for key, value in vars(given).items() if isinstance(value, torch.Tensor)}
    return replace(given, **{key: value[places] for key, value in held.items()})


def fresh(name, settings, groups=GROUPS, labels=LABELS, seed=0, net=Tiny):
    """Do what the engine does before its first step; the upstream is the same for all seeds."""
    kind = methods.get(name)
    config = kind.config_type.parse(json.dumps(settings), f"methods.{name}")
    torch.manual_seed(99)
    upstream = net(labels).eval().requires_grad_(False) if kind.needs else None
    torch.manual_seed(seed)
    method = kind(kind.build(net(labels), config, text(labels)), groups, config, upstream)
    method.survey(listed(groups, labels, upstream is not None))
    return method


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


def drawn(method, given):
    """Return how often, and with what chance, an epoch takes each example."""
    return {"repeats": method.repeats(given), "chances": method.chances(given)}


def same_draws(some, others):
    return all(np.array_equal(some[key], others[key]) for key in some)


def assert_same(some, others, exact=False):
    close = {"rtol": 0, "atol": 0} if exact else {}
    torch.testing.assert_close(dict(some.state_dict()), dict(others.state_dict()), **close)


def assert_finite(method):
    assert all(torch.isfinite(value).all() for value in method.state_dict().values())


@pytest.fixture(scope="module")
def all_running():
    return functools.cache(lambda case: begun(fresh(case.name, case.settings), batch()))


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return request.param


@pytest.fixture
def name(case):
    return case.name


@pytest.fixture
def settings(case):
    return case.settings


@pytest.fixture
def running(case, all_running):
    """Make a method of which every player has moved; call it again for another just like it."""
    return lambda: copy.deepcopy(all_running(case))


def test_it_says_what_it_is(name):
    """Statement: it names its source, its batch statistics and the provenance of what it computes
    from training images, and the model it starts from is one there is."""
    kind = methods.get(name)
    for said in (kind.source, kind.batch_statistics, kind.provenance):
        assert said == said.strip() != ""
    if kind.needs:
        upstream, when = kind.needs.split("@")
        assert set(upstream.split("|")) <= set(methods.names())
        assert when in {"early", "selected"}


def hand_written(name):
    """Return the test functions of a method's own file; recipes share one."""
    folder = REPO / "tests" / "unit" / "methods"
    own = folder / f"test_{name}.py"
    text = (own if own.exists() else folder / "test_recipes.py").read_text(encoding="utf-8")
    found = [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    return found if own.exists() or name in text else []


def test_its_update_is_worked_out_by_hand(name):
    """By hand: a test of its own compares loss and update, on a few numbers, with its formula
    worked out independently of the code."""
    assert any("by_hand" in function for function in hand_written(name))


def test_every_parameter_belongs_to_one_player(name, settings):
    """Players: every parameter that is not frozen belongs to one optimiser and no other."""
    method = fresh(name, settings)
    owned = Counter(id(p) for player in method.players().values() for p in player.parameters)
    assert owned == Counter(id(p) for p in method.parameters() if p.requires_grad)
    assert LEARNER in method.players()


def test_in_its_turn_a_player_moves_all_its_parameters_and_no_others(running):
    """Turns: in its turn an optimiser changes all of its parameters, and none of another's."""
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
        for key, parameter in method.named_parameters():
            stayed = torch.equal(parameter, before[id(parameter)])
            assert stayed == (id(parameter) not in own), key
        seen.add(turn.player)
    assert seen == set(players)


def is_frozen(part):
    own = list(part.parameters())
    return bool(own) and not any(parameter.requires_grad for parameter in own)


def test_what_is_frozen_stays(name, settings, record_property):
    """Frozen: weights and batch norm of what is frozen, and of the model it starts from, never
    change, and stay in evaluation mode in training."""
    method = fresh(name, settings, net=Normed).train()
    parts = [part for part in method.modules() if is_frozen(part)]
    upstream = [method.upstream] if method.needs else []
    if not parts + upstream:
        record_property(NOT_APPLICABLE, "nothing is frozen")
    before = [state(part) for part in parts + upstream]
    for seed in (1, 2):
        step(method, batch(seed=seed))
    for part, was in zip(parts + upstream, before, strict=True):
        torch.testing.assert_close(state(part), was, rtol=0, atol=0)
        assert not any(inside.training for inside in part.modules())
        assert all(p.grad is None for p in part.parameters())


def test_what_is_shown_is_a_number_and_so_is_all_that_is_logged(running):
    """Numbers: every loss, and everything that is logged, is one finite number."""
    for turn in running().turns(batch()):
        for number in (turn.loss, turn.shown, *turn.numbers.values()):
            assert number.shape == ()
            assert torch.isfinite(number)
        turn.loss.backward()


def inside(value, limits):
    if isinstance(limits, ranges.Among):
        return value in limits.values
    return limits.low <= value <= limits.high


def other(value, limits):
    """Change a setting to something else that is allowed."""
    if isinstance(limits, ranges.Among):
        return next(each for each in limits.values if each != value)
    halves = value // 2 if isinstance(value, int) else value / 2
    middle = (value + limits.high) / 2
    fits = halves != value and inside(halves, limits)
    return halves if fits else type(value)(middle + isinstance(value, int))


def test_every_setting_has_a_meaning_and_a_range(name, record_property):
    """Ranges: every setting says what it means and between which values it is searched for, and
    the value in params.yaml is one of them at every scale."""
    kind = methods.get(name).config_type
    found = ranges.of(kind)
    if not kind.model_fields:
        record_property(NOT_APPLICABLE, "it has no settings")
    assert set(found) == set(kind.model_fields)
    for key, field in kind.model_fields.items():
        assert field.description, f"methods.{name}.{key} does not say what it means"
        for scale in SCALES:
            value = at_scale(PARAMS[name], scale)[key]
            assert inside(value, found[key]), f"methods.{name}.{key}: {value} at {scale}"
    for scale in SCALES:
        kind.parse(json.dumps(at_scale(PARAMS[name], scale)), f"methods.{name}")


def test_both_ends_of_a_range_are_allowed(name, settings, record_property):
    """Range ends: a search may draw both ends of every range; the settings take them."""
    kind = methods.get(name).config_type
    if not settings:
        record_property(NOT_APPLICABLE, "it has no settings")
    for key, limits in ranges.of(kind).items():
        whole = isinstance(settings[key], int)
        ends = getattr(limits, "values", None) or (limits.low, limits.high)
        for end in ends:
            value = int(end) if whole and not isinstance(end, bool) else end
            kind.parse(json.dumps(settings | {key: value}), f"methods.{name}")


def test_every_setting_changes_a_step_or_what_is_drawn(name, settings, record_property):
    """Settings: no setting is dead. Another value of it alone changes the deployed network, or
    which images an epoch draws."""
    limits = ranges.of(methods.get(name).config_type)
    given = listed_of(name, LONG)
    if not settings:
        record_property(NOT_APPLICABLE, "it has no settings")
    for key, value in settings.items():
        changes = {key: other(value, limits[key])}
        some, others = fresh(name, settings), fresh(name, settings | changes)
        differ = not same_draws(drawn(some, given), drawn(others, given))
        for _ in range(LONGEST):
            if differ:
                break
            step(some, batch()), step(others, batch())
            one, other_one = list(some.net.parameters()), list(others.net.parameters())
            differ = len(one) != len(other_one) or not all(map(torch.equal, one, other_one))
        assert differ, f"methods.{name}.{key} changes nothing"


def test_the_same_step_gives_the_same_bytes(running):
    """Repeatable: the same step from the same state leaves the same bytes."""
    some, others = running(), running()
    assert step(some, batch()) == step(others, batch())
    assert_same(some, others, exact=True)


def test_the_order_of_images_does_not_matter(running):
    """Order: the order of a batch's images changes nothing."""
    some, others = running(), running()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(step(some, batch()), step(others, taken(batch(), order)))
    assert_same(some, others)


def renamed(values, order):
    """Give the rows (and columns) of whatever is kept of each group to its new number."""
    for dim in range(min(values.ndim, 2)):
        if values.shape[dim] == len(order):
            values.copy_(torch.index_select(values, dim, order.argsort()))


def test_the_names_of_groups_do_not_matter(name, running):
    """Group names: which number a group has changes nothing; of a method that is blind to groups,
    neither does which image is in which."""
    some, others, order = running(), running(), torch.tensor([2, 0, 1])
    given, of = batch(), listed_of(name)
    moved = replace(of, group=order.numpy()[of.group])
    assert same_draws(drawn(some, of), drawn(others, moved))
    if not methods.get(name).uses_groups:
        step(some, given), step(others, changed(given, group=torch.zeros_like(given.group)))
        assert_same(some, others, exact=True)
        return
    # Whatever is kept of groups, a row each, is renamed with them; nothing else has three rows.
    with torch.no_grad():
        for values in others.state_dict().values():
            renamed(values, order)
    step(some, given), step(others, changed(given, group=order[given.group]))
    torch.testing.assert_close(weights(some.net), weights(others.net))


def test_a_method_that_says_it_uses_groups_does(case, name, running):
    """Groups: a method says that it uses groups if, and only if, they change what it does as
    params.yaml sets it; one that says it does not never does."""
    given, of = batch(), listed_of(name)
    some, others = running(), running()
    # Not flipped, which of these groups is a renaming.
    apart = replace(of, group=np.sort(of.group))
    others.survey(apart), some.survey(of)
    same = same_draws(drawn(some, of), drawn(others, apart))
    step(some, given), step(others, changed(given, group=given.group.sort().values))
    same = same and all(map(torch.equal, weights(some.net), weights(others.net)))
    uses = methods.get(name).uses_groups
    assert same != uses or (uses and case.changed)


def test_a_method_that_says_it_reads_outlines_does(name, running):
    """Outlines: a method says that it reads outlines if, and only if, they change what it does;
    where nobody drew any, and where none of those drawn is to guide, it learns all the same, and
    the same."""
    given, some, others, third = batch(), running(), running(), running()
    before = weights(some.net)
    unguided = torch.zeros_like(given.guided)
    step(some, given)
    step(others, changed(given, mask=None, guided=None))
    step(third, changed(given, guided=unguided))
    reads = methods.get(name).reads_masks
    assert all(map(torch.equal, weights(some), weights(others))) != reads
    assert_same(others, third, exact=True)
    assert not all(map(torch.equal, before, weights(others.net)))


def test_a_missing_label_is_not_learnt_from(running):
    """Missing labels: of a label that no image has, nothing is learnt: its row of a head that
    learns stays, and nothing moves otherwise if the network answers it otherwise."""
    some, others, given = running(), running(), batch()
    target = given.target.clone()
    target[:, 1] = math.nan
    with torch.no_grad():
        others.net.head.weight[1] += 3
        others.net.head.bias[1] -= 3
    before, start = copy.deepcopy(some.net.head), weights(some.net)
    for method in (some, others):
        step(method, changed(given, target=target))
    assert not all(map(torch.equal, start, weights(some.net)))
    assert torch.equal(some.net.head.weight[1], before.weight[1])
    assert torch.equal(some.net.head.bias[1], before.bias[1])
    learns = before.weight.requires_grad
    assert torch.equal(some.net.head.weight[0], before.weight[0]) != learns
    with torch.no_grad():
        others.net.head.weight[1] = before.weight[1]
        others.net.head.bias[1] = before.bias[1]
    assert_same(some, others)


def test_an_image_without_any_label_changes_nothing(running):
    """Unlabelled images: an image without any label changes nothing."""
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
    """Degenerate batches: one group only, a batch without some group, and no label at all leave
    finite losses and weights, for one label and for many."""
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
        assert_finite(method)


def test_intersections_and_many_labels(name, settings):
    """Intersections: with six groups and five labels every player moves, and all stays finite."""
    cells = tuple(f"{sex} x {age}" for sex in ("f", "m") for age in ("0-20", "20-60", "60-"))
    groups, given = Groups(cells, (6, 4, 3, 2, 1, 1)), batch(labels=5)
    given = changed(given, group=torch.arange(12) % 6)
    method = begun(fresh(name, settings, groups, 5), given)
    before = weights(method.net)
    assert all(torch.isfinite(loss) for loss in step(method, given).values())
    assert_finite(method)
    assert not all(map(torch.equal, before, weights(method.net)))


def test_no_label_at_all_teaches_the_network_nothing(running):
    """No labels: a batch without any label does not change the network."""
    method, given = running(), batch()
    before = weights(method.net)
    step(method, changed(given, target=torch.full_like(given.target, math.nan)))
    assert all(map(torch.equal, before, weights(method.net)))


def test_evaluation_changes_no_state(running):
    """Validation: what is computed in evaluation mode changes no weight and nothing remembered."""
    method, given = running().eval(), batch(seed=5)
    before = state(method)
    method.net(given.image)
    assert list(method.turns(given))
    torch.testing.assert_close(state(method), before, rtol=0, atol=0)


def test_a_run_goes_on_from_its_state_bit_for_bit(name, settings, running):
    """Resume: from its saved state it goes on as if it had never stopped, to the last bit."""
    method, again = running(), fresh(name, settings, seed=99)
    saved = state(method)
    again.load_state_dict(saved)
    for seed in (1, 2):
        losses = step(method, batch(seed=seed), seed), step(again, batch(seed=seed), seed)
        assert losses[0] == losses[1]
    assert_same(method, again, exact=True)
    # What is restored is a part of the method, not a second copy that nobody reads.
    assert state(method).keys() == saved.keys()


def test_inference_takes_the_image_alone(name, running):
    """Inference: the deployed network is built again from its settings and weights, and answers
    an image alone: no group, no label, no other network."""
    method, given = running().eval(), batch()
    saved = method.net.state_dict()
    deployed = methods.get(name).build(Tiny(), method.config, saved.get("text"))
    deployed.load_state_dict(saved)
    with torch.no_grad():
        torch.testing.assert_close(deployed.eval()(given.image), method.net(given.image))
        assert deployed(given.image).shape == given.target.shape


def test_the_training_list_is_surveyed_once(name, settings, record_property):
    """Survey: what is noted of the training list does not depend on its order, nor on whether it
    was noted before."""
    if methods.get(name).survey is Method.survey:
        record_property(NOT_APPLICABLE, "it notes nothing of the training list")
    once, twice = fresh(name, settings), fresh(name, settings)
    given = listed_of(name)
    twice.survey(reordered(given, np.random.default_rng(4).permutation(len(given.target))))
    assert_same(once, twice)
    twice.survey(given)
    assert_same(once, twice, exact=True)


def test_what_is_drawn_follows_from_the_training_list(name, settings, record_property):
    """Draws: how often and with what chance an image is drawn is finite and never below 0, leaves
    images to be drawn, follows from the given arrays alone, whatever their order, and changes
    nothing."""
    method, given = fresh(name, settings), listed_of(name)
    before, found = state(method), drawn(method, given)
    order = np.random.default_rng(4).permutation(len(given.target))
    if all(values is None for values in found.values()):
        record_property(NOT_APPLICABLE, "every image is drawn once")
    for key, kind in (("repeats", np.int64), ("chances", np.float64)):
        if found[key] is not None:
            assert found[key].dtype == kind
            assert found[key].shape == (len(given.target),)
            assert np.isfinite(found[key]).all()
            assert (found[key] >= 0).all()
            assert found[key].any()
            again = drawn(method, reordered(given, order))[key]
            np.testing.assert_allclose(again, found[key][order], rtol=1e-12)
    assert same_draws(drawn(method, given), found)
    torch.testing.assert_close(state(method), before, rtol=0, atol=0)


@pytest.mark.parametrize("balanced", [False, True])
def test_it_learns_from_a_balanced_list_and_from_one_that_is_not(name, settings, balanced):
    """Balanced sampling: it learns from what is drawn with and without the weights of a balanced
    training list, times its own chances; images drawn twice are among it."""
    method, given, n = fresh(name, settings), listed_of(name), sum(GROUPS.counts)
    weight = 1 / np.array(GROUPS.counts)[given.group] if balanced else np.ones(n)
    found = drawn(method, given)
    chance = weight if found["chances"] is None else weight * found["chances"]
    order = torch.tensor(epoch_order(chance, found["repeats"], 0, 1))
    images = torch.rand((n, 1, 16, 16), generator=torch.Generator().manual_seed(8))
    target, group = torch.tensor(given.target), torch.tensor(given.group)
    whole = Batch(images, target, group, torch.arange(n))
    before = weights(method.net)
    begun(method, taken(whole, order[:12]))
    assert_finite(method)
    assert not all(map(torch.equal, before, weights(method.net)))


def one_of_two(rank, folder):
    """Train every method on a part of each batch; the two parts are not of one size."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    for number, saved in enumerate(torch.load(folder / "begun.pt")):
        method = fresh(CASES[number].name, CASES[number].settings, seed=rank)
        method.load_state_dict(saved)
        for seed in (1, 2):
            step(method, taken(batch(11, seed=seed), torch.arange(rank, 11, 2)))
        torch.save(method.state_dict(), folder / f"{number}-{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_with_a_part_of_each_batch_do_as_one(all_running, tmp_path):
    """Two processes: two processes with unequal parts of each batch end with the same state, that
    of one process with the whole."""
    begun_here = [copy.deepcopy(all_running(case)) for case in CASES]
    torch.save([method.state_dict() for method in begun_here], tmp_path / "begun.pt")
    command = [sys.executable, __file__, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(rank)]) for rank in (0, 1)]
    try:
        assert [process.wait(300) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    for number, (case, alone) in enumerate(zip(CASES, begun_here, strict=True)):
        for seed in (1, 2):
            step(alone, batch(11, seed=seed))
        one, two = (torch.load(tmp_path / f"{number}-{rank}.pt") for rank in (0, 1))
        torch.testing.assert_close(one, two, rtol=0, atol=0, msg=f"{case}: processes differ")
        torch.testing.assert_close(one, dict(alone.state_dict()), msg=f"{case}: two are not one")


if __name__ == "__main__":
    one_of_two(int(sys.argv[2]), Path(sys.argv[1]))
