import math

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st

from cxrfair.backbones import build
from cxrfair.errors import CxrfairError
from cxrfair.methods._words import Strided, Worded, cosine, select

TEXT = torch.randn((2, 6), generator=torch.Generator().manual_seed(5))


@pytest.fixture
def images():
    return torch.rand((3, 1, 5, 3), generator=torch.Generator().manual_seed(2))


@drawn(st.integers(1, 30), st.floats(0.01, 1), st.integers(0, 99))
def test_exactly_the_share_is_selected_and_it_is_the_most_relevant(patches, keep, seed):
    score = torch.randn((4, patches), generator=torch.Generator().manual_seed(seed))
    count = math.ceil(keep * patches)
    weight, kept = select(score, count)
    assert kept.shape == (4, count)
    assert ((weight != 0).sum(1) == count).all()
    torch.testing.assert_close(weight.sum(1), torch.ones(4))
    for row, places, values in zip(score, kept, weight, strict=True):
        left_out = np.setdiff1d(np.arange(patches), places)
        assert all(row[left_out] <= row[places].min())
        assert torch.equal(row[places], row[places].sort(descending=True).values)
        torch.testing.assert_close(values[places], row[places].softmax(0))


def test_of_patches_alike_the_first_are_selected():
    weight, kept = select(torch.zeros(2, 7), 3)
    assert kept.tolist() == [[0, 1, 2]] * 2
    torch.testing.assert_close(weight[0], torch.tensor([1 / 3] * 3 + [0.0] * 4))


def test_the_gradient_of_a_selection_is_that_of_the_softmax_over_all_patches():
    score = torch.tensor([[0.3, -1.0, 2.0, 0.1]], requires_grad=True)
    token = torch.tensor([1.0, 5.0, -2.0, 3.0])
    weight, _ = select(score, 1)
    assert (weight * token).sum().item() == -2
    (weight * token).sum().backward()
    soft = np.exp([0.3, -1.0, 2.0, 0.1]) / np.exp([0.3, -1.0, 2.0, 0.1]).sum()
    mean = soft @ token.numpy()
    np.testing.assert_allclose(score.grad[0], soft * (token.numpy() - mean), rtol=1e-5)


def test_a_selection_counts_the_share_of_its_network(patched, images):
    for keep, count in ((0.15, 1), (0.2, 1), (0.21, 2), (0.5, 3), (1, 5)):
        seen = Strided(patched(), TEXT, keep, 0.07).attend(images)
        assert seen.kept.shape == (3, count)
        assert seen.selected.shape == (3, count, 4)
        assert torch.equal(seen.selected[1, 0], seen.tokens[1, seen.kept[1, 0]])


def test_what_is_learnt_reaches_the_mask_the_map_and_the_network(patched, images):
    network = Strided(patched(), TEXT, 0.4, 0.07)
    network(images).sum().backward()
    for parameter in (network.mask, network.to_patches.weight, network.body.body.weight):
        assert parameter.grad.abs().sum() > 0
    # Each patch learns through the phrase it is closest to, those left out too.
    seen = network.attend(images)
    closest = torch.zeros_like(network.mask)
    for each in seen.relevance.argmax(2):
        closest[torch.arange(5), each] = 1
    assert torch.equal(network.mask.grad != 0, closest == 1)


def test_relevance_is_the_cosine_over_the_temperature_plus_the_mask(patched, images):
    network = Strided(patched(), TEXT, 0.4, 0.5)
    with torch.no_grad():
        network.mask.normal_()
    tokens = (images[:, 0] @ network.body.body.weight.T).detach().numpy().astype(float)
    words = (TEXT @ network.to_patches.weight.T).detach().numpy().astype(float)
    for n, p, word in np.ndindex(3, 5, 2):
        one, other = tokens[n, p], words[word]
        hand = one @ other / math.hypot(*one) / math.hypot(*other) / 0.5
        found = network.attend(images).relevance[n, p, word]
        assert found.item() == pytest.approx(hand + network.mask[p, word].item(), rel=1e-4)


def test_the_mask_alone_can_choose_where_to_look(patched, images):
    network = Strided(patched(), TEXT, 0.4, 0.07)
    with torch.no_grad():
        network.mask[3, 1], network.mask[0, 0] = 90, 80
    seen = network.attend(images)
    assert seen.kept.tolist() == [[3, 0]] * 3
    np.testing.assert_allclose(seen.pooled.detach(), seen.tokens[:, 3].detach(), atol=1e-3)


@pytest.mark.parametrize("kind", ["worded", "strided"])
@pytest.mark.parametrize("backbone", ["test_vit", "test_resnet"])
def test_patches_of_a_vit_and_cells_of_a_resnet_are_drawn_phrase_by_phrase(kind, backbone):
    torch.manual_seed(0)
    body, text = build(backbone, "none", 2, 64), torch.randn(4, 6)
    network = (Worded(body, text) if kind == "worded" else Strided(body, text, 0.25, 0.07)).eval()
    image = torch.rand(3, 1, 64, 64)
    name, maps = network.draw(image)
    assert name == "relevance"
    assert maps.shape == (3, 4, *body.grid)
    assert network.shows(("mass", "edema")) == ("mass", "edema", "not mass", "not edema")
    relevance = network.relevance(network.represent(image).tokens)
    torch.testing.assert_close(maps[1, 2].flatten(), relevance[1, :, 2].detach())
    assert not maps.requires_grad
    if kind == "strided":
        best = maps.flatten(2).amax(1).topk(network.count).indices
        assert torch.equal(best.sort(1).values, network.attend(image).kept.sort(1).values)


def test_a_network_answers_alike_with_words_and_without(patched, images):
    body = patched()
    assert torch.equal(Worded(body, TEXT)(images), body(images))


@pytest.mark.parametrize("text", [None, torch.zeros(3, 6)])
def test_two_phrases_a_label_are_needed(patched, text):
    with pytest.raises(CxrfairError, match="labels; allowed: two a label"):
        Worded(patched(), text)


def test_a_vector_of_zeros_is_close_to_nothing():
    assert cosine(torch.zeros(1, 2, 4), torch.ones(3, 4)).tolist() == [[[0.0] * 3] * 2]
