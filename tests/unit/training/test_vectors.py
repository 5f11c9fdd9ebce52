"""Trainings on vectors in place of pictures: what a batch holds, and a model from end to end."""

import dataclasses
import json
import signal

import numpy as np
import pandas as pd
import pytest
import torch

from cxrfair import inference, tables, tracking
from cxrfair.backbones import BackboneError, Card, MlpConfig
from cxrfair.embeddings import Embeddings
from cxrfair.errors import CxrfairError
from cxrfair.images.augment import AugmentConfig, normals
from cxrfair.images.store import Store
from cxrfair.methods.erm import Erm
from cxrfair.training import job, loop, scoring
from cxrfair.training.batches import Source, plain, stream
from cxrfair.training.examples import Blend, Examples, training_examples
from cxrfair.training.guidance import Masks
from cxrfair.training.interrupts import InterruptedTrainingError
from cxrfair.training.sampling import Pick

CPU = torch.device("cpu")
N, D = 200, 12
LABELS = ("edema", "nodule")
LOG = tracking.Run(tracking.Place("study", "made", "own", 0), "")
STRONG = AugmentConfig(flip=1.0, rotation_degrees=90, shift=0.5, intensity=1.0, crop=0.5)
MLP = MlpConfig(hidden=(8, 4), dropout=0.3)
IDS = [f"i{n:03}" for n in range(N)]


