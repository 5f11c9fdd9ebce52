"""A training from tables to weights, and what may be wrong with either."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from cxrfair import tracking
from cxrfair.backbones import build
from cxrfair.errors import CxrfairError
from cxrfair.methods.erm import Erm
from cxrfair.text import Text
from cxrfair.training import batches, job, loop, scoring, validation
from cxrfair.training.guidance import Masks

CPU = torch.device("cpu")
LABELS = ("edema", "nodule")
LOG = tracking.Run(tracking.Place("study", "made", "own", 0), "")  # without a session: silent
STILL = {"kind": "sgd", "learning_rate": 1e-12, "weight_decay": 0.0, "momentum": 0.0}


@pytest.fixture
def spec(task):
    """Make what decides a training, of the task's settings but for `epochs` and what is given."""

    def made(method="erm", seed=0, labels=LABELS, groups=(), hyper=None, **train):
        return job.TrainSpec(
            method=method,
            hyper=hyper or ({"weighted_bce": False} if method == "erm" else {}),
            groups=groups,
            labels=labels,
            seed=seed,
            train=task.config(**{"epochs": 2, **train}),
        )

    return made


@pytest.fixture
def train(data, tmp_path):
    """Train once more, from nothing unless `saved` is an earlier one."""
    places = (tmp_path / f"saved{number}" for number in range(99))

    def trained(spec, of=data, saved=None, **changed):
        of = dataclasses.replace(of, **changed)
        return job.train(spec, of, saved or next(places), CPU, LOG)

    return trained


@pytest.fixture
def watched(monkeypatch):
    """See what the engine is given, training after training."""
    seen, fit = [], loop.fit

    def noted(method, run, *others):
        seen.append((method, run))
        return fit(method, run, *others)

    monkeypatch.setattr(loop, "fit", noted)
    return seen


def same(some, others):
    return some.keys() == others.keys() and all(torch.equal(v, others[k]) for k, v in some.items())


def upstream(trained):
    """Take the early model of a training, as the stage reads it."""
    return job.Upstream(trained.card, trained.early)


def test_a_card_rebuilds_the_network_that_scored_best(spec, train, data):
    made = train(spec(epochs=3))
    curve = made.history[made.history["name"] == "validation_auroc"].set_index("epoch")["value"]
    assert list(curve.index) == [1, 2, 3]
    held = data.splits.loc[data.splits["fold"] == "validation", "image_id"]
    truth = data.targets.pivot(index="image_id", columns="label", values="target").loc[held]
    logit = scoring.score(
        scoring.restore(made.card, made.weights), data.store, data.store.rows(list(held)), CPU
    )
    found = validation.measure("auroc", logit.numpy(), truth.to_numpy(np.float32))
    assert found["validation_auroc"] == curve[made.card.selected_epoch] == curve.max()


def test_the_card_states_how_the_network_was_made(spec, train):
    card = train(spec(early_epochs=2, select="last", channels=3)).card
    assert card.model_dump() == {
        "backbone": "test_resnet",
        "pretrained": "none",
        "origin": "none (random)",
        "channels": 3,
        "labels": LABELS,
        "size": 32,
        "method": "erm",
        "settings": card.settings,
        "groups": (),
        "text": "none",
        "batch_statistics": Erm.batch_statistics,
        "provenance": Erm.provenance,
        "source": Erm.source,
        "measure": "auroc",
        "selected_epoch": 2,
        "early_epoch": 2,
        "epochs": 2,
        "mlp": None,
        "output_stride": None,
    }


def test_a_method_that_reads_words_is_given_those_of_its_labels_and_keeps_them(spec, train):
    said = np.random.default_rng(2).normal(size=(2 * len(LABELS) + 2, 6)).astype("float32")
    phrases = tuple(f"phrase {n}" for n in range(len(said)))
    text = Text((*LABELS[::-1], "other"), phrases, "an encoder, version 1", said)
    hyper = {"align": 1.0, "balance": 0.8, "regulariser": "cross_group", "epsilon": 0.1}
    trained = train(spec("vit_got", groups=("sex",), hyper=hyper), text=text)
    assert trained.card.text == "an encoder, version 1"
    np.testing.assert_array_equal(trained.weights["text"], text.select(LABELS).embedding)
    network = scoring.restore(trained.card, trained.weights)
    assert network.shows(LABELS) == (*LABELS, *(f"not {label}" for label in LABELS))
    with pytest.raises(CxrfairError, match="text: none embeddings"):
        train(spec("vit_got", groups=("sex",), hyper=hyper))


