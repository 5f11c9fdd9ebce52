import math

import numpy as np
import pytest
import torch
from scipy.special import erf

from cxrfair.backbones import build
from cxrfair.errors import CxrfairError
from cxrfair.localisation import KINDS
from cxrfair.methods._decoder import Aligned, Layer, Looking, Refiner, Shape

SMALL = Shape(layers=2, heads=2, feedforward=6, dropout=0.0)
TEXT = torch.randn((6, 7), generator=torch.Generator().manual_seed(5))  # of three labels


@pytest.fixture
def images():
    return torch.rand((3, 1, 5, 3), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def aligned(patched):
    torch.manual_seed(1)
    return Aligned(patched(labels=3), TEXT, SMALL)


def array(tensor):
    return tensor.detach().numpy().astype(float)


def affine(layer, values):
    made = values @ array(layer.weight).T
    return made if layer.bias is None else made + array(layer.bias)


def normed(layer, values):
    centred = values - values.mean(-1, keepdims=True)
    scaled = centred / np.sqrt(centred.var(-1, keepdims=True) + layer.eps)
    return scaled * array(layer.weight) + array(layer.bias)


def look(layer, query, memory):
    """One image's queries (l, d) and memory (p, d), head by head and query by query."""
    q, k, v = (
        affine(each, of)
        for each, of in ((layer.query, query), (layer.key, memory), (layer.value, memory))
    )
    width = q.shape[1] // layer.heads
    found, where = np.zeros_like(q), np.zeros((len(query), len(memory)))
    for head in range(layer.heads):
        own = slice(head * width, (head + 1) * width)
        for i in range(len(query)):
            score = np.array([q[i, own] @ key for key in k[:, own]]) / math.sqrt(width)
            share = np.exp(score) / np.exp(score).sum()
            found[i, own] = sum(s * value for s, value in zip(share, v[:, own], strict=True))
            where[i] += share / layer.heads
    return affine(layer.out, found), where


def layered(layer, query, memory):
    found, where = look(layer.looking, normed(layer.before, query), memory)
    query = query + found
    inner = np.maximum(affine(layer.thinking[0], normed(layer.between, query)), 0)
    return query + affine(layer.thinking[3], inner), where


@pytest.mark.parametrize(("heads", "each"), [(1, 5), (2, 3), (3, 2), (4, 2), (5, 1)])
def test_cross_attention_is_what_is_written_down(heads, each):
    torch.manual_seed(0)
    layer = Looking(5, heads, 0.3).eval()
    assert layer.query.out_features == heads * each
    query, memory = torch.randn(2, 3, 5), torch.randn(2, 4, 5)
    found, where = layer(query, memory)
    for i in range(2):
        by_hand = look(layer, array(query[i]), array(memory[i]))
        np.testing.assert_allclose(array(found[i]), by_hand[0], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(array(where[i]), by_hand[1], rtol=1e-5)
    torch.testing.assert_close(where.sum(2), torch.ones(2, 3))


def test_heads_that_divide_the_width_are_torchs_own():
    torch.manual_seed(0)
    layer, other = Looking(6, 3, 0.0), torch.nn.MultiheadAttention(6, 3, batch_first=True)
    with torch.no_grad():
        parts = layer.query, layer.key, layer.value
        other.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        other.in_proj_bias.zero_()
        other.in_proj_bias[:6], other.in_proj_bias[12:] = layer.query.bias, layer.value.bias
        other.out_proj.load_state_dict(layer.out.state_dict())
    query, memory = torch.randn(2, 3, 6), torch.randn(2, 4, 6)
    torch.testing.assert_close(layer(query, memory), other(query, memory, memory))


def test_a_layer_is_what_is_written_down():
    torch.manual_seed(0)
    layer = Layer(5, SMALL)
    query, memory = torch.randn(1, 2, 5), torch.randn(1, 4, 5)
    found, where = layer(query, memory)
    by_hand = layered(layer, array(query[0]), array(memory[0]))
    np.testing.assert_allclose(array(found[0]), by_hand[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(array(where[0]), by_hand[1], rtol=1e-4)


def test_an_answer_is_a_labels_own_row_of_the_head_on_its_own_query(aligned, images):
    seen = aligned.ask(images)
    text = array(TEXT[:3]) @ array(aligned.to_patches.weight).T
    for i in range(3):
        tokens = array(images[i, 0] @ aligned.body.body.weight.T)
        memory, query = normed(aligned.memory, tokens), text
        for layer in aligned.layers:
            query, where = layered(layer, query, memory)
        query = normed(aligned.answer, query)
        np.testing.assert_allclose(array(seen.tokens[i]), tokens, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(array(seen.query[i]), query, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(array(seen.attention[i]), where, rtol=1e-3)
        for label in range(3):
            head = array(aligned.head.weight[label]), array(aligned.head.bias[label])
            answer = head[0] @ query[label] + head[1]
            assert seen.logit[i, label].item() == pytest.approx(answer, rel=1e-3, abs=1e-4)
    made = aligned.represent(images)
    torch.testing.assert_close(made.pooled, seen.query.mean(1))
    assert torch.equal(made.logit, seen.logit)
    assert made.grid == (5, 1)


def test_an_answer_and_a_map_do_not_depend_on_which_other_labels_exist(aligned, patched, images):
    alone = Aligned(patched(labels=1), TEXT[[1, 4]], SMALL)
    saved = aligned.state_dict()
    saved |= {key: saved[key][1:2] for key in ("body.head.weight", "body.head.bias")}
    alone.load_state_dict(saved | {"text": TEXT[[1, 4]]})
    torch.testing.assert_close(alone(images)[:, 0], aligned(images)[:, 1])
    torch.testing.assert_close(alone.draw(images)[1][:, 0], aligned.draw(images)[1][:, 1])
    asked = aligned.ask(images, slice(1, 2))
    torch.testing.assert_close(asked.logit[:, 0], aligned(images)[:, 1])
    assert asked.query.shape == (3, 1, 4)
    # A head of one label reads what is pooled.
    made = alone.represent(images)
    torch.testing.assert_close(alone.head(made.pooled), made.logit)


def test_what_says_that_a_label_is_not_there_asks_nothing(aligned, images):
    before = aligned(images)
    aligned.text[3:] += 1
    assert torch.equal(aligned(images), before)
    aligned.text[0] += 1
    assert (aligned(images)[:, 0] != before[:, 0]).all()
    assert torch.equal(aligned(images)[:, 1:], before[:, 1:])


def test_a_map_that_nobody_taught_has_its_cells_in_the_order_of_their_attention():
    share = torch.randn((4, 2, 6), generator=torch.Generator().manual_seed(3)).softmax(2)
    maps = Refiner()(share, (2, 3))
    assert maps.shape == (4, 2, 2, 3)
    assert torch.equal(maps.flatten(2).argsort(2), share.argsort(2))
    level = 6 * share + 1e-3
    torch.testing.assert_close(maps.flatten(2), level / (1 + level))
    alike = Refiner()(torch.full((1, 1, 6), 1 / 6), (2, 3))
    torch.testing.assert_close(alike, torch.full((1, 1, 2, 3), 0.5), rtol=0, atol=1e-3)


def test_a_map_is_refined_by_two_convolutions():
    torch.manual_seed(0)
    refiner = Refiner()
    torch.nn.init.normal_(refiner.last.weight)
    torch.nn.init.normal_(refiner.last.bias)
    share = torch.rand(1, 1, 6).softmax(2)

    def conv(layer, maps):
        padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
        weight, bias = array(layer.weight), array(layer.bias)
        found = np.zeros((len(weight), 2, 3))
        for out, row, column in np.ndindex(found.shape):
            window = padded[:, row : row + 3, column : column + 3]
            found[out, row, column] = (window * weight[out]).sum() + bias[out]
        return found

    level = np.log(array(share).reshape(1, 2, 3) * 6 + 1e-3)
    inner = conv(refiner.first, level)
    inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
    by_hand = 1 / (1 + np.exp(-(level + conv(refiner.last, inner))))
    np.testing.assert_allclose(array(refiner(share, (2, 3))[0]), by_hand, rtol=1e-4)


@pytest.mark.parametrize("backbone", ["test_vit", "test_resnet"])
def test_a_map_of_every_label_is_drawn(backbone):
    torch.manual_seed(0)
    body = build(backbone, "none", 2, 64)
    network = Aligned(body, torch.randn(4, 6), Shape(1, 4, 16, 0.1)).eval()
    image = torch.rand(3, 1, 64, 64)
    name, maps = network.draw(image)
    assert name == "attention"
    assert name in KINDS
    assert maps.shape == (3, 2, *body.grid)
    assert not maps.requires_grad
    assert ((maps >= 0) & (maps <= 1)).all()
    assert torch.equal(maps, network.draw(image)[1])
    assert network.shows(("mass", "edema")) == ("mass", "edema")
    assert network(image).shape == (3, 2)


def test_units_are_left_out_in_training_alone(patched, images):
    network = Aligned(patched(labels=3), TEXT, SMALL._replace(dropout=0.5))
    assert torch.equal(network.eval()(images), network(images))
    assert not torch.equal(network.train()(images), network(images))
    torch.testing.assert_close(network.ask(images).attention.sum(2), torch.ones(3, 3))


def test_it_answers_in_float32_whatever_the_precision(aligned, images):
    with torch.autocast("cpu", torch.bfloat16):
        seen = aligned.ask(images)
        maps = aligned.maps(seen.attention)
    assert {seen.logit.dtype, seen.attention.dtype, maps.dtype} == {torch.float32}


def test_what_is_learnt_reaches_every_layer_and_the_body(aligned, images):
    seen = aligned.ask(images)
    torch.nn.init.normal_(aligned.refiner.last.weight)
    (seen.logit.sum() + aligned.maps(seen.attention).sum()).backward()
    reached = {key: p.grad is not None and p.grad.any() for key, p in aligned.named_parameters()}
    assert all(reached.values()), reached


@pytest.mark.parametrize("text", [None, torch.zeros(3, 6)])
def test_two_phrases_a_label_are_needed(patched, text):
    with pytest.raises(CxrfairError, match="labels; allowed: two a label"):
        Aligned(patched(), text, SMALL)
