from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cxrfair.backbones import build
from cxrfair.training import device


def test_without_a_gpu_it_is_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device.choose(tmp_path) == torch.device("cpu")


@pytest.fixture
def gpus(monkeypatch):
    """Pretend to have two GPUs; let go of them in the end."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    made = lambda index: SimpleNamespace(uuid=f"serial-{index}")  # noqa: E731
    monkeypatch.setattr(torch.cuda, "get_device_properties", made)
    monkeypatch.setattr(device, "_held", [])
    yield
    for lock in device._held:
        lock.close()


@pytest.mark.usefixtures("gpus")
def test_jobs_side_by_side_take_different_gpus(tmp_path, monkeypatch):
    assert [device.choose(tmp_path).index for _ in range(3)] == [0, 1, 0]
    for lock in device._held:
        lock.close()
    monkeypatch.setattr(device, "_held", [])
    assert device.choose(tmp_path).index == 0


@pytest.mark.usefixtures("gpus")
def test_processes_of_one_training_share_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert [device.choose(tmp_path).index for _ in range(2)] == [0, 1]
    with pytest.raises(device.DeviceError, match="processes: 3 on one machine, but 2 GPUs"):
        device.choose(tmp_path)


@pytest.mark.usefixtures("gpus")
def test_a_gpu_is_known_by_its_serial_number(tmp_path, monkeypatch):
    """Slurm shows every job its own GPU as number 0, and machines share the folder of locks."""
    device.choose(tmp_path)
    other = lambda _: SimpleNamespace(uuid="serial-of-another")  # noqa: E731
    monkeypatch.setattr(torch.cuda, "get_device_properties", other)
    assert device.choose(tmp_path).index == 0
    assert {lock.name for lock in tmp_path.iterdir()} == {
        "gpu-serial-0.lock",
        "gpu-serial-of-another.lock",
    }


def test_the_number_of_threads_is_as_told():
    before = torch.get_num_threads()
    try:
        device.make_deterministic(1)
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(False)


def test_float32_is_not_rounded_on_gpus():
    before = torch.get_num_threads()
    torch.backends.cudnn.allow_tf32 = True
    try:
        device.make_deterministic(1)
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("setting", "kind", "native", "name"),
    [
        ("auto", "cpu", False, "fp32"),
        ("fp32", "cpu", False, "fp32"),
        ("bf16", "cpu", False, "bf16"),
        ("auto", "cuda", True, "bf16"),
        ("auto", "cuda", False, "fp32"),
        ("fp32", "cuda", True, "fp32"),
        ("bf16", "cuda", True, "bf16"),
    ],
)
def test_the_precision_is_what_is_asked_and_native(monkeypatch, setting, kind, native, name):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: native)
    made = device.precision(setting, torch.device(kind))
    assert (made.name, made.device) == (name, kind)


def test_bf16_is_not_imitated(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old One")
    with pytest.raises(device.DeviceError, match="bf16, which Old One lacks; auto or fp32"):
        device.precision("bf16", torch.device("cuda"))


@pytest.mark.parametrize(("name", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_forward_pass_runs_at_its_precision(name, kind):
    layer, cast = nn.Linear(2, 2), device.precision(name, torch.device("cpu"))
    for _ in range(2):  # again and again
        with cast():
            assert layer(torch.ones(1, 2)).dtype == kind
    assert layer(torch.ones(1, 2)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


@pytest.mark.gpu
def test_a_gpu_gives_the_same_scores_as_the_cpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    torch.manual_seed(0)
    net, image = build("test_resnet", "none", 2, 32).eval(), torch.rand(4, 1, 32, 32)
    torch.testing.assert_close(
        net.cuda()(image.cuda()).cpu(), net.cpu()(image), atol=1e-4, rtol=1e-4
    )
