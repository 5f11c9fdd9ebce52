"""What `adversarial`, `dann` and `cdann` have in common; what each adversary sees is their own."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from cxrfair.methods import LEARNER, Groups, Method, Network, Representation
from cxrfair.methods._adversary import ADVERSARY, ReversalConfig, centred, group_doubt
from cxrfair.methods._method import NoConfig
from cxrfair.methods.adversarial import Adversarial
from cxrfair.methods.cdann import Cdann
from cxrfair.methods.dann import Dann

KINDS = [Adversarial, Dann, Cdann]
NAN = math.nan
TARGET = np.array([[1.0, 0.0], [0.0, NAN], [1.0, 1.0], [0.0, 0.5], [NAN, 1.0], [1.0, 0.0]])
GROUP = [0, 1, 2, 1, 0, 2]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


class Deep(Network):
    """A network whose features are learnt too: there is something to hide in them."""

    def __init__(self, labels):
        super().__init__()
        self.width = 4
        self.body = torch.nn.Linear(3, self.width)
        self.head = torch.nn.Linear(self.width, labels)

    def represent(self, image):
        pooled = self.body(image.flatten(1)).tanh()
        return Representation(pooled.unsqueeze(1), pooled, self.head(pooled), (1, 1))


@pytest.fixture
def deep():
    torch.manual_seed(1)
    return Deep(2)


@pytest.fixture
def given(batch):
    pixels = np.random.default_rng(2).normal(size=(6, 3))
    return batch(pixels, TARGET, GROUP)


def made(kind, net, groups=3, **changes):
    settings = {"alpha": 0.7, "rate": 1.0, "hidden": 8} | changes
    torch.manual_seed(5)
    names = tuple("abc"[:groups])
    return kind(net, Groups(names, (2,) * groups), ReversalConfig(**settings))


class Turned(torch.autograd.Function):
    """The layer of the papers: nothing going forward, times -alpha going back."""

    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.alpha * gradient, None


def plain_loss(logit, target):
    known = ~torch.isnan(target)
    each = functional.binary_cross_entropy_with_logits(
        logit, torch.nan_to_num(target), reduction="none"
    )
    return ((each * known).sum(1) / known.sum(1)).mean()


def doubt(method, given):
    """Return L_A of a method as it stands."""
    with torch.no_grad():
        seen = method.seen(method.net.represent(given.image), given.target)
        return functional.cross_entropy(method.adversary(seen), given.group).item()


@pytest.mark.parametrize("alpha", [0.3, 4.0])
def test_two_turns_are_one_step_through_a_layer_that_turns_the_gradient(
    kind, deep, given, step, alpha
):
    method = made(kind, deep, alpha=alpha)
    other = copy.deepcopy(method)
    seen = other.net.represent(given.image)
    turned = Turned.apply(other.seen(seen, given.target), alpha)
    guess = functional.cross_entropy(other.adversary(turned), given.group)
    (plain_loss(seen.logit, given.target) + guess).backward()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.sub_(parameter.grad)
    step(method, given)
    torch.testing.assert_close(dict(method.state_dict()), dict(other.state_dict()))


def test_the_learner_raises_what_the_adversary_lowers(kind, deep, given):
    # From the same place, each alone; alpha so large that nothing else matters to the learner.
    method = made(kind, deep, alpha=100.0)
    before = doubt(method, given)
    for player, up in ((LEARNER, True), (ADVERSARY, False)):
        alone = copy.deepcopy(method)
        (turn,) = (turn for turn in alone.turns(given) if turn.player == player)
        turn.loss.backward()
        with torch.no_grad():
            for parameter in alone.players()[player].parameters:
                if parameter.grad is not None:
                    parameter.sub_(1e-4 * parameter.grad)
        assert (doubt(alone, given) > before) == up
        assert doubt(alone, given) != before


def test_what_is_shown_is_the_loss_of_each(kind, deep, given, step):
    method = made(kind, deep)
    loss = plain_loss(deep.represent(given.image).logit, given.target).item()
    told = doubt(method, given)
    assert step(method, given) == {
        LEARNER: pytest.approx(loss, rel=1e-5),
        ADVERSARY: pytest.approx(told, rel=1e-5),
    }


def test_the_adversary_never_moves_the_network(kind, deep, given):
    method = made(kind, deep)
    turn = list(method.turns(given))[1]
    turn.loss.backward()
    assert turn.player == ADVERSARY
    assert all(p.grad is None for p in method.net.parameters())
    assert all(torch.any(p.grad != 0) for p in method.adversary.parameters())


@pytest.mark.parametrize("case", [{"groups": 1}, {"alpha": 0.0}], ids=str)
def test_with_one_group_or_without_alpha_nothing_but_the_loss_is_left(
    kind, deep, given, step, case
):
    plain = Method(copy.deepcopy(deep), Groups(("all",), (6,)), NoConfig())
    method = made(kind, deep, **case)
    alone = given.group * (len(method.groups.names) > 1)
    given = type(given)(given.image, given.target, alone, given.index)
    losses = step(method, given)
    assert losses[LEARNER] == pytest.approx(step(plain, given)[LEARNER])
    assert (losses[ADVERSARY] == 0) == ("groups" in case)
    torch.testing.assert_close(method.net.state_dict(), plain.net.state_dict())


def test_a_group_that_is_absent_is_a_wrong_guess_and_no_more(kind, deep, given, step):
    # Its row goes down by the probability it is given: sum_i p_i2 h_i / n, and its bias likewise.
    method = made(kind, deep)
    group = torch.tensor([0, 1, 0, 1, 0, 1])
    given = type(given)(given.image, given.target, group, given.index)
    with torch.no_grad():
        seen = method.seen(deep.represent(given.image), given.target)
        hidden = method.adversary[:2](seen)
        share = method.adversary(seen).softmax(1)[:, 2]
        row, bias = method.adversary[2].weight[2].clone(), method.adversary[2].bias[2].clone()
    losses = step(method, given)
    assert all(map(math.isfinite, losses.values()))
    torch.testing.assert_close(method.adversary[2].weight[2], row - share @ hidden / 6)
    torch.testing.assert_close(method.adversary[2].bias[2], bias - share.mean())


def test_without_any_label_nobody_learns(kind, deep, given, step):
    method = made(kind, deep)
    before = copy.deepcopy(method.state_dict())
    nothing = torch.full_like(given.target, NAN)
    losses = step(method, type(given)(given.image, nothing, given.group, given.index))
    assert losses == {LEARNER: 0, ADVERSARY: 0}
    torch.testing.assert_close(dict(method.state_dict()), dict(before), rtol=0, atol=0)


def test_the_adversary_moves_at_its_own_rate(kind, deep):
    players = made(kind, deep, rate=0.25).players()
    assert (players[LEARNER].rate, players[ADVERSARY].rate) == (1.0, 0.25)


def test_labels_are_measured_from_a_half():
    found = centred(torch.tensor([[0.0, 1.0, NAN, 0.5]]))
    assert found.tolist() == [[-0.5, 0.5, 0.0, 0.0]]


def test_guesses_are_judged_in_full_precision_whatever_the_rest_is_computed_in():
    adversary = torch.nn.Linear(2, 2)
    seen, group = torch.tensor([[0.1234567, 3.0]]), torch.tensor([1])
    plain = group_doubt(adversary, (seen,), group)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(group_doubt(adversary, (seen,), group), plain)
        halved = functional.cross_entropy(adversary(seen), group, reduction="none")
    assert plain.dtype == torch.float32
    assert not torch.equal(halved, plain)


def play(method, given, steps=300):
    """Let both players move many times; return L and L_A of the last step."""
    moved = {
        name: torch.optim.SGD(player.parameters, 0.1 * player.rate)
        for name, player in method.players().items()
    }
    for _ in range(steps):
        shown = {}
        for turn in method.turns(given):
            method.zero_grad()
            turn.loss.backward()
            moved[turn.player].step()
            shown[turn.player] = turn.shown.item()
    return shown[LEARNER], shown[ADVERSARY]


def test_features_lose_a_group_that_says_nothing_of_the_label(batch):
    # The first pixel is the group, the second the label; three groups, evenly.
    group, label = np.arange(60) % 3, np.arange(60) // 3 % 2
    noise = np.random.default_rng(0).normal(size=60)
    given = batch(np.column_stack([group - 1, label, noise]), label, list(group))
    torch.manual_seed(0)
    net = Deep(1)
    blind, told = (
        play(made(Dann, copy.deepcopy(net), alpha=alpha, rate=2.0), given) for alpha in (0.0, 1.0)
    )
    assert told[1] > 0.9 * math.log(3)  # as good as guessing
    assert blind[1] < 0.5 * math.log(3)
    assert told[0] < 0.1


def test_features_may_keep_the_group_that_the_labels_tell_where_the_adversary_knows_them(batch):
    # The group is the label in five images of six: to hide it is to lose the label.
    label = np.arange(60) % 2
    group = np.where(np.arange(60) >= 50, 1 - label, label)
    noise = np.random.default_rng(0).normal(size=(60, 2))
    given = batch(np.column_stack([2 * label - 1, noise]), label, list(group))
    torch.manual_seed(0)
    net = Deep(1)
    unaware, aware = (
        play(made(kind, copy.deepcopy(net), groups=2, alpha=3.0, rate=5.0), given)
        for kind in (Dann, Cdann)
    )
    assert aware[0] < 0.1
    assert unaware[0] > 0.4
