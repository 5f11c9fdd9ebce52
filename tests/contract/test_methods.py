"""Promises every training method keeps; a new method is under test the moment its file exists."""

import json

import pytest
import torch
import yaml

from cxrfair import methods
from cxrfair.methods import Batch, Groups
from cxrfair.scales import at_scale

GROUPS = Groups(("a", "b", "c"), (8, 6, 2))


@pytest.fixture(scope="module")
def settings(repo):
    return at_scale(yaml.safe_load((repo / "params.yaml").read_text())["methods"], "demo")


def made(name, settings):
    torch.manual_seed(0)
    kind = methods.get(name)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    return kind(net, GROUPS, kind.config_type.parse(json.dumps(settings[name]), name))


def batch(n=12, seed=1):
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand((n, 1, 4, 4), generator=draw)
    target = torch.randint(0, 2, (n, 2), generator=draw).float()
    return Batch(image, target, torch.arange(n) % 3)


@pytest.mark.parametrize("name", methods.names())
class TestMethod:
    def test_it_names_its_source_and_params_yaml_holds_its_settings(self, name, settings):
        assert made(name, settings).source

    def test_one_step_moves_every_parameter(self, name, settings):
        method = made(name, settings)
        before = [p.detach().clone() for p in method.parameters()]
        optimiser = torch.optim.SGD(method.parameters(), lr=1.0)
        loss, numbers = method(batch())
        loss.backward()
        optimiser.step()
        assert all(not torch.equal(a, b) for a, b in zip(before, method.parameters(), strict=True))
        assert numbers["loss"] == pytest.approx(loss.item())

    def test_the_order_of_images_does_not_matter(self, name, settings):
        given, order = batch(), torch.randperm(12, generator=torch.Generator().manual_seed(2))
        turned = Batch(given.image[order], given.target[order], given.group[order])
        once, again = made(name, settings)(given)[0], made(name, settings)(turned)[0]
        torch.testing.assert_close(once, again)

    def test_a_missing_label_is_not_learnt_from(self, name, settings):
        given = batch()
        target = given.target.clone()
        target[:, 1] = torch.nan
        method = made(name, settings)
        method(Batch(given.image, target, given.group))[0].backward()
        assert torch.all(method.net[1].weight.grad[1] == 0)
        assert torch.any(method.net[1].weight.grad[0] != 0)

    def test_an_image_without_any_label_changes_nothing(self, name, settings):
        given, method = batch(), made(name, settings)
        more = Batch(
            torch.cat([given.image, torch.rand(1, 1, 4, 4)]),
            torch.cat([given.target, torch.full((1, 2), torch.nan)]),
            torch.cat([given.group, torch.tensor([0])]),
        )
        torch.testing.assert_close(made(name, settings)(more)[0], method(given)[0])

    def test_a_batch_without_any_label_or_without_some_group_is_finite(self, name, settings):
        given = batch()
        empty = torch.full_like(given.target, torch.nan)
        for target, group in (
            (empty, given.group),
            (given.target, torch.zeros(12, dtype=torch.int64)),
        ):
            loss, _ = made(name, settings)(Batch(given.image, target, group))
            loss.backward()
            assert torch.isfinite(loss)

    def test_evaluation_changes_no_state(self, name, settings):
        method = made(name, settings).eval()
        before = {key: value.clone() for key, value in method.state_dict().items()}
        method(batch())
        assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