@pytest.fixture(scope="module")
def values():
    """Two numbers tell the labels; the scales differ, and the last number never varies."""
    draw = np.random.default_rng(0)
    made = draw.normal(size=(N, D)) * np.geomspace(0.01, 100, D) + 3
    made[:, 0] += 0.05 * (np.arange(N) % 2)
    made[:, 1] += 0.1 * (np.arange(N) // 2 % 2)
    made[:, -1] = 7
    return made.astype(np.float32)


@pytest.fixture(scope="module")
def store(values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    np.save(folder / "v.npy", values)
    index = pd.DataFrame({"image_id": IDS, "row": range(N), "quarantine": None})
    return Store(folder / "v.npy", index)


@pytest.fixture(scope="module")
def data(store):
    torch.set_num_threads(1)
    places = np.arange(N)
    fold = np.select([places < 120, places < 160], ["train", "validation"], "test")
    truth = np.stack([places % 2, places // 2 % 2], 1)
    targets = pd.DataFrame(
        {
            "image_id": np.repeat(IDS, 2),
            "label": list(LABELS) * N,
            "target": pd.array(truth.ravel(), "Int8"),
        }
    )
    listed = pd.DataFrame({"position": range(120), "image_id": IDS[:120], "weight": 1.0})
    listed["augmentation_seed"] = np.arange(120) + 1000
    cohort = pd.DataFrame({"image_id": IDS, "sex": np.where(places % 3, "female", "male")})
    splits = pd.DataFrame({"image_id": IDS, "fold": fold, "cell": "x"})
    return job.Data(listed, cohort, targets, splits, store, None)


@pytest.fixture
def spec(task):
    def made(**train):
        given = {"backbone": "mlp", "epochs": 1, "augment": STRONG, "mlp": MLP} | train
        hyper = {"weighted_bce": False}
        return job.TrainSpec(
            method="erm", hyper=hyper, groups=(), labels=LABELS, seed=0, train=task.config(**given)
        )

    return made


@pytest.fixture
def train(data, tmp_path):
    places = (tmp_path / f"saved{number}" for number in range(99))

    def trained(spec, of=data, saved=None, **changed):
        return job.train(spec, dataclasses.replace(of, **changed), saved or next(places), CPU, LOG)

    return trained


def same(some, others):
    return some.keys() == others.keys() and all(torch.equal(v, others[k]) for k, v in some.items())


def examples(row, key, blend=None):
    ones = np.ones(len(row))
    target = np.zeros((len(row), 1), np.float32)
    return Examples(row, target, np.zeros(len(row), np.int64), ones, key, blend)


def batch_of(known, store, pick, epoch=1, seed=0):
    ((batch,),) = stream(Source(known, store, STRONG, CPU), [[pick]], seed, epoch)
    return batch


def test_vectors_come_unchanged_whatever_the_augmentation(store, values):
    row = np.array([5, 3, 3, 9])
    pick = Pick(np.array([2, 0, 1, 3]), np.array([0, 0, 1, 0]))
    batch = batch_of(examples(row, row), store, pick)
    assert batch.image.dtype == torch.float32
    np.testing.assert_array_equal(batch.image, values[row[pick.example]])
    (still,) = plain(store, [row], CPU)
    np.testing.assert_array_equal(still, values[row])


def test_a_mixture_lies_between_two_images_with_the_noise_of_its_key_alone(store, values):
    row, key = np.array([5, 3, 8]), np.array([11, 12, 13])
    noise = np.linspace(0.1, 1, D).astype(np.float32)
    share = np.array([0.25, 0, 0.5], np.float32)
    known = examples(row, key, Blend(np.array([9, -1, 9]), share, noise))
    pick = Pick(np.array([2, 1, 0]), np.zeros(3, np.int64))
    found = batch_of(known, store, pick).image.numpy()
    drawn = normals(key, D)
    middle = 0.5 * (values[8].astype(float) + values[9]) + noise * drawn[2]
    quarter = 0.75 * values[5].astype(float) + 0.25 * values[9] + noise * drawn[0]
    np.testing.assert_allclose(found[0], middle, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found[1], values[3])
    np.testing.assert_allclose(found[2], quarter, rtol=1e-5, atol=1e-5)
    alone = Pick(np.array([0]), np.array([3]))  # drawn again, in another epoch, of another seed
    again = batch_of(known, store, alone, epoch=7, seed=5).image.numpy()
    np.testing.assert_array_equal(again[0], found[2])


def mixed(data, **columns):
    listed = data.listed.assign(partner=pd.Series([pd.NA] * 120, dtype="string"), share=np.nan)
    for name, at in columns.items():
        for place, value in at.items():
            listed.loc[place, name] = value
    return listed


def blend_of(data, listed, store=None):
    choice = (LABELS, ())
    made, _ = training_examples(listed, data.cohort, data.targets, store or data.store, choice)
    return made.blend


def test_the_list_says_what_is_mixed_and_its_images_how_much_noise_there_is(data, values):
    listed = mixed(data, partner={4: "i007", 9: "i000"}, share={4: 0.5, 9: 0.25})
    blend = blend_of(data, pd.concat([listed, listed[:1]], ignore_index=True))  # a copy more
    assert np.flatnonzero(blend.partner >= 0).tolist() == [4, 9]
    assert blend.partner[[4, 9]].tolist() == [7, 0]
    assert blend.share[[4, 9]].tolist() == [0.5, 0.25]
    expected = 0.05 * values[:120].astype(np.float64).std(axis=0)
    np.testing.assert_allclose(blend.noise, expected, rtol=1e-6)


def test_a_list_without_partners_mixes_nothing(data):
    assert blend_of(data, mixed(data)) is None
    assert blend_of(data, data.listed) is None


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"partner": {4: "i007"}}, 1),
        ({"share": {4: 0.5, 5: 0.25}}, 2),
        ({"partner": {4: "i007"}, "share": {4: 1.5}}, 1),
        ({"partner": {4: "i007"}, "share": {4: -0.1}}, 1),
    ],
)
def test_half_a_mixture_is_refused(data, columns, wrong):
    with pytest.raises(CxrfairError, match=f"{wrong} rows with a partner or a share of it alone"):
        blend_of(data, mixed(data, **columns))


def test_pictures_cannot_be_mixed_and_partners_are_stored(data):
    listed = mixed(data, partner={4: "i007"}, share={4: 0.5})

    class Pictures:
        holds_vectors = False

        def rows(self, ids):
            return np.arange(len(ids))

    with pytest.raises(CxrfairError, match="1 rows mix images; that is allowed of vectors alone"):
        blend_of(data, listed, Pictures())
    with pytest.raises(CxrfairError, match="1 ids it does not hold"):
        blend_of(data, listed.replace({"partner": {"i007": "nobody"}}))


def test_nobody_is_mixed_with_an_image_that_is_judged(data, spec, train):
    for other in ("i130", "i199"):  # validation, test
        listed = mixed(data, partner={4: other}, share={4: 0.5})
        with pytest.raises(CxrfairError, match="1 rows have a partner that is not a training"):
            train(spec(), listed=listed)


def test_nothing_can_be_shown_in_vectors_mixed_or_not(data, spec, train, monkeypatch):
    monkeypatch.setattr(Erm, "reads_masks", True)
    index = pd.DataFrame({"image_id": IDS[:9], "label": "edema", "fold": "train", "row": range(9)})
    masks = Masks(np.ones((9, D, D), np.uint8), index)
    for listed in (mixed(data, partner={4: "i007"}, share={4: 0.5}), mixed(data)):
        shown = listed.assign(guided=np.where(np.arange(120) == 4, '["edema"]', None))
        with pytest.raises(CxrfairError, match="the inputs are vectors; allowed: pictures"):
            train(spec(), listed=shown, guidance=masks)


