import math

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st

from cxrfair.methods._information import Glance, divergence, jensen_shannon, partners

TOGETHER, APART = np.array([0.7, -1.2, 3.0]), np.array([-2.0, 0.4, 0.0])


def softplus(x):
    return np.log(1 + np.exp(x))


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_the_estimate_by_hand():
    wanted = (-softplus(-TOGETHER)).mean() - softplus(APART).mean()
    assert float(jensen_shannon(numbers(*TOGETHER), numbers(*APART))) == pytest.approx(wanted)
    assert float(divergence(numbers(wanted))) == pytest.approx(wanted / 2 + math.log(2))


def test_its_ends_are_nothing_and_everything_that_can_be_told():
    zeros, sure = torch.zeros(5), torch.full((5,), 90.0)
    assert float(divergence(jensen_shannon(zeros, zeros))) == pytest.approx(0, abs=1e-6)
    assert float(divergence(jensen_shannon(sure, -sure))) == pytest.approx(math.log(2))
    assert float(divergence(jensen_shannon(-sure, sure))) < -80


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_images_say_nothing_and_move_nothing(n):
    together, apart = (torch.full((n,), 2.0, requires_grad=True) for _ in range(2))
    found = jensen_shannon(together, apart)
    found.backward()
    assert float(divergence(found.detach())) == 0
    assert torch.equal(together.grad, torch.zeros(n))
    assert torch.equal(apart.grad, torch.zeros(n))


@drawn(st.lists(st.integers(0, 999), min_size=2, max_size=40, unique=True), st.randoms())
def test_every_image_has_one_partner_whatever_the_order(index, random):
    found = dict(zip(index, np.array(index)[partners(torch.tensor(index))], strict=True))
    assert all(image != other for image, other in found.items())
    assert sorted(found.values()) == sorted(index)
    random.shuffle(index)
    assert found == dict(zip(index, np.array(index)[partners(torch.tensor(index))], strict=True))


def test_one_image_is_its_own_partner():
    assert partners(torch.tensor([7])).tolist() == [0]
    assert partners(torch.tensor([], dtype=torch.int64)).tolist() == []


def reckoned(strength, steps=120):
    """Train an estimator on pictures and what is known of them; return what it finds on others."""
    torch.manual_seed(0)
    glance, draw = Glance(1, 1), torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(glance.parameters(), 3e-3)

    def estimate(n):
        level, noise = (torch.randn(n, 1, generator=draw) for _ in range(2))
        beside = strength * level + math.sqrt(1 - strength**2) * noise
        seen = glance.look(0.5 + 0.2 * level.reshape(n, 1, 1, 1).expand(n, 1, 2, 2))
        scores = (glance.join(seen, each).squeeze(1) for each in (beside, beside.roll(1, 0)))
        return jensen_shannon(*scores)

    for _ in range(steps):
        optimiser.zero_grad()
        (-estimate(64)).backward()
        optimiser.step()
    with torch.no_grad():
        return float(divergence(estimate(2000)))


def truth(strength):
    """Integrate the divergence of two correlated normal numbers from two independent ones."""
    side = np.linspace(-6, 6, 1201)
    x, y = np.meshgrid(side, side)
    rest = 1 - strength**2
    apart = np.exp(-(x**2 + y**2) / 2) / (2 * np.pi)
    together = np.exp(-(x**2 - 2 * strength * x * y + y**2) / (2 * rest)) / (
        2 * np.pi * np.sqrt(rest)
    )
    middle, cell = (together + apart) / 2, (side[1] - side[0]) ** 2
    each = [
        np.sum(p * np.log(np.where(p > 0, p, 1) / middle)) * cell / 2 for p in (together, apart)
    ]
    return sum(each)


def test_it_is_near_0_for_what_is_independent_and_grows_with_dependence():
    found = [reckoned(strength) for strength in (0.0, 0.6, 0.95)]
    assert abs(found[0]) < 0.01
    # A lower bound, but for the luck of 2000 draws; and most of what there is to find is found.
    for value, strength in zip(found[1:], (0.6, 0.95), strict=True):
        assert 0.6 * truth(strength) < value < truth(strength) + 0.02
    assert found[1] + 0.1 < found[2]


@drawn(st.integers(1, 40), st.integers(1, 40))
def test_a_picture_of_any_size_is_seen_alike_in_whatever_company(rows, columns):
    torch.manual_seed(0)
    glance, image = Glance(2, 3), torch.rand(4, 1, rows, columns)
    with torch.no_grad():
        seen = glance.look(image)
        assert seen.shape == (4, 128)
        torch.testing.assert_close(seen[2:3], glance.look(image[2:3]))
        assert glance.join(seen, torch.zeros(4, 2)).shape == (4, 3)


def test_brightness_is_seen():
    torch.manual_seed(0)
    glance, image = Glance(0, 1), torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(glance.look(image), glance.look(0.8 * image), atol=1e-3)
