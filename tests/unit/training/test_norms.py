import copy

import pytest
import torch
from torch import nn

from cxrfair.distributed import DistributedError, World
from cxrfair.torchvision_ops import declare_if_missing
from cxrfair.training import norms

declare_if_missing()
BatchNormAct2d = pytest.importorskip("timm.layers").BatchNormAct2d


def shared(norm, monkeypatch):
    """Convert a copy as if there were others; the norm itself finds that there are none."""
    net = nn.Sequential(copy.deepcopy(norm))
    with monkeypatch.context() as patch:
        patch.setattr(norms, "world", lambda: World(0, 2))
        norms.synchronise_norms(net)
    return net


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(3), BatchNormAct2d(3, act_layer=nn.SiLU)])
def test_a_shared_norm_does_what_the_norm_did(monkeypatch, norm):
    net = shared(norm, monkeypatch)
    assert isinstance(net[0], norms.SharedBatchNorm)
    for training in (True, False):
        image = torch.randn(4, 3, 5, 5)
        found = net.train(training)(image.clone())
        torch.testing.assert_close(found, norm.train(training)(image))
    assert list(shared(norm, monkeypatch)[0].parameters())
    for key, expected in norm.state_dict().items():
        torch.testing.assert_close(net[0].state_dict()[key], expected)


def test_the_parameters_stay_the_same_objects(monkeypatch):
    net = nn.Sequential(nn.BatchNorm1d(2))
    before = [*net.parameters(), *net.buffers()]
    monkeypatch.setattr(norms, "world", lambda: World(0, 2))
    norms.synchronise_norms(net)
    assert all(a is b for a, b in zip([*net.parameters(), *net.buffers()], before, strict=True))


def test_an_unknown_norm_is_refused_by_name(monkeypatch):
    class Odd(BatchNormAct2d):
        pass

    with pytest.raises(DistributedError, match="0: Odd cannot be shared"):
        shared(Odd(2), monkeypatch)
    with pytest.raises(DistributedError, match="0: BatchNorm2d cannot be shared"):
        shared(nn.BatchNorm2d(2, track_running_stats=False), monkeypatch)


def test_on_a_gpu_the_statistics_are_torchs(monkeypatch):
    net = shared(BatchNormAct2d(1), monkeypatch)
    monkeypatch.setattr(nn.SyncBatchNorm, "forward", lambda _, image: image - 1)
    monkeypatch.setattr(norms, "world", lambda: World(0, 2))
    image = torch.zeros(2, 1, 1, 1, device="meta")
    assert net(image).device.type == "meta"
    assert net.eval()(torch.tensor([[[[0.0]]], [[[3.0]]]])).flatten().tolist() == [0, 2]
