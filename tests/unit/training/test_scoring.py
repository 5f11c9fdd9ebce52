import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from cxrfair.images.store import Store
from cxrfair.methods import Network, Representation
from cxrfair.training import scoring

CPU = torch.device("cpu")
N, SIZE, WIDTH, LABELS = 13, 8, 5, 3


class Small(Network):
    """Has what behaves differently in training: batch statistics and dropout."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.width = WIDTH
        self.body = nn.Sequential(nn.Conv2d(1, WIDTH, 3), nn.BatchNorm2d(WIDTH), nn.Dropout(0.5))
        self.head = nn.Linear(WIDTH, LABELS)

    def represent(self, image):
        maps = self.body(image)
        pooled = maps.mean((2, 3))
        tokens = maps.flatten(2).transpose(1, 2)
        return Representation(tokens, pooled, self.head(pooled).float(), maps.shape[2:])


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (N, SIZE, SIZE)).astype(np.uint8)


@pytest.fixture
def store(tmp_path, pixels):
    np.save(tmp_path / "p.npy", pixels)
    index = pd.DataFrame(
        {"image_id": [f"i{n}" for n in range(N)], "row": range(N), "quarantine": None}
    )
    return Store(tmp_path / "p.npy", index)


@pytest.fixture
def net():
    torch.set_num_threads(1)
    small = Small()
    with torch.no_grad():
        for _ in range(20):  # running statistics that are not those of any one batch
            small(torch.rand(4, 1, SIZE, SIZE))
    return small


def directly(net, pixels, rows):
    """One image at a time, in evaluation mode."""
    net.eval()
    with torch.no_grad():
        images = [torch.tensor(pixels[row] / 255, dtype=torch.float32)[None, None] for row in rows]
        return [net.represent(image) for image in images]


ROWS = np.array([4, 0, 12, 4, 7, 1])


def test_scores_and_features_are_those_of_each_image_by_itself(net, store, pixels):
    logits = scoring.score(net, store, ROWS, CPU)
    pooled = scoring.features(net, store, ROWS, CPU)
    one_by_one = directly(net, pixels, ROWS)
    torch.testing.assert_close(logits, torch.cat([each.logit for each in one_by_one]))
    torch.testing.assert_close(pooled, torch.cat([each.pooled for each in one_by_one]))
    torch.testing.assert_close(net.head(pooled), logits)
    assert torch.equal(logits[0], logits[3])


def test_nothing_depends_on_how_many_images_go_at_once(net, store, monkeypatch):
    whole = scoring.score(net, store, np.arange(N), CPU)
    monkeypatch.setattr(scoring, "AT_ONCE", 4)
    torch.testing.assert_close(scoring.score(net, store, np.arange(N), CPU), whole)
    blocks = scoring.blocks(net.eval(), store, np.arange(N), CPU)
    assert [len(block) for block in blocks] == [4, 4, 4, 1]


def test_every_part_is_left_in_the_mode_it_was_in(net, store):
    net.train()
    net.body[1].eval()
    before = {name: part.training for name, part in net.named_modules()}
    state = {key: value.clone() for key, value in net.state_dict().items()}
    scoring.score(net, store, ROWS, CPU)
    scoring.features(net, store, ROWS, CPU)
    assert {name: part.training for name, part in net.named_modules()} == before
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


def test_modes_come_back_after_an_error_too(net, store):
    net.train()
    with pytest.raises(IndexError):
        scoring.score(net, store, np.array([N]), CPU)
    assert all(part.training for part in net.modules())


def test_what_comes_out_can_be_learnt_from_and_the_network_still_learns(net, store):
    """Neither is tied to the mode it was computed in."""
    pooled = scoring.features(net, store, ROWS, CPU)
    assert not pooled.requires_grad
    assert torch.is_grad_enabled()
    net.train()
    (net.head(pooled).sum() + net(torch.rand(4, 1, SIZE, SIZE)).sum()).backward()
    assert net.head.weight.grad is not None
    assert net.body[0].weight.grad is not None


def test_the_mode_does_not_reach_the_reader_between_blocks(net, store, monkeypatch):
    monkeypatch.setattr(scoring, "AT_ONCE", 4)
    blocks = scoring.blocks(net.eval(), store, np.arange(N), CPU)
    assert not next(blocks).requires_grad
    assert torch.is_grad_enabled()


def test_no_image_has_no_score(net, store):
    nothing = np.array([], np.int64)
    assert scoring.score(net, store, nothing, CPU).shape == (0, LABELS)
    assert scoring.features(net, store, nothing, CPU).shape == (0, WIDTH)


def test_a_lower_precision_of_the_caller_is_used_and_numbers_come_out_single(net, store):
    single = scoring.score(net, store, ROWS, CPU)
    with torch.autocast("cpu", torch.bfloat16):
        half = scoring.score(net, store, ROWS, CPU)
        pooled = next(scoring.blocks(scoring.pooled_by(net), store, ROWS, CPU))
    assert half.dtype == pooled.dtype == torch.float32
    assert not torch.equal(half, single)
    torch.testing.assert_close(half, single, atol=0.05, rtol=0.05)


def test_progress_counts_images(net, store, capsys, monkeypatch):
    monkeypatch.setattr(scoring, "AT_ONCE", 4)
    scoring.score(net, store, np.arange(N), CPU)
    assert capsys.readouterr().err == ""
    scoring.score(net, store, np.arange(N), CPU, "predict")
    said = capsys.readouterr().err
    assert "predict: 13 in " in said
    assert "images/s" in said
