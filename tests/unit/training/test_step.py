"""One step: whose turn moves what, and what a batch in parts comes to."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from cxrfair.errors import CxrfairError
from cxrfair.methods import Batch, Groups, Method, Network, Player, Representation, Turn
from cxrfair.methods._method import NoConfig
from cxrfair.methods.erm import Erm, ErmConfig
from cxrfair.training import optimisers
from cxrfair.training.config import Sgd
from cxrfair.training.step import Stepper

CONFIG = Sgd(kind="sgd", learning_rate=1.0, weight_decay=0.0, momentum=0.0)
PLAIN = ErmConfig(weighted_bce=False)
GROUPS = Groups(("all",), (8,))


class Flat(Network):
    width = 4

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(4, 1)

    def represent(self, image):
        pooled = image.flatten(1)
        return Representation(pooled.unsqueeze(1), pooled, self.head(pooled), (1, 1))


class Duel(Method[NoConfig]):
    """The learner lowers a sum, the rival raises it, and sees what the learner did first."""

    source = "made for this test"

    def __init__(self, net, groups, config):
        super().__init__(net, groups, config)
        self.rival = nn.Parameter(torch.tensor(2.0))
        self.seen = []

    def players(self):
        return {
            "learner": Player(tuple(self.net.parameters())),
            "rival": Player((self.rival,), rate=0.5),
        }

    def turns(self, batch):
        yield Turn(self.rival * self.net(batch.image).mean())
        self.seen.append(self.net.head.bias.item())
        loss = -self.rival * self.net(batch.image).mean().detach()
        yield Turn(loss, "rival", {"strength": self.rival.detach()})


def batch(n=8):
    draw = torch.Generator().manual_seed(1)
    image = torch.rand((n, 1, 2, 2), generator=draw)
    target = torch.randint(0, 2, (n, 1), generator=draw).float()
    return Batch(image, target, torch.zeros(n, dtype=torch.int64), torch.arange(n))


def cut(given, *sizes):
    held = (given.image, given.target, given.group, given.index)
    parts = zip(*(torch.split(value, sizes) for value in held), strict=True)
    return [Batch(*part) for part in parts]


def stepper(method, clip_norm=None):
    return Stepper(method, optimisers.build(method, CONFIG), nullcontext, clip_norm)


def test_each_player_moves_only_its_own_and_later_turns_see_earlier_ones():
    method = Duel(Flat(), GROUPS, NoConfig())
    given, before = batch(), method.net.head.bias.item()
    losses, numbers = stepper(method).step([given], [1.0])
    # The learner's gradient of its bias is the rival's 2; its own rate is 1.
    assert method.net.head.bias.item() == pytest.approx(before - 2.0)
    assert method.seen == [method.net.head.bias.item()]
    # The rival's gradient is minus the mean logit after that move; its rate is a half.
    logit = method.net(given.image).mean().item()
    assert method.rival.item() == pytest.approx(2.0 + 0.5 * logit)
    assert set(losses) == {"loss", "rival_loss"}
    assert numbers["strength"].item() == 2.0


def test_what_a_player_with_several_turns_tells_is_the_mean_over_them():
    class Patient(Duel):
        def turns(self, batch):
            for loss, told in ((1.0, 0.25), (4.0, 0.5), (4.0, 0.0)):
                weighed = loss * self.net.head.bias.sum()
                number = torch.tensor(told) * len(batch.index)
                yield Turn(weighed, reported=torch.tensor(loss), numbers={"told": number})
            yield Turn(self.rival * 3, "rival", {"strength": self.rival})

    method = Patient(Flat(), GROUPS, NoConfig())
    before = method.net.head.bias.item()
    losses, numbers = stepper(method).step(cut(batch(), 6, 2), [6 / 8, 2 / 8])
    # Each turn moves the learner: by 1, then twice by 4.
    assert method.net.head.bias.item() == pytest.approx(before - 9)
    assert losses["loss"].item() == 3
    assert losses["rival_loss"].item() == 6
    assert numbers["told"].item() == pytest.approx((0.25 + 0.5) * (36 + 4) / 8 / 3)
    assert numbers["strength"].item() == 2


def test_parts_weighed_by_their_size_are_the_whole_batch():
    whole, parted = Erm(Flat(), GROUPS, PLAIN), Erm(Flat(), GROUPS, PLAIN)
    given = batch()
    losses, _ = stepper(whole).step([given], [1.0])
    again, _ = stepper(parted).step(cut(given, 5, 3), [5 / 8, 3 / 8])
    torch.testing.assert_close(losses["loss"], again["loss"])
    for one, other in zip(whole.parameters(), parted.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_clipped_gradient_has_the_norm_asked_for():
    method = Erm(Flat(), GROUPS, PLAIN)
    before = torch.cat([p.detach().flatten().clone() for p in method.parameters()])
    stepper(method, clip_norm=1e-3).step([batch()], [1.0])
    after = torch.cat([p.detach().flatten() for p in method.parameters()])
    assert (after - before).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_what_is_reported_stands_in_for_a_loss_made_for_its_gradient():
    shown = Turn(torch.tensor(5.0, requires_grad=True), reported=torch.tensor(0.25))
    assert shown.shown.item() == 0.25
    assert not shown.shown.requires_grad


@pytest.mark.parametrize("sizes", [(5, 3), (3, 5)])
def test_parts_with_different_turns_are_refused(sizes):
    class Uneven(Erm):
        def turns(self, batch):
            for _ in range(len(batch.index)):
                yield from super().turns(batch)

    with pytest.raises(CxrfairError, match=r"Uneven.turns: fewer turns for one part"):
        stepper(Uneven(Flat(), GROUPS, PLAIN)).step(cut(batch(), *sizes), [0.5, 0.5])