def test_the_conditions_state_how_it_ran(spec, train, tmp_path):
    given = spec(seed=5)
    first = train(given, saved=tmp_path / "kept")
    ran = first.conditions
    assert ran.device.startswith("cpu (")
    assert (ran.threads, ran.processes, ran.precision, ran.seed) == (1, 1, "fp32", 5)
    again = train(given, saved=tmp_path / "kept")
    assert [ran.resumed, again.conditions.resumed] == [0, 1]
    assert same(first.weights, again.weights)
    assert same(first.early, again.early)
    pd.testing.assert_frame_equal(first.history, again.history)


def test_early_weights_are_those_of_their_own_epoch(spec, train):
    constant = {"kind": "constant", "warmup_epochs": 0.0}
    short = train(spec(epochs=1, select="last", schedule=constant))
    long = train(spec(epochs=2, select="last", schedule=constant))
    assert same(long.early, short.weights)
    assert not same(long.early, long.weights)


def test_the_seed_decides_everything_random(spec, train):
    one, two, other = (train(spec(seed=seed)) for seed in (0, 0, 1))
    assert same(one.weights, two.weights)
    pd.testing.assert_frame_equal(one.history, two.history)
    assert not same(one.weights, other.weights)
    first, second = (train(spec(seed=seed, optimiser=STILL, epochs=1)).weights for seed in (0, 1))
    assert not torch.allclose(first["head.weight"], second["head.weight"])


def test_epochs_are_judged_by_a_fixed_part_of_the_validation_images(spec, train, data, watched):
    judged = {"measure": "auroc", "images": 6, "patience_epochs": None}
    train(spec(validation=judged))
    train(spec("group_dro", seed=1, groups=("sex",), hyper={"step_size": 0.1}, validation=judged))
    (_, run), (_, other) = watched
    held = data.splits.loc[data.splits["fold"] == "validation", "image_id"]
    chosen = validation.subset(held, data.targets, LABELS, 6)
    assert len(chosen) == 6 < len(held)
    assert run.validation.row.tolist() == data.store.rows(list(chosen)).tolist()
    np.testing.assert_array_equal(run.validation.row, other.validation.row)
    assert not set(run.validation.row) & set(run.train.row)


def test_what_an_early_network_gets_wrong_is_drawn_more_often(spec, train, data, watched):
    early = train(spec(optimiser=STILL, epochs=1))  # it has learnt nothing, so it is often wrong
    jtt = train(spec("jtt", hyper={"upweight": 2}), upstream=upstream(early))
    method, run = watched[1]
    network = scoring.restore(early.card, early.early)
    logit = scoring.score(network, data.store, run.train.row, CPU).numpy()
    wrong = ((logit >= 0) != (run.train.target == 1)).any(1)
    assert wrong.any()
    assert not wrong.all()
    assert run.repeats.tolist() == np.where(wrong, 3, 1).tolist()
    assert not method.upstream.training
    assert not any(p.requires_grad for p in method.upstream.parameters())
    assert same(method.upstream.state_dict(), early.early)
    assert jtt.weights.keys() == early.weights.keys()
    assert not same(jtt.weights, train(spec()).weights)


def test_what_was_drawn_is_told_entry_by_entry(spec, train, data, watched):
    first = train(spec("gce", hyper={"q": 0.7}, epochs=1))
    chosen = job.Upstream(first.card, first.weights)
    copied = pd.concat([data.listed, data.listed[:4]], ignore_index=True)
    copied = copied.assign(position=np.arange(len(copied)))
    low = spec("low_loss", hyper={"share": 0.25, "q": 0.7}, epochs=1)
    made = train(low, upstream=chosen, listed=copied)
    _, (_, run) = watched
    assert list(made.drawn) == ["position", "image_id", "repeats"]
    assert made.drawn["image_id"].tolist() == copied["image_id"].tolist()
    assert made.drawn["repeats"].tolist() == run.repeats.tolist()
    assert run.repeats.tolist().count(0) == len(copied) // 4
    assert first.drawn["repeats"].tolist() == [1] * len(data.listed)


