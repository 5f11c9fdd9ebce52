import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from cxrfair.backbones import BackboneError, build
from cxrfair.embeddings import Embeddings, write
from cxrfair.images.store import Store
from cxrfair.methods._generator import Perturbed
from cxrfair.methods._network import Around
from cxrfair.methods._words import Strided, Worded
from cxrfair.overlap import areas, enlarge
from cxrfair.probes import ProbeConfig, fit
from cxrfair.saliency import (
    GradCAM,
    Learners,
    Reader,
    SaliencyError,
    directions,
    explain,
    explain_all,
    learners,
    pictures,
)

SIZE, LABELS = 64, 2
CPU = torch.device("cpu")
EFFECTS = {"sex": ("male", "female")}


def network(name="test_resnet", size=SIZE):
    torch.manual_seed(0)
    made = build(name, "none", LABELS, size).eval()
    nn.init.normal_(made.head.weight)  # so large that the library's 1e-7 does not count
    return made


def images(n=3, size=SIZE):
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(1))


def some_directions(width, count=1):
    return np.random.default_rng(2).normal(size=(width, count))


def final_cells(net, image):
    with torch.no_grad():
        made = net.represent(image)
    return made.tokens.transpose(1, 2).reshape(len(image), net.width, *net.grid).numpy()


def scaled(maps):
    """ReLU, then from 0 to 1 in each map."""
    above = np.maximum(maps, 0)
    above = above - above.min(axis=(-2, -1), keepdims=True)
    return above / (1e-7 + above.max(axis=(-2, -1), keepdims=True))


def test_maps_are_those_of_the_paper_worked_out_by_hand():
    """Behind a mean over cells every weight is the head's (or the direction's) over p cells.

    Selvaraju et al. 2017: alpha = mean over cells of the gradient (eq. 1), map = ReLU of the sum
    of alpha times features (eq. 2). d logit / d cell = head / p, so alpha = head / p.
    """
    net = network()
    read = some_directions(net.width, 2)
    found = explain(net, read, images()).numpy()
    cells = final_cells(net, images())
    weight = np.concatenate([net.head.weight.detach().numpy(), read.T]) / np.prod(net.grid)
    wanted = scaled(pointed(np.einsum("md,ndrc->nmrc", weight, cells)))
    assert found.shape == (3, LABELS + 2, *net.grid)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=2e-5)
    assert (wanted.max(axis=(2, 3)) > 0.99).all()  # none is blank


def pointed(maps):
    """Turn each map (n, m, rows, columns) to the side that it speaks for on the whole."""
    return maps * np.sign(maps.sum(axis=(2, 3), keepdims=True))


def test_the_map_of_a_label_is_its_class_activation_without_what_speaks_for_the_other_side():
    net = network()
    _, activation = net.draw(images())
    found = explain(net, some_directions(net.width), images())[:, :LABELS].numpy()
    np.testing.assert_allclose(found, scaled(pointed(activation.numpy())), atol=2e-5)


def test_a_constant_in_the_answer_changes_no_map():
    net = network()
    before = explain(net, some_directions(net.width), images())
    nn.init.constant_(net.head.bias, -50.0)  # of a label that is hardly ever there
    assert torch.equal(explain(net, some_directions(net.width), images()), before)


def test_the_map_of_an_attribute_follows_the_probe_to_the_side_of_the_picture():
    net = network()
    cells = torch.tensor(final_cells(net, images()[:1])).flatten(2)[0].double()  # (d, p)
    middle = cells.mean(1)
    read = (cells[:, 0] - middle + 0.01 * middle).numpy()[:, None]
    along = cells.T.numpy() @ read[:, 0]
    along = along * np.sign(along.mean())
    one, other = (explain(net, sign * read, images()) for sign in (1, -1))
    assert torch.equal(one, other)  # which value is S+ is a name
    assert one[0, -1].flatten().argmax() == along.argmax()
    assert (one[0, -1].flatten()[along < 0] == 0).all()
    assert (along < 0).any()
    assert (explain(net, 0 * read, images())[:, -1] == 0).all()