def test_a_mixed_list_trains_another_network_the_same_twice(data, spec, train):
    every = {place: f"i{(place + 4) % 120:03}" for place in range(120)}
    listed = mixed(data, partner=every, share=dict.fromkeys(range(120), 0.5))
    made = [train(spec(), listed=listed).weights for _ in range(2)]
    assert same(*made)
    plain_one = train(spec()).weights
    assert same({"m": made[0]["mean"]}, {"m": plain_one["mean"]})
    assert not torch.equal(made[0]["head.weight"], plain_one["head.weight"])


def test_a_model_is_trained_rebuilt_and_asked(data, spec, train, values, tmp_path):
    made = train(spec(epochs=20))
    card = Card.parse(json.dumps(made.card.model_dump(mode="json")))
    assert (card.backbone, card.size, card.mlp) == ("mlp", D, MLP)
    assert card.origin == "none (random)"
    network = scoring.restore(card, made.weights)
    moments = values[:120].astype(np.float64)
    np.testing.assert_allclose(network.mean, moments.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(network.sd[:-1], moments.std(axis=0)[:-1], rtol=1e-5)
    assert network.sd[-1] == 1
    scores = inference.predict(network, card, (data.splits, data.targets), data.store, CPU)
    tables.PREDICTIONS.write(scores, tmp_path / "p.parquet")
    edema = scores[(scores["label"] == "edema") & (scores["fold"] == "test")]
    ill = edema["target"] == 1
    assert edema["score"][ill].median() > edema["score"][~ill].median()
    index = inference.embed(network, data.splits, data.store, CPU, tmp_path / "e.npy")
    features = Embeddings(tmp_path / "e.npy", index).read(IDS[:3])
    network.eval()
    with torch.no_grad():
        expected = network.represent(torch.from_numpy(values[:3])).pooled
    assert features.shape == (3, 4)
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)


def test_the_same_bytes_twice_and_after_a_stop(spec, train, tmp_path, monkeypatch):
    given = spec(epochs=3)
    once, twice = train(given), train(given)
    assert same(once.weights, twice.weights)
    pd.testing.assert_frame_equal(once.history, twice.history)
    prepare, steps = loop.Training._prepare, []

    def stopped(self, *place):
        prepare(self, *place)
        steps.append(place)
        if len(steps) == 20:  # of 15 an epoch: within the second
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(loop.Training, "_prepare", stopped)
    with pytest.raises(InterruptedTrainingError):
        train(given, saved=tmp_path / "kept")
    resumed = train(given, saved=tmp_path / "kept")
    assert resumed.conditions.resumed == 1
    assert same(once.weights, resumed.weights)
    pd.testing.assert_frame_equal(once.history, resumed.history)


def test_without_hidden_layers_the_features_are_the_standardised_vector(spec, train, values):
    made = train(spec(mlp=MlpConfig(hidden=(), dropout=0.0)))
    network = scoring.restore(made.card, made.weights)
    assert sorted(made.weights) == ["head.bias", "head.weight", "mean", "sd"]
    (pooled,) = (network.represent(torch.from_numpy(values[:120])).pooled,)
    np.testing.assert_allclose(pooled.mean(0), np.zeros(D), atol=1e-4)
    np.testing.assert_allclose(pooled.std(0, correction=0)[:-1], np.ones(D - 1), rtol=1e-4)


def test_networks_of_the_other_kind_of_input_are_refused(spec, train):
    with pytest.raises(BackboneError, match="test_resnet reads pictures and these are vectors"):
        train(spec(backbone="test_resnet"))
    with pytest.raises(BackboneError, match=r"train\.pretrained: 'hub'; for mlp nobody has"):
        train(spec(pretrained="hub"))


def test_a_trained_network_is_not_asked_about_pictures(data, spec, train, task):
    made = train(spec())
    network = scoring.restore(made.card, made.weights)
    with pytest.raises(BackboneError, match=r"inputs \(2, 1, 32, 32\); allowed: vectors \(n, 12\)"):
        scoring.score(network, task.store, np.arange(2), CPU)
    with pytest.raises(BackboneError, match=r"for pictures \(n, 1, h, w\) is given \(2, 12\)"):
        scoring.score(task.method().net, data.store, np.arange(2), CPU)