def test_another_upstream_gives_another_result(spec, train):
    models = [train(spec(seed=seed, optimiser=STILL, epochs=1)) for seed in (0, 1)]
    made = [train(spec("jtt", hyper={"upweight": 5}), upstream=upstream(m)) for m in models]
    assert not same(made[0].weights, made[1].weights)


def test_a_method_that_starts_from_a_model_goes_on_after_a_stop(spec, train, tmp_path):
    given = spec("jtt", hyper={"upweight": 2})
    early = upstream(train(spec(epochs=1)))
    made = [train(given, upstream=early, saved=tmp_path / "kept") for _ in range(2)]
    assert made[1].conditions.resumed == 1
    assert same(made[0].weights, made[1].weights)


@pytest.mark.parametrize("labels", [("edema",), ("nodule", "edema")], ids=" ".join)
def test_an_upstream_of_other_labels_is_refused(spec, train, labels):
    other = upstream(train(spec(labels=labels, epochs=1)))
    with pytest.raises(
        CxrfairError, match=f"has labels {', '.join(labels)}; this study's are edema, nodule"
    ):
        train(spec("jtt", hyper={"upweight": 2}), upstream=other)


def test_weights_that_do_not_fit_their_card_are_refused(spec, train):
    early = upstream(train(spec(epochs=1)))
    early.weights.pop("head.bias")
    with pytest.raises(CxrfairError, match=r"weights of test_resnet: head\.bias is missing"):
        train(spec("jtt", hyper={"upweight": 2}), upstream=early)


def test_a_file_of_weights_is_started_from_and_named(spec, train, tmp_path):
    torch.manual_seed(3)
    body = build("test_resnet", "none", 2, 32).body.state_dict()
    file = tmp_path / "own.safetensors"
    save_file(body, file)
    made = train(spec(pretrained=str(file), optimiser=STILL, epochs=1))
    torch.testing.assert_close(made.weights["body.conv1.0.weight"], body["conv1.0.weight"])
    assert made.card.pretrained == "own.safetensors"
    assert "own.safetensors" in made.card.origin
    assert str(tmp_path) not in json.dumps(made.card.model_dump())


