import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from cxrfair import metrics
from cxrfair.errors import CxrfairError
from cxrfair.methods._method import masked_bce
from cxrfair.training.validation import better, faults, measure, subset

NAN = np.nan
IDS = pd.Series([f"i{n}" for n in range(200)], name="image_id")


def table(labels=("edema",), value=lambda n: n % 2):
    rows = [(name, label, value(n)) for n, name in enumerate(IDS) for label in labels]
    made = pd.DataFrame(rows, columns=["image_id", "label", "target"])
    return made.astype({"target": "Int8"})


def chosen(images, ids=IDS, targets=None):
    return subset(ids, table() if targets is None else targets, ("edema",), images)


def test_a_subset_is_sorted_and_of_the_size_asked_for():
    found = chosen(50)
    assert len(found) == found.nunique() == 50
    assert found.tolist() == sorted(found)
    assert set(found) <= set(IDS)
    assert found.name == "image_id"


def test_all_are_taken_where_there_are_no_more():
    assert chosen(200).tolist() == chosen(999).tolist() == sorted(IDS)


def test_neither_order_nor_labels_play_a_part():
    others = table(value=lambda n: (n // 2) % 2)
    assert chosen(50, IDS.sample(frac=1, random_state=1)).tolist() == chosen(50).tolist()
    assert chosen(50, targets=others).tolist() == chosen(50).tolist()


def test_a_smaller_subset_lies_in_a_larger_one_and_the_choice_is_pinned():
    assert set(chosen(20)) < set(chosen(50))
    assert chosen(4).tolist() == ["i114", "i16", "i21", "i78"]


def test_a_subset_that_can_judge_no_label_is_refused():
    expected = (
        "train.validation.images: none of edema has both a positive and a negative among 50 of "
        "200 validation images; take more"
    )
    with pytest.raises(CxrfairError) as caught:
        chosen(50, targets=table(value=lambda _: 1))
    assert str(caught.value) == expected


def test_a_doubt_and_a_missing_target_are_no_class():
    for odd in (-1, None):
        with pytest.raises(CxrfairError, match="none of edema has both"):
            chosen(50, targets=table(value=lambda n, odd=odd: odd if n % 2 else 1))


def test_one_label_that_can_be_judged_is_enough_and_others_of_the_table_do_not_count():
    both = table(("edema", "nodule"))
    both.loc[both["label"] == "edema", "target"] = 1
    assert len(subset(IDS, both, ("edema", "nodule"), 50)) == 50
    with pytest.raises(CxrfairError, match="none of edema has both"):
        subset(IDS, both, ("edema",), 50)


def test_images_that_were_not_chosen_do_not_count():
    inside = set(chosen(50))
    targets = table()
    targets.loc[targets["image_id"].isin(inside), "target"] = 1
    with pytest.raises(CxrfairError, match="none of edema has both"):
        chosen(50, targets=targets)


def arrays(logit, target):
    return np.array(logit, np.float32), np.array(target, np.float32)


def test_the_loss_by_hand():
    # Image 1: the mean of log 2 and log(1 + 1/3); image 2: log 4; image 3 has no label.
    three = math.log(3)
    given = arrays([[0, three], [three, 9], [5, 5]], [[1, 1], [0, NAN], [NAN, NAN]])
    expected = ((math.log(2) + math.log(4 / 3)) / 2 + math.log(4)) / 2
    assert measure("loss", *given) == {"validation_loss": pytest.approx(expected, rel=1e-6)}


def drawn(seed, shape=(60, 3)):
    draw = np.random.default_rng(seed)
    target = draw.integers(0, 2, shape).astype(np.float32)
    target[draw.random(shape) < 0.2] = NAN
    return (4 * draw.standard_normal(shape)).astype(np.float32), target


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_the_one_methods_learn_from(seed):
    logit, target = drawn(seed)
    losses, present = masked_bce(*(torch.from_numpy(each).double() for each in (logit, target)))
    found = measure("loss", logit, target)["validation_loss"]
    assert found == pytest.approx(float(losses[present].mean()), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "oracle"), [("auroc", roc_auc_score), ("average_precision", average_precision_score)]
)
def test_a_metric_is_averaged_over_labels_as_scikit_learn_has_it(name, oracle):
    logit, target = drawn(5)
    known = ~np.isnan(target)
    each = [oracle(target[known[:, k], k], logit[known[:, k], k]) for k in range(3)]
    found = measure(name, logit, target)
    assert list(found) == ["validation_loss", f"validation_{name}"]
    assert found[f"validation_{name}"] == pytest.approx(np.mean(each), rel=1e-9)


def test_scores_are_sigmoids():
    logit, target = arrays([[math.log(3)], [-math.log(3)]], [[1], [1]])
    found = measure("brier", logit, target)["validation_brier"]
    assert found == pytest.approx((0.25**2 + 0.75**2) / 2, rel=1e-6)


def test_labels_for_which_a_metric_is_undefined_are_left_out():
    found = measure("auroc", *arrays([[1, 0], [2, 0]], [[0, 1], [1, 1]]))
    assert found["validation_auroc"] == 1
    none = measure("auroc", *arrays([[1, 0], [2, 0]], [[1, 1], [1, NAN]]))
    assert math.isnan(none["validation_auroc"])
    assert none["validation_loss"] > 0


@pytest.mark.parametrize("name", ["loss", *filter(lambda n: not faults(n), metrics.names())])
def test_without_any_label_all_is_nan(name):
    found = measure(name, *arrays([[1.0], [2.0]], [[NAN], [NAN]]))
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
def test_a_logit_that_is_not_finite_is_no_score(bad):
    # Sorted among others it would get a rank, and its label an AUROC.
    found = measure("auroc", *arrays([[bad, 0], [1, 1], [0, 0]], [[1, 0], [0, 1], [1, 0]]))
    assert list(found) == ["validation_loss", "validation_auroc"]
    assert all(math.isnan(value) for value in found.values())
    ignored = measure("auroc", *arrays([[bad, 0], [1, 1]], [[NAN, 0], [NAN, 1]]))
    assert ignored["validation_auroc"] == 1


@given(st.integers(0, 2**32), st.permutations(range(20)))
def test_the_order_of_images_does_not_matter(seed, order):
    logit, target = drawn(seed, (20, 2))
    there, back = measure("auroc", logit, target), measure("auroc", logit[order], target[order])
    assert there == pytest.approx(back, rel=1e-12, nan_ok=True)


def test_large_logits_neither_warn_nor_overflow():
    found = measure("auroc", *arrays([[500], [-500]], [[0], [1]]))
    assert found == {"validation_loss": pytest.approx(500), "validation_auroc": 0}


def test_directions():
    assert better("loss") == "lower"
    assert better("auroc") == "higher"
    assert better("brier") == "lower"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("aurok", "no such metric"),
        ("f1", "a metric of decisions"),
        ("prevalence", "a metric without a better direction"),
    ],
)
def test_what_cannot_judge_is_a_fault_that_says_why_and_what_can(name, why):
    (found,) = faults(name)
    start = f"params.yaml train.validation.measure: {name!r} is {why}; allowed: loss, "
    assert found.startswith(start)
    assert found.endswith("auroc, average_precision, brier, ece")
    with pytest.raises(CxrfairError, match=why):
        better(name)


def test_every_other_metric_or_the_loss_can_judge():
    able = [name for name in ("loss", *metrics.names()) if not faults(name)]
    assert {"loss", "auroc", "average_precision", "brier"} <= set(able)
    for name in able:
        found = measure(name, *drawn(1))
        assert not math.isnan(found[f"validation_{name}"])
        assert better(name) in {"higher", "lower"}
