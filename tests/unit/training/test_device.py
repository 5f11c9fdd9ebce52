import pytest
import torch

from cxrfair.backbones import build
from cxrfair.training import device


def test_without_a_gpu_it_is_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device.choose(tmp_path) == torch.device("cpu")


def test_jobs_side_by_side_take_different_gpus(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(device, "_held", [])
    assert [device.choose(tmp_path).index for _ in range(3)] == [0, 1, 0]
    for lock in device._held:
        lock.close()
    monkeypatch.setattr(device, "_held", [])
    assert device.choose(tmp_path).index == 0
    device._held[0].close()


def test_the_number_of_threads_is_as_told():
    before = torch.get_num_threads()
    try:
        device.make_deterministic(1)
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(False)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_scores_as_the_cpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    torch.manual_seed(0)
    net, image = build("test_resnet", "none", 2, 32).eval(), torch.rand(4, 1, 32, 32)
    torch.testing.assert_close(
        net.cuda()(image.cuda()).cpu(), net.cpu()(image), atol=1e-4, rtol=1e-4
    )
