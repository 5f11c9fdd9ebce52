import math

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st

from cxrfair.methods._generator import Generator, Perturbed


class Plain(torch.nn.Module):
    """As much of a network as is asked for before an image is shown to it."""

    width, grid = 3, (1, 1)


class Brighter(torch.nn.Module):
    """A generator whose changes can be told by hand: it is `given`, or what `says` makes of x."""

    def __init__(self, says):
        super().__init__()
        self.says = says

    def forward(self, image):
        return self.says(image)


def perturbed(generator, bound, steps=1):
    net = Perturbed(Plain(), bound, steps)
    net.generator = generator
    return net


@drawn(
    st.integers(1, 24),
    st.integers(1, 24),
    st.floats(0, 1),
    st.integers(1, 3),
    st.integers(0, 99),
    st.floats(0, 9),
)
def test_the_bound_and_the_range_hold_however_often_something_is_added(
    rows, columns, bound, steps, seed, loud
):
    torch.manual_seed(seed)
    net = perturbed(Generator(), bound, steps)
    with torch.no_grad():
        for weight in net.generator.parameters():
            weight.mul_(10 ** (loud / 3))
        net.generator.up[-1].weight.mul_(10**loud)  # further than any training goes
        image = torch.rand(3, 1, rows, columns).round(decimals=1)
        seen = net.sees(image)
    assert seen.shape == image.shape
    assert torch.isfinite(seen).all()
    assert 0 <= seen.min() <= seen.max() <= 1
    assert (seen - image).abs().max() <= bound + 1e-6  # a sum in float32 is rounded


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [(1, [0.95, 0.14, 0.5]), (2, [0.90, 0.22, 0.5]), (3, [0.85, 0.3, 0.5]), (6, [0.8, 0.3, 0.5])],
)
def test_what_is_added_is_added_up_and_cut_off_at_the_bound(steps, wanted):
    # Down where it is light, up where it is dark; by steps of 0.05 and 0.08, at most 0.2 in all.
    moves = torch.tensor([-0.25, 0.4, 0.0]).reshape(1, 1, 1, 3)
    net = perturbed(Brighter(lambda _: moves), 0.2, steps)
    image = torch.tensor([1.0, 0.06, 0.5]).reshape(1, 1, 1, 3)
    wanted = torch.tensor(wanted).reshape(1, 1, 1, 3)
    if steps > 2:
        wanted[..., 1] = 0.26  # 0.06 + 0.2
    torch.testing.assert_close(net.sees(image), wanted)


def test_a_later_step_sees_what_the_earlier_ones_made():
    net = perturbed(Brighter(lambda image: image - 0.5), 0.2, 2)
    first = 0.7 + 0.2 * 0.2
    wanted = 0.7 + (0.2 * 0.2 + 0.2 * (first - 0.5))
    found = net.sees(torch.full((1, 1, 2, 2), 0.7))
    torch.testing.assert_close(found, torch.full((1, 1, 2, 2), wanted))


def test_once_is_what_it_always_was_to_the_last_bit_gradients_too():
    torch.manual_seed(0)
    net, image = perturbed(Generator(), 0.05), torch.rand(4, 1, 20, 20).round(decimals=1)
    with torch.no_grad():
        net.generator.up[-1].weight.mul_(1e3)
    plainly = (image + 0.05 * net.generator(image)).clamp(0, 1)
    found = []
    for seen in (net.sees(image), plainly):
        net.zero_grad()
        (seen * torch.linspace(-1, 1, 20)).sum().backward()
        found.append([seen.detach(), *(p.grad.clone() for p in net.generator.parameters())])
    assert all(map(torch.equal, *found))
    assert all(torch.any(gradient != 0) for gradient in found[0][1:])


@pytest.mark.parametrize("steps", [1, 3])
def test_with_bound_0_an_image_stays_itself_and_nothing_learns(steps):
    torch.manual_seed(0)
    net, image = perturbed(Generator(), 0.0, steps), torch.rand(4, 1, 16, 16)
    seen = net.sees(image)
    seen.sum().backward()
    assert torch.equal(seen, image)
    assert all(torch.all(p.grad == 0) for p in net.generator.parameters())


def test_how_often_is_no_weight():
    assert set(Perturbed(Plain(), 0.1, 3).state_dict()) == set(Perturbed(Plain(), 0.1).state_dict())
    assert math.isclose(Perturbed(Plain(), 0.1, 3).bound, 0.1)
