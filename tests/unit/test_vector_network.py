import numpy as np
import pytest
import torch
from torch import nn

from cxrfair.backbones import Form, build, compile_body, origin
from cxrfair.config import ConfigError
from cxrfair.methods import Network
from cxrfair.pretrained import BackboneError
from cxrfair.vector_network import MlpConfig, VectorNetwork

D, LABELS = 6, 3
TWO = MlpConfig(hidden=(5, 4), dropout=0.3)


@pytest.fixture
def net():
    torch.manual_seed(3)
    return build("mlp", "none", LABELS, D, form=Form(TWO))


@pytest.fixture
def vectors():
    return torch.randn(7, D, generator=torch.Generator().manual_seed(4)) * 3 + 2


def test_one_pass_gives_all_a_method_may_use(net, vectors):
    net.eval()
    assert isinstance(net, Network)
    assert net.width == net.head.in_features == 4
    tokens, pooled, logit, grid = net.represent(vectors)
    assert (tokens.shape, pooled.shape, logit.shape) == ((7, 1, 4), (7, 4), (7, LABELS))
    assert grid == net.grid == (1, 1)
    torch.testing.assert_close(tokens[:, 0], pooled)
    assert torch.equal(logit, net.head(pooled))
    assert torch.equal(logit, net(vectors))


def test_it_is_what_a_hand_would_compute(net, vectors):
    """Linear, ReLU, twice; then the head, all on standardised numbers."""
    mean, sd = vectors.mean(0), vectors.std(0, correction=0)
    net.standardise(mean, sd)
    net.eval()
    weights = {name: value.numpy().astype(float) for name, value in net.state_dict().items()}
    x = ((vectors - mean) / sd).numpy().astype(float)
    for layer in (0, 3):
        x = np.maximum(x @ weights[f"body.{layer}.weight"].T + weights[f"body.{layer}.bias"], 0)
    expected = x @ weights["head.weight"].T + weights["head.bias"]
    np.testing.assert_allclose(net(vectors).detach(), expected, rtol=1e-4, atol=1e-5)


def test_units_are_left_out_only_while_training(net, vectors):
    torch.manual_seed(0)
    assert not torch.equal(net(vectors), net(vectors))
    net.eval()
    assert torch.equal(net(vectors), net(vectors))
    rates = [layer.p for layer in net.body if isinstance(layer, nn.Dropout)]
    assert rates == [0.3, 0.3]


def test_an_image_s_answer_hangs_on_nothing_else_in_the_batch(net, vectors):
    net.eval()
    torch.testing.assert_close(net(vectors)[2:3], net(vectors[2:3]))


def test_moments_are_weights_and_a_number_that_never_varies_is_only_moved(net):
    sd = torch.tensor([1.0, 2, 0, 1, 1, 1])
    net.standardise(torch.arange(6.0), sd)
    state = net.state_dict()
    assert state["mean"].tolist() == [0, 1, 2, 3, 4, 5]
    assert state["sd"].tolist() == [1, 2, 1, 1, 1, 1]
    other = VectorNetwork(D, LABELS, TWO)
    other.load_state_dict(state)
    assert torch.equal(other.sd, net.sd)
    assert not any(name in {"mean", "sd"} for name, _ in net.named_parameters())


def test_moments_of_other_vectors_and_those_that_are_none_are_refused(net):
    with pytest.raises(BackboneError, match=r"moments of \(5, 6\) numbers; allowed: \(6,\) each"):
        net.standardise(torch.zeros(5), torch.ones(6))
    with pytest.raises(BackboneError, match="are not finite"):
        net.standardise(torch.full((6,), torch.nan), torch.ones(6))


@pytest.mark.parametrize("shape", [(2, 5), (6,), (2, 1, 6, 6)])
def test_other_inputs_are_refused(net, shape):
    with pytest.raises(BackboneError, match=r"allowed: vectors \(n, 6\)"):
        net(torch.zeros(shape))


def test_there_is_nothing_to_draw(net, vectors):
    for ask in (lambda: net.draw(vectors), lambda: net.shows(("a",)), net.watched):
        with pytest.raises(BackboneError, match="pictures"):
            ask()


def test_compiled_it_says_the_same_and_keeps_its_names(net, vectors, monkeypatch):
    net.eval()
    names, before = list(net.state_dict()), net(vectors)
    asked = []
    monkeypatch.setattr(torch, "compile", lambda run: asked.append(run) or run)
    compile_body(net)
    assert len(asked) == 1
    assert list(net.state_dict()) == names
    assert torch.equal(net(vectors), before)


def test_only_mlp_reads_vectors_and_only_vectors():
    with pytest.raises(BackboneError, match="mlp reads vectors and these are pictures"):
        build("mlp", "none", LABELS, 32)
    with pytest.raises(BackboneError, match="resnet18 reads pictures and these are vectors"):
        build("resnet18", "none", LABELS, D, form=Form(TWO))
    with pytest.raises(BackboneError, match=r"train\.pretrained: 'hub'; for mlp"):
        build("mlp", "hub", LABELS, D, form=Form(TWO))
    with pytest.raises(BackboneError, match=r"train\.pretrained: 'w\.safetensors'"):
        origin("mlp", "w.safetensors")
    assert origin("mlp", "none") == "none (random)"


@pytest.mark.parametrize(
    "wrong", ['"hidden": [0]', '"hidden": [4], "dropout": 1.0', '"dropout": 0']
)
def test_settings_that_make_no_network_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"train\.mlp\."):
        MlpConfig.parse(f"{{{wrong}}}", "train.mlp")
