"""One process against two: this file, run as a module, is also what the two run."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from cxrfair.distributed import (
    DistributedError,
    World,
    add_up,
    any_true,
    average,
    average_gradients,
    gather,
    is_first,
    join,
    world,
)
from cxrfair.training.norms import synchronise_norms

CPU = torch.device("cpu")


def mine(batch):
    """Return the part of a batch that this process holds."""
    return batch[world().rank :: world().size]


def gathered():
    """Whatever is gathered is the batch, in its order."""
    batch = torch.arange(14.0).reshape(7, 2)
    kinds = [batch, batch[:1], batch[:0], batch > 5, batch.long(), batch.bfloat16(), batch[:, 0]]
    return [gather(mine(kind)) for kind in kinds]


def differentiated():
    """A loss of images and of weights, with layers on both sides of the gathering."""
    torch.manual_seed(3)
    before, after, image = nn.Linear(4, 3), nn.Linear(3, 2), torch.randn(7, 4)
    parameters = [*before.parameters(), *after.parameters()]
    feature = gather(before(mine(image)).tanh())
    weight = gather(mine(torch.linspace(0, 1, 7)))
    penalty = sum(p.square().sum() for p in parameters)
    loss = (after(feature).square().sum(1) * weight).sum() / weight.sum() + penalty
    loss.backward()
    average_gradients(parameters)
    return [loss.detach(), *(p.grad for p in parameters)]


class BatchNormAct2d(nn.BatchNorm2d):
    """What timm's does, without its seconds of imports; the real one is in test_norms."""

    def __init__(self, channels):
        super().__init__(channels)
        self.drop, self.act = nn.Identity(), nn.ReLU(inplace=True)

    def forward(self, image):
        return self.act(self.drop(super().forward(image)))


