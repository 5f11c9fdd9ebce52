import math

import pytest
import torch
from torch import nn

from cxrfair.errors import CxrfairError
from cxrfair.methods import Groups, Method, Network, Player
from cxrfair.methods._method import NoConfig
from cxrfair.training.config import Adam, Sgd
from cxrfair.training.optimisers import build, clip, set_rate

GROUPS = Groups(("all",), (4,))
SGD = Sgd(kind="sgd", learning_rate=0.5, weight_decay=0.1, momentum=0.9)
ADAM = Adam(kind="adam", learning_rate=0.5, weight_decay=0.1)
ADAMW = Adam(kind="adamw", learning_rate=0.5, weight_decay=0.1)


class Tiny(Network):
    def __init__(self):
        super().__init__()
        self.width, self.head = 2, nn.Linear(2, 1)


class Duel(Method):
    """A learner and an adversary; `held` overrides who holds what."""

    def __init__(self, held=None):
        super().__init__(Tiny(), GROUPS, NoConfig())
        self.adversary = nn.Linear(1, 1)
        self.held = held

    def players(self):
        if self.held is not None:
            return {name: Player(tuple(held)) for name, held in self.held(self).items()}
        return {
            "learner": Player(tuple(self.net.parameters())),
            "adversary": Player(tuple(self.adversary.parameters()), rate=0.2),
        }


def learner(method):
    return list(method.net.parameters())


def test_each_player_has_an_optimiser_of_its_own_parameters_and_rate():
    method = Duel()
    made = build(method, ADAM)
    assert list(made) == ["learner", "adversary"]
    held = {name: o.param_groups[0]["params"] for name, o in made.items()}
    assert [id(p) for p in held["learner"]] == [id(p) for p in learner(method)]
    assert [id(p) for p in held["adversary"]] == [id(p) for p in method.adversary.parameters()]
    assert made["learner"].param_groups[0]["lr"] == 0.5
    assert made["adversary"].param_groups[0]["lr"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("config", "kind"),
    [(SGD, torch.optim.SGD), (ADAM, torch.optim.Adam), (ADAMW, torch.optim.AdamW)],
)
def test_kinds_are_torch_s_own(config, kind):
    made = build(Duel(), config)["learner"]
    assert type(made) is kind
    assert made.param_groups[0]["weight_decay"] == 0.1
    assert made.param_groups[0].get("momentum") == (0.9 if config is SGD else None)


def one_number(config, gradients):
    """Move one weight, 1.0 at first, by these gradients in turn."""
    method = Duel()
    weight = method.adversary.bias
    optimiser = build(method, config)["adversary"]
    set_rate(optimiser, 5)  # undoes the player's 0.2: the rate is 0.5
    nn.init.ones_(weight)
    for gradient in gradients:
        weight.grad = torch.tensor([gradient])
        optimiser.step()
    return weight.item()


def test_sgd_by_hand():
    # The decay joins the gradient: v1 = 2 + 0.1 w = 2.1, w = 1 - 0.5 v1 = -0.05;
    # v2 = 0.9 v1 + (1 + 0.1 w) = 2.885, w = -0.05 - 1.4425.
    assert one_number(SGD, [2.0, 1.0]) == pytest.approx(-1.4925, rel=1e-6)


def test_the_first_adam_step_by_hand():
    # Bias correction makes the first step the sign of gradient + decay.
    assert one_number(ADAM, [2.0]) == pytest.approx(0.5, rel=1e-6)
    assert one_number(ADAM, [-0.05]) == pytest.approx(0.5, rel=1e-6)  # -0.05 + 0.1 > 0


def test_the_first_adamw_step_by_hand():
    # The decay shrinks the weight by 0.5 * 0.1 and leaves the gradient's sign alone.
    assert one_number(ADAMW, [-0.05]) == pytest.approx(0.95 + 0.5, rel=1e-6)


def test_the_rate_is_a_factor_of_the_first_one_each_time():
    optimiser = build(Duel(), ADAM)["adversary"]
    for factor in (0.5, 0.25, 1.0):
        set_rate(optimiser, factor)
        assert optimiser.param_groups[0]["lr"] == pytest.approx(0.1 * factor)