def test_gradients_that_differ_between_cells_are_averaged():
    """A head on the largest cell: the gradient is the head's at one cell, nothing elsewhere."""

    class Largest(Around):
        def represent(self, image):
            made = self.body.represent(image)
            pooled = made.tokens.amax(1)
            return made._replace(pooled=pooled, logit=self.head(pooled))

    net = Largest(network()).eval()
    found = explain(net, some_directions(net.width), images())[:, :LABELS].numpy()
    cells = final_cells(net, images())
    weight = net.head.weight.detach().numpy() / np.prod(net.grid)  # each feature has one maximum
    maps = np.einsum("md,ndrc->nmrc", weight, cells)
    with torch.no_grad():
        side = np.sign((net(images()) - net.head.bias).numpy())[..., None, None]
    np.testing.assert_allclose(found, scaled(side * maps), atol=2e-5)


def test_nothing_of_a_network_changes():
    net = network()
    net.train()
    net.body.layer1.eval()
    net.head.requires_grad_(False)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    modes = [part.training for part in net.modules()]
    learns = [weight.requires_grad for weight in net.parameters()]
    with torch.no_grad():
        found = explain(net, some_directions(net.width), images())
    assert not found.requires_grad
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(weight.grad is None for weight in net.parameters())
    assert [part.training for part in net.modules()] == modes
    assert [weight.requires_grad for weight in net.parameters()] == learns
    assert not any(part._forward_hooks for part in net.modules())
    assert not torch.equal(found[0], found[1])


def test_what_goes_wrong_leaves_the_network_as_it_was(monkeypatch):
    net = network()
    monkeypatch.setattr(GradCAM, "forward", lambda *_: {}["no"])
    with pytest.raises(KeyError):
        explain(net, some_directions(net.width), images())
    assert not any(part._forward_hooks for part in net.modules())
    assert all(weight.requires_grad for weight in net.parameters())


def test_tokens_of_a_vit_lie_where_their_patches_do():
    """A network with one patch that differs: what it adds lies on its own cell of the grid."""
    net = network("test_vit")
    layer, lay_out = net.watched()
    assert layer is net.body.blocks[-1].norm1
    rows, columns = net.grid
    prefix = net.body.num_prefix_tokens
    tokens = torch.zeros(1, prefix + rows * columns, net.width)
    tokens[0, :prefix] = 7
    tokens[0, prefix + columns + 2] = 1  # second row, third column
    laid = lay_out(tokens)
    assert laid.shape == (1, net.width, rows, columns)
    assert laid.sum() == laid[:, :, 1, 2].sum() == net.width


def test_a_vit_that_reads_its_class_token_is_watched_before_the_last_attention():
    """By hand: features and gradients of the layer, found without the library."""
    net, read = network("test_vit"), some_directions(network("test_vit").width)
    layer, lay_out = net.watched()
    kept = []
    hook = layer.register_forward_hook(lambda _, __, made: kept.append(made))
    made = net.represent(images())
    hook.remove()
    answers = torch.cat([made.logit - net.head.bias, made.pooled @ torch.tensor(read).float()], 1)
    answers, wanted = answers * answers.detach().sign(), []
    for column in range(LABELS + 1):
        (gradient,) = torch.autograd.grad(answers[:, column].sum(), kept[0], retain_graph=True)
        weight = lay_out(gradient).mean((2, 3))
        wanted.append(torch.einsum("nd,ndrc->nrc", weight, lay_out(kept[0])).detach().numpy())
    found = explain(net, read, images()).numpy()
    np.testing.assert_allclose(found, scaled(np.stack(wanted, axis=1)), atol=1e-4)
    assert found.max() > 0.99


