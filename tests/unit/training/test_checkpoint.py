import pytest
import torch
from torch import nn

from cxrfair.training.checkpoint import Progress, load, save

CPU = torch.device("cpu")


def made(seed):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    return module, torch.optim.AdamW(module.parameters(), lr=0.1)


def step(module, optimiser):
    optimiser.zero_grad()
    module(torch.arange(15.0).reshape(5, 3)).square().sum().backward()
    optimiser.step()


def test_weights_buffers_moments_and_curves_come_back_as_they_were(tmp_path):
    module, optimiser = made(0)
    step(module, optimiser)
    progress = Progress(3, [(1, "loss", 0.5)], 2, 0.75, {"a": torch.ones(2)})
    save(tmp_path / "s", module, optimiser, progress)
    other, fresh = made(1)
    back = load(tmp_path / "s", other, fresh, CPU)
    assert (back.epoch, back.history, back.best_epoch, back.best_score) == (
        3,
        [(1, "loss", 0.5)],
        2,
        0.75,
    )
    assert torch.equal(back.best["a"], torch.ones(2))
    step(module, optimiser)
    step(other, fresh)
    for key, value in module.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])


def test_no_file_is_a_run_that_has_not_begun(tmp_path):
    assert load(tmp_path / "none", *made(0), CPU) == Progress()


def test_a_failed_write_keeps_the_last_state(tmp_path, monkeypatch):
    module, optimiser = made(0)
    step(module, optimiser)
    save(tmp_path / "s", module, optimiser, Progress(epoch=1))

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("cxrfair.training.checkpoint.save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path / "s", module, optimiser, Progress(epoch=2))
    assert load(tmp_path / "s", *made(1), CPU).epoch == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