class Small(nn.Module):
    """Convolutions with both kinds of batch norm there are in networks."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, bias=False)  # Adam would follow the noise of a bias here
        self.norm = BatchNormAct2d(4)
        self.second = nn.Conv2d(4, 6, 3, bias=False)
        self.plain = nn.BatchNorm2d(6, momentum=None)
        self.head = nn.Linear(6, 1)

    def forward(self, image):
        feature = self.plain(self.second(self.norm(self.first(image)))).relu()
        return self.head(feature.mean((2, 3))).squeeze(1)


def trained():
    """Five steps of group DRO on batches of seven."""
    torch.manual_seed(5)
    net, q = Small(), torch.full((3,), 1 / 3)
    synchronise_norms(net)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=0.1)
    told = []
    for _ in range(5):
        image, group = torch.rand(7, 1, 9, 9), torch.randint(0, 3, (7,))
        target = (image.mean((1, 2, 3)) > 0.5).float()
        optimiser.zero_grad()
        logit = net(mine(image))
        each = functional.binary_cross_entropy_with_logits(logit, mine(target), reduction="none")
        losses, group = gather(each), gather(mine(group))
        size = torch.bincount(group, minlength=3)
        mean = torch.zeros(3).index_add(0, group, losses) / size.clamp(min=1)
        q = torch.softmax(q.log() + 0.1 * mean.detach(), 0)
        loss = (q * mean).sum()
        loss.backward()
        average_gradients(list(net.parameters()))
        optimiser.step()
        told.append(loss.detach())
    judged = gather(net.eval()(mine(torch.rand(5, 1, 9, 9))).detach())
    return [q, *told, judged, *net.state_dict().values()]


def normalised():
    """Outputs, gradients of inputs and running statistics of a norm far from zero."""
    torch.manual_seed(7)
    results = []
    for norm, shape in [
        (nn.BatchNorm1d(3), (7, 3)),
        (nn.BatchNorm2d(3, affine=False), (5, 3, 2, 2)),
    ]:
        holder = nn.Sequential(norm)
        synchronise_norms(holder)
        batch = torch.randn(shape, dtype=torch.float64) * 3 + 50
        part = mine(batch).requires_grad_()
        norm.double()
        out = gather(holder(part))
        (
            out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
        ).sin().sum().backward()
        # Each process has W times the gradient of its own rows.
        results += [out.detach(), gather(part.grad / world().size), *holder.state_dict().values()]
    return results


SAME = {f.__name__: f for f in (gathered, differentiated, trained, normalised)}


def only_together():
    """What has no counterpart in one process."""
    here = world()
    shared, alone, nowhere = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    shared.grad = torch.full((2,), float(here.rank))
    if here.rank == 1:
        alone.grad = torch.ones(2)
    average_gradients([shared, alone, nowhere])
    mixed = [torch.full((2, 3), here.rank + 1.0), torch.full((1,), here.rank, dtype=torch.float64)]
    average(mixed)
    ragged = gather(torch.arange(4 - 3 * here.rank) + 10 * here.rank)
    copied = copy.deepcopy(shared_norm := nn.Sequential(nn.BatchNorm2d(2)))
    synchronise_norms(shared_norm)
    synchronise_norms(shared_norm)
    return {
        "world": (here.rank, here.size),
        "first": is_first(),
        "flags": [any_true(here.rank == 1), any_true(False)],
        "gradients": [shared.grad, alone.grad, nowhere.grad],
        "mixed": mixed,
        "ragged": ragged,
        "sum": add_up(torch.tensor([1.0 + here.rank])),
        "names": (list(copied.state_dict()), list(copy.deepcopy(shared_norm).state_dict())),
        "refused": refusals(),
    }


def refusals():
    """Collect what is said to those who ask for the impossible; the same in all processes."""

    def twice():
        x = torch.ones(2, requires_grad=True)
        (slope,) = torch.autograd.grad(gather(x * x).square().sum(), x, create_graph=True)
        slope.sum().backward()

    single = nn.Sequential(nn.BatchNorm1d(2))
    synchronise_norms(single)
    asked = [lambda: single(torch.ones(1 - world().rank, 2)), twice]
    told = []
    for ask in asked:
        try:
            ask()
        except (DistributedError, RuntimeError) as error:
            told.append(str(error))
    return told


def work(folder):
    """Be one of two."""
    torch.set_num_threads(1)
    with join(CPU, 2) as here:
        results = {name: f() for name, f in SAME.items()} | {"together": only_together()}
        torch.save(results, Path(folder, f"{here.rank}.pt"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    start = [sys.executable, "-W", "error", "-m", "cxrfair.launch", "--processes", "2"]
    subprocess.run(
        [*start, "--", Path(__file__).stem, str(folder)],
        check=True,
        cwd=Path(__file__).parent,
        timeout=120,
    )
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", SAME)
def test_two_processes_make_what_one_makes(pair, name):
    alone = SAME[name]()
    for process in pair:
        assert len(process[name]) == len(alone)
        for found, expected in zip(process[name], alone, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_processes_stay_alike_to_the_bit(pair):
    first, second = (process["trained"] for process in pair)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_everyone_knows_its_place(pair):
    assert [process["together"]["world"] for process in pair] == [(0, 2), (1, 2)]
    assert [process["together"]["first"] for process in pair] == [True, False]


def test_gradients_that_one_process_lacks(pair):
    for process in pair:
        shared, alone, nowhere = process["together"]["gradients"]
        assert shared.tolist() == alone.tolist() == [0.5, 0.5]
        assert nowhere is None


def test_what_is_averaged_summed_and_agreed(pair):
    for together in (process["together"] for process in pair):
        assert torch.equal(together["mixed"][0], torch.full((2, 3), 1.5))
        assert torch.equal(together["mixed"][1], torch.tensor([0.5], dtype=torch.float64))
        assert together["sum"].item() == 3
        assert together["flags"] == [True, False]


def test_parts_of_any_size_are_joined_round_by_round(pair):
    for process in pair:
        assert process["together"]["ragged"].tolist() == [0, 10, 1, 2, 3]


def test_a_shared_norm_keeps_its_names(pair):
    for process in pair:
        before, after = process["together"]["names"]
        assert before == after


def test_what_cannot_be_right_is_refused(pair):
    for process in pair:
        single, twice = process["together"]["refused"]
        assert "one value per channel" in single
        assert "differentiate twice" in twice


def test_alone_nothing_happens(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    part, net = torch.ones(2, 3), nn.Sequential(nn.BatchNorm1d(3))
    with join(CPU, 1) as here:
        assert here == World(0, 1)
        assert gather(part) is part
        assert add_up(part) is part
        assert any_true(True)
        assert not any_true(False)
        assert is_first()
        synchronise_norms(net)
        assert type(net[0]) is nn.BatchNorm1d


@pytest.mark.parametrize(("started", "wanted"), [("1", 2), ("2", 1), ("2", 3)])
def test_another_number_of_processes_is_refused(monkeypatch, started, wanted):
    monkeypatch.setenv("WORLD_SIZE", started)
    with (
        pytest.raises(DistributedError, match=rf"processes: {wanted}, but {started} started"),
        join(CPU, wanted),
    ):
        pass


if __name__ == "__main__":
    work(sys.argv[1])
