"""What stops a training says what to do."""

import pytest
import torch

from cxrfair.training import guards


def test_a_gpu_without_memory_is_explained_with_what_to_try(task):
    config = task.config(batch_size=64, accumulate=2)
    with (
        pytest.raises(guards.MemoryShortError, match=r"32 images at a time .*accumulate: 4 \(16"),
        guards.memory_explained(config, torch.device("cuda", 0)),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_where_no_smaller_part_is_possible_it_says_so(task):
    config = task.config(batch_size=2)
    with (
        pytest.raises(guards.MemoryShortError, match="no smaller part is possible"),
        guards.memory_explained(config, torch.device("cuda", 0)),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_other_errors_pass(task):
    with pytest.raises(KeyError), guards.memory_explained(task.config(), torch.device("cpu")):
        raise KeyError("other")


def test_finite_weights_pass_and_others_are_refused(tmp_path):
    module = torch.nn.BatchNorm1d(3)
    guards.refuse_broken_weights(module, "epoch 1", tmp_path / "s")
    module.running_var[1] = float("inf")
    (tmp_path / "s").touch()
    with pytest.raises(guards.LossError, match=r"after epoch 1; the last finite state is .*s; try"):
        guards.refuse_broken_weights(module, "epoch 1", tmp_path / "s")
