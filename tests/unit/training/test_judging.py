"""An epoch's judge: the measure, its direction, and when enough is enough."""

import pytest
import torch

from cxrfair.training.judging import Judge


def judge(task, **validation):
    config = task.config(
        validation={"measure": "auroc", "images": 9, "patience_epochs": None} | validation
    )
    run = task.run()
    return Judge(run.validation, task.store, config, torch.device("cpu"))


def test_a_network_is_judged_on_all_validation_images_and_left_in_its_mode(task):
    net = task.method().net.train()
    numbers = judge(task).measure(net)
    assert set(numbers) == {"validation_loss", "validation_auroc"}
    assert 0 <= numbers["validation_auroc"] <= 1
    assert net.training


@pytest.mark.parametrize(
    ("measure", "scores", "tired"),
    [
        ("auroc", [0.5, 0.6, 0.6, 0.59], True),
        ("auroc", [0.5, 0.6, 0.59, 0.61], False),
        ("loss", [0.5, 0.6, 0.7], True),
        ("loss", [0.5, 0.6, 0.4], False),
    ],
)
def test_it_tires_after_so_many_epochs_without_a_better_score(task, measure, scores, tired):
    history = [(e, f"validation_{measure}", score) for e, score in enumerate(scores, 1)]
    history += [(1, "validation_other", 0.0)]
    assert judge(task, measure=measure, patience_epochs=2).tired(history) == tired
    assert not judge(task, measure=measure).tired(history)