def test_a_vit_that_averages_its_patches_is_watched_at_its_end():
    net = network("test_vit")
    net.body.global_pool = "avg"
    assert net.watched()[0] is net.last
    assert explain(net, some_directions(net.width), images()).max() > 0.99


def test_a_token_network_without_that_layer_is_refused():
    net = network("test_vit")
    net.body.blocks[-1].norm1 = None
    with pytest.raises(BackboneError, match="has no `norm1` in its last block; it is needed"):
        net.watched()


def test_maps_are_of_the_picture_the_network_sees():
    body = network()
    behind = Perturbed(network(), 0.3).eval()
    nn.init.normal_(behind.generator.up[-1].weight, std=1.0)
    read = some_directions(body.width)
    with torch.no_grad():
        changed = behind.sees(images())
    found = explain(behind, read, images())
    torch.testing.assert_close(found, explain(body, read, changed))
    assert not torch.allclose(found, explain(body, read, images()), atol=1e-3)


@pytest.mark.parametrize("kind", [Worded, lambda *given: Strided(*given, 0.5, 0.07)])
def test_networks_of_words_are_explained_by_the_same_layer(kind):
    net = kind(network(), torch.randn(2 * LABELS, 7)).eval()
    assert net.watched()[0] is net.body.last
    found = explain(net, some_directions(net.width), images())
    assert found.shape == (3, LABELS + 1, *net.grid)
    assert found.max() > 0.99


def test_images_do_not_know_of_their_neighbours():
    net, read = network(), some_directions(network().width)
    together = explain(net, read, images())
    alone = torch.cat([explain(net, read, image[None]) for image in images()])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_areas_are_those_of_the_maps_the_library_would_give():
    """Enlarged afterwards is enlarged by the library, up to a factor of each map."""
    net, read = network("test_vit"), some_directions(network("test_vit").width)
    found = explain(net, read, images()).numpy()
    reader, (layer, lay_out) = Reader(net, read), net.watched()
    for column in range(LABELS + 1):
        whole = GradCAM(reader, [layer], lay_out)(images(), [lambda made, at=column: made[at]] * 3)
        large = enlarge(found[:, column], SIZE)
        low = large.min(axis=(1, 2), keepdims=True)
        again = (large - low) / (1e-7 + (large - low).max(axis=(1, 2), keepdims=True))
        np.testing.assert_allclose(again, whole, atol=1e-4)
        mine, theirs = areas(found[:, column], SIZE), areas(whole, SIZE)
        assert (mine != theirs).mean() < 0.002  # at the edge, where saliency is as good as tied


def store(n=5):
    return np.random.default_rng(3).integers(0, 255, (n, SIZE, SIZE)).astype(np.uint8)


@pytest.fixture
def stored(tmp_path):
    np.save(tmp_path / "pixels.npy", store())
    index = pd.DataFrame({"image_id": [f"i{n}" for n in range(5)], "row": range(5)})
    index = index.assign(row=index["row"].astype("Int64"), quarantine=None)
    return Store(tmp_path / "pixels.npy", index)


def test_stored_images_are_explained_in_order(stored):
    net, read = network(), some_directions(network().width)
    found = explain_all(net, read, ["i3", "i0"], stored, CPU)
    image = torch.tensor(store()[[3, 0]])[:, None] / 255
    np.testing.assert_allclose(found, explain(net, read, image).numpy(), atol=1e-4)
    np.testing.assert_array_equal(found, explain_all(net, read, ["i3", "i0"], stored, CPU))
    np.testing.assert_array_equal(pictures(net, ["i3", "i0"], stored, CPU), store()[[3, 0]])


def test_pictures_are_what_the_network_inside_sees(stored):
    class Darker(Around):
        def sees(self, image):
            return self.body.sees(image / 2)

    found = pictures(Darker(network()), ["i4"], stored, CPU)
    np.testing.assert_allclose(found, store()[[4]] / 2, atol=0.51)