def test_a_label_of_one_class_is_refused_before_anything_is_saved(spec, train, data, tmp_path):
    gone = data.targets["label"].eq("nodule") & data.targets["target"].eq(1)
    with pytest.raises(CxrfairError, match="label nodule: 0 positive, .* both classes are needed"):
        train(spec(), targets=data.targets[~gone], saved=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_a_group_without_a_training_image_is_named(spec, train, data):
    men = data.cohort.loc[data.cohort["sex"] == "male", "image_id"]
    listed = data.listed[~data.listed["image_id"].isin(men)]
    given = spec("group_dro", groups=("sex",), hyper={"step_size": 0.1})
    with pytest.raises(CxrfairError, match=r"no image of 1 groups \(male\)"):
        train(given, listed=listed)


def test_no_validation_image_with_both_classes_is_an_error(spec, train, data):
    held = data.splits.loc[data.splits["fold"] == "validation", "image_id"]
    gone = data.targets["image_id"].isin(held) & data.targets["target"].eq(1)
    with pytest.raises(CxrfairError, match=r"train\.validation\.images: none of edema, nodule has"):
        train(spec(), targets=data.targets[~gone])


def test_a_setting_that_no_method_reads_is_refused(spec, train):
    with pytest.raises(CxrfairError, match=r"methods\.erm\.upweight: no such setting"):
        train(spec(hyper={"weighted_bce": False, "upweight": 2}))


def test_batches_and_parts_that_do_not_divide_evenly_are_fine(spec, train):
    """36 examples in batches of at most 7, each in 3 parts."""
    uneven = {"batch_size": 7, "accumulate": 3}
    made = train(spec("group_dro", groups=("sex",), hyper={"step_size": 0.1}, **uneven))
    assert np.isfinite(made.history["value"]).all()


@pytest.fixture
def masks(data):
    """Masks of edema of all images: a quarter of each, and which rows of the list have it."""
    images = data.splits
    index = images.assign(label="edema", row=np.arange(len(images)))
    values = np.zeros((len(images), 32, 32), np.uint8)
    values[:, :16, :16] = 1
    return Masks(values, index[["image_id", "label", "fold", "row"]])


@pytest.fixture
def guided(data):
    """Let every other entry of the training list be guided for edema."""
    every_other = np.where(np.arange(len(data.listed)) % 2, '["edema"]', None)
    return data.listed.assign(guided=every_other)


@pytest.fixture
def shown(guided, masks):
    """What a training is handed so that it is guided."""
    return {"listed": guided, "guidance": masks}


@pytest.fixture
def seen(monkeypatch):
    """See the batches of trainings by plain risk minimisation, which is said to read masks."""
    found = []

    def turns(method, batch):
        found.append(batch)
        yield from super(Erm, method).turns(batch)

    monkeypatch.setattr(Erm, "reads_masks", True)
    monkeypatch.setattr(Erm, "turns", turns)
    return found


def test_a_method_that_reads_masks_is_shown_those_of_the_guided(spec, train, shown, seen):
    train(spec(seed=3), **shown)
    for batch in seen:
        expected = np.stack([batch.index.numpy() % 2 == 1, np.zeros(len(batch.index))], 1)
        np.testing.assert_array_equal(batch.guided, expected)
        assert (batch.mask.amax((2, 3)) > 0.5).equal(batch.guided)
        assert batch.seed == 3
    assert [batch.epoch for batch in seen] == sorted(batch.epoch for batch in seen)
    assert {batch.epoch for batch in seen} == {1, 2}


def test_guidance_changes_nothing_for_who_does_not_look(spec, train, shown, seen):
    looked = train(spec(), **shown)
    assert seen.pop().mask is not None
    plain = train(spec())
    assert seen.pop().mask is None
    assert same(looked.weights, plain.weights)
    pd.testing.assert_frame_equal(looked.history, plain.history)


def test_a_guided_training_goes_on_after_a_stop(spec, train, shown, seen, tmp_path, monkeypatch):
    whole = train(spec(epochs=3), **shown)
    in_all = list(seen)
    seen.clear()
    left, stream = iter(range(7)), batches.stream

    def cut(*given):
        for step in stream(*given):
            if next(left, None) is None:
                raise KeyboardInterrupt
            yield step

    again = spec(epochs=3, checkpoint_steps=1)
    with monkeypatch.context() as patched:
        patched.setattr(batches, "stream", cut)
        with pytest.raises(KeyboardInterrupt):
            train(again, **shown, saved=tmp_path / "kept")
    made = train(again, **shown, saved=tmp_path / "kept")
    assert made.conditions.resumed == 1
    assert same(made.weights, whole.weights)
    assert len(seen) == len(in_all)
    for one, other in zip(seen, in_all, strict=True):
        assert torch.equal(one.mask, other.mask)
        assert torch.equal(one.guided, other.guided)


def test_what_a_method_needs_of_masks_is_asked_before_training(
    spec, train, shown, watched, monkeypatch
):
    with pytest.raises(CxrfairError, match="masks are given to a method that reads none"):
        train(spec(), **shown)
    monkeypatch.setattr(Erm, "reads_masks", True)
    with pytest.raises(CxrfairError, match="18 pairs of image and label are guided, but no masks"):
        train(spec(), listed=shown["listed"])
    images = shown["guidance"].index["image_id"].iloc[: len(shown["listed"])]  # of all folds
    held_out = shown["listed"].assign(image_id=images.to_numpy())
    with pytest.raises(CxrfairError, match="masks of images that are not for training; allowed: 0"):
        train(spec(), **shown | {"listed": held_out})
    assert watched == []