@pytest.mark.parametrize("config", [SGD, ADAM, ADAMW], ids=lambda c: c.kind)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_a_gradient_in_another_memory_order_moves_the_same_weights(config, order):
    # A fused kernel on the CPU walks through memory and would move the wrong ones.
    results = []
    for same in (True, False):
        torch.manual_seed(0)
        method = Duel()
        method.adversary = nn.Conv2d(3, 4, 3).to(memory_format=order)
        optimiser = build(method, config)["adversary"]
        weight = method.adversary.weight
        for _ in range(3):
            gradient = torch.randn(weight.shape)
            other = {torch.contiguous_format: torch.channels_last}.get(
                order, torch.contiguous_format
            )
            weight.grad = gradient.contiguous(memory_format=order if same else other)
            optimiser.step()
        results.append(weight.detach().clone())
    assert torch.equal(*results)


@pytest.mark.parametrize("config", [SGD, ADAM, ADAMW], ids=lambda c: c.kind)
def test_bytes_do_not_depend_on_the_number_of_threads(config):
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            torch.manual_seed(0)
            method = Duel()
            method.adversary = nn.Linear(331, 397)
            optimiser = build(method, config)["adversary"]
            for _ in range(3):
                for parameter in method.adversary.parameters():
                    parameter.grad = torch.randn(parameter.shape)
                optimiser.step()
            results.append(method.adversary.weight.detach().clone())
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def refused(held, prepare=lambda _: None):
    method = Duel(held)
    prepare(method)
    with pytest.raises(CxrfairError) as caught:
        build(method, ADAM)
    return str(caught.value)


def test_a_player_without_parameters_is_refused():
    found = refused(lambda m: {"learner": learner(m), "ghost": []})
    assert found == "Duel, player 'ghost': no parameters; it must move at least one"


def test_a_parameter_of_two_players_is_refused():
    found = refused(lambda m: {"learner": m.parameters(), "rival": m.adversary.parameters()})
    expected = "Duel, player 'rival': adversary.weight is moved by 'learner' already"
    assert found == f"{expected}; once is allowed"


def test_a_parameter_twice_in_one_player_is_refused():
    found = refused(lambda m: {"learner": [*m.parameters(), m.net.head.bias]})
    assert "net.head.bias is moved by 'learner' already" in found


def test_a_parameter_that_nobody_moves_is_named():
    found = refused(lambda m: {"learner": learner(m)})
    expected = "Duel: no player moves adversary.weight, adversary.bias (2 parameters)"
    assert found == f"{expected}; freeze them or give them to a player"


def test_a_frozen_parameter_that_nobody_moves_is_in_order():
    method = Duel(lambda m: {"learner": learner(m)})
    method.adversary.requires_grad_(False)
    assert list(build(method, ADAM)) == ["learner"]


def test_a_frozen_parameter_of_a_player_is_refused():
    found = refused(
        lambda m: {"learner": m.parameters()},
        prepare=lambda m: m.adversary.requires_grad_(False),
    )
    assert found == "Duel, player 'learner': adversary.weight is frozen; leave it out or thaw it"


def test_a_parameter_of_nowhere_is_refused():
    found = refused(lambda m: {"learner": [*m.parameters(), nn.Parameter(torch.ones(1))]})
    expected = "Duel, player 'learner': its parameter 4 is no part of the method"
    assert found == f"{expected}; no checkpoint would hold it"


def gradients(*values):
    parameters = [nn.Parameter(torch.zeros(len(v or [0]))) for v in values]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = None if value is None else torch.tensor(value)
    return parameters


def test_clipping_scales_all_gradients_together_and_tells_the_norm_before():
    parameters = gradients([3.0, 0.0], None, [4.0])
    assert clip(parameters, 1.0).item() == pytest.approx(5)
    torch.testing.assert_close(parameters[0].grad, torch.tensor([0.6, 0.0]))
    torch.testing.assert_close(parameters[2].grad, torch.tensor([0.8]))
    assert parameters[1].grad is None


def test_small_gradients_are_left_alone():
    parameters = gradients([3.0, 4.0])
    clip(parameters, 5.1)
    assert parameters[0].grad.tolist() == [3, 4]


def test_without_gradients_the_norm_is_zero_and_a_bad_one_shows():
    assert clip(gradients(None), 1.0).item() == 0
    assert math.isnan(clip(gradients([math.nan, 1.0]), 1.0).item())
    assert math.isinf(clip(gradients([math.inf, 1.0]), 1.0).item())