def test_no_image_and_no_number_are_refused(stored):
    net = network()
    with pytest.raises(SaliencyError, match="explain: 0 images; at least 1 is needed"):
        explain_all(net, some_directions(net.width), [], stored, CPU)
    net.head.weight.data[:] = float("nan")
    with pytest.raises(SaliencyError, match="maps of 2 images are not finite; allowed: none"):
        explain_all(net, some_directions(net.width), ["i0", "i1"], stored, CPU)


IDS = [f"i{n:02d}" for n in range(40)]


def cohort():
    sex = ["male", "female", "unknown", "male"] * 10
    return pd.DataFrame({"image_id": IDS[::-1], "patient_id": "p", "sex": sex[::-1]})


@pytest.fixture
def features(tmp_path):
    values = np.random.default_rng(4).normal(size=(40, 3)).astype(np.float32)
    values[1::4, 0] += 3  # women
    write(tmp_path / "f.npy", [values], values.shape)
    index = pd.DataFrame({"image_id": IDS, "fold": "train", "row": range(40)})
    return values, Embeddings(tmp_path / "f.npy", index)


def test_directions_are_those_of_the_probe_on_training_images(features):
    values, kept = features
    folds = pd.DataFrame({"image_id": IDS, "fold": ["train"] * 30 + ["test"] * 10, "cell": "x"})
    of = learners(folds, cohort(), EFFECTS, ProbeConfig(images=1000, penalty=0.01))
    assert of.image_ids == IDS[:30]
    found = directions(kept, of, EFFECTS, 0.01)
    group = pd.DataFrame({"sex": ["male", "female", "unknown", "male"] * 10})[:30]
    probe = fit(values[:30], group, 0.01)["sex"]
    logit = values @ probe.fit.weight + probe.fit.intercept
    apart = logit[:, probe.groups.index("female")] - logit[:, probe.groups.index("male")]
    np.testing.assert_allclose(np.diff(values @ found[:, 0]), np.diff(apart), atol=1e-6)
    assert found[0, 0] > 0.5  # women have more of the first feature
    turned = directions(kept, of, {"sex": ("female", "male")}, 0.01)
    np.testing.assert_allclose(turned, -found)


def test_fewer_images_are_those_of_the_lowest_hash():
    folds = pd.DataFrame({"image_id": IDS, "fold": "train"})
    few = learners(folds, cohort(), EFFECTS, ProbeConfig(images=5, penalty=1))
    more = learners(folds[::-1], cohort(), EFFECTS, ProbeConfig(images=9, penalty=1))
    assert len(few.image_ids) == 5
    assert set(few.image_ids) < set(more.image_ids)
    assert few.group["sex"].tolist() == [
        ["male", "female", "unknown", "male"][int(name[1:]) % 4] for name in few.image_ids
    ]


def test_a_value_that_training_never_shows_has_no_direction(features):
    _, kept = features
    of = Learners(IDS[:8], pd.DataFrame({"sex": ["male", "female"] * 4}))
    assert (directions(kept, of, {"sex": ("male", "other")}, 1) == 0).all()
    alone = Learners(IDS[:8], pd.DataFrame({"sex": ["male"] * 8}))
    assert (directions(kept, alone, EFFECTS, 1) == 0).all()


def test_learners_must_be_there_and_known():
    config = ProbeConfig(images=5, penalty=1)
    with pytest.raises(SaliencyError, match="explain: 0 images in training"):
        learners(pd.DataFrame({"image_id": IDS, "fold": "test"}), cohort(), EFFECTS, config)
    folds = pd.DataFrame({"image_id": [*IDS[:2], "zz"], "fold": "train"})
    with pytest.raises(SaliencyError, match="3 images in training, 1 of them not in the cohort"):
        learners(folds, cohort(), EFFECTS, config)


def test_the_library_comes_without_a_word():
    command = [sys.executable, "-W", "error", "-c", "import cxrfair.saliency"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
