import hashlib
import logging

import pytest
import torch
from safetensors.torch import save_file

from cxrfair.backbones import BackboneError, build, origin
from cxrfair.pretrained import timm  # it sees to what timm needs of torchvision first
from cxrfair.torchvision_ops import declare_if_missing

logging.getLogger("timm").setLevel(logging.ERROR)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small only wait for one another's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def as_on_the_hub(name, **settings):
    """Make weights in the form timm publishes them: three colours, 1,000 classes, 160 px."""
    torch.manual_seed(1)
    return timm.create_model(name, **settings).state_dict()


@pytest.fixture
def resnet(tmp_path):
    path = tmp_path / "resnet.safetensors"
    save_file(as_on_the_hub("test_resnet"), path)
    return path


@pytest.fixture
def vit(tmp_path):
    path = tmp_path / "vit.safetensors"
    save_file(as_on_the_hub("test_vit"), path)
    return path


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet", "test_vit3"]
)
def test_a_file_of_the_hub_gives_its_weights_but_for_the_classifier(name, tmp_path):
    given = as_on_the_hub(name)
    save_file(given, tmp_path / "w.safetensors")
    body = build(name, str(tmp_path / "w.safetensors"), 2, 160, 3).body
    known = timm.get_pretrained_cfg(name)
    classifier = {f"{known.classifier}.weight", f"{known.classifier}.bias"}
    loaded = body.state_dict()
    assert set(given) - set(loaded) == classifier
    for key, value in loaded.items():
        assert torch.equal(value, given[key]), key
    assert "state_dict" not in body.pretrained_cfg


def test_colours_are_summed_for_one_channel(resnet):
    given = as_on_the_hub("test_resnet")["conv1.0.weight"]
    body = build("test_resnet", str(resnet), 2, 64).body
    torch.testing.assert_close(body.conv1[0].weight.detach(), given.sum(1, keepdim=True))


@pytest.mark.parametrize(("name", "file"), [("test_resnet", "resnet"), ("test_vit", "vit")])
def test_one_channel_and_three_are_the_same_function_of_grey(name, file, request):
    path = str(request.getfixturevalue(file))
    one, three = (build(name, path, 2, 64, channels).eval() for channels in (1, 3))
    image = torch.rand(2, 1, 64, 64)
    torch.testing.assert_close(
        one.represent(image).pooled, three.represent(image).pooled, rtol=1e-4, atol=1e-4
    )


def test_position_embeddings_are_adapted_to_the_size(vit):
    given = as_on_the_hub("test_vit")
    body = build("test_vit", str(vit), 2, 64).body
    assert given["pos_embed"].shape == (1, 1 + 100, 64)
    assert body.pos_embed.shape == (1, 1 + 16, 64)
    assert torch.equal(body.pos_embed[:, 0], given["pos_embed"][:, 0])  # the class token's own
    assert torch.equal(
        body.state_dict()["blocks.0.mlp.fc1.weight"], given["blocks.0.mlp.fc1.weight"]
    )


@pytest.mark.parametrize(
    ("name", "first"), [("test_resnet", "conv1.0"), ("test_vit", "patch_embed.proj")]
)
def test_weights_saved_with_one_channel_load_into_one_and_three(name, first, tmp_path):
    given = as_on_the_hub(name, in_chans=1)
    path = tmp_path / "grey.safetensors"
    save_file(given, path)
    kernel = given[f"{first}.weight"]
    for channels in (1, 3):
        loaded = build(name, str(path), 2, 160, channels).body.get_submodule(first).weight
        wanted = kernel.expand(-1, channels, -1, -1) / channels
        torch.testing.assert_close(loaded.detach(), wanted)


def test_weights_saved_without_a_classifier_load(tmp_path):
    given = build("test_resnet", "none", 1, 32)
    save_file(given.body.state_dict(), tmp_path / "w.safetensors")
    loaded = build("test_resnet", str(tmp_path / "w.safetensors"), 1, 32)
    for key, value in given.body.state_dict().items():
        assert torch.equal(loaded.body.state_dict()[key], value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("layer1.0.bn1.bias"), r"Missing key\(s\).*layer1.0.bn1.bias"),
        (lambda w: w.update({"no.such": torch.ones(1)}), r"Unexpected key\(s\).*no.such"),
        (lambda w: w.update({"bn1.bias": torch.ones(3)}), r"size mismatch for bn1.bias"),
    ],
)
def test_a_file_holds_all_weights_of_the_network_and_no_others(change, message, tmp_path):
    weights = as_on_the_hub("test_resnet")
    change(weights)
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(BackboneError, match=f"train.pretrained: test_resnet from .*{message}"):
        build("test_resnet", str(tmp_path / "w.safetensors"), 1, 64)


def test_weights_of_another_network_are_refused(resnet, vit):
    with pytest.raises(BackboneError, match=r"train.pretrained: test_vit from .*resnet"):
        build("test_vit", str(resnet), 1, 64)
    with pytest.raises(BackboneError, match=r"train.pretrained: test_resnet from .*vit"):
        build("test_resnet", str(vit), 1, 64)
    with pytest.raises(BackboneError, match=r"train.pretrained: swin_tiny.* from .*vit"):
        build("swin_tiny_patch4_window7_224", str(vit), 1, 64)


@pytest.mark.parametrize(
    "ask", [lambda f: build("test_resnet", f, 1, 32), lambda f: origin("test_resnet", f)]
)
def test_files_that_cannot_be_had_are_an_error_and_nothing_else_is_used(ask, tmp_path):
    with pytest.raises(BackboneError, match=r"train.pretrained: there is no file '.*gone"):
        ask(str(tmp_path / "gone.safetensors"))
    for other in ("w.bin", "w.pth", "w.npz"):
        (tmp_path / other).write_bytes(b"\x80\x04.")
        with pytest.raises(BackboneError, match=r"allowed are none, hub or a .safetensors file"):
            ask(str(tmp_path / other))
    with pytest.raises(BackboneError, match=r"train.pretrained: 'Hub'; allowed"):
        ask("Hub")


def test_a_pickle_under_another_name_is_not_opened(tmp_path):
    path = tmp_path / "w.safetensors"
    torch.save(as_on_the_hub("test_resnet"), path)
    with pytest.raises(BackboneError, match=r"train.pretrained: test_resnet from .*header"):
        build("test_resnet", str(path), 1, 32)


def test_the_hub_is_asked_for_timm_s_own_weights(monkeypatch):
    asked = []

    def answer(name, **_):
        asked.append(name)
        return as_on_the_hub("test_resnet")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", answer)
    body = build("test_resnet", "hub", 1, 64).body
    assert asked == ["timm/test_resnet.r160_in1k"]
    assert torch.equal(body.state_dict()["bn1.weight"], as_on_the_hub("test_resnet")["bn1.weight"])


def test_a_hub_that_does_not_answer_is_an_error(monkeypatch):
    def silence(*_, **__):
        raise FileNotFoundError("no connection")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", silence)
    with pytest.raises(
        BackboneError, match=r"train.pretrained: test_vit from 'hub': no connection"
    ):
        build("test_vit", "hub", 1, 64)


def test_a_network_without_published_weights_has_none_to_give():
    for ask in (lambda: build("test_maxvit", "hub", 1, 64), lambda: origin("test_maxvit", "hub")):
        with pytest.raises(BackboneError, match=r"train.pretrained: .*test_maxvit"):
            ask()


def test_where_weights_come_from_is_said_without_a_folder(resnet):
    digest = hashlib.sha256(resnet.read_bytes()).hexdigest()
    assert origin("test_resnet", "none") == "none (random)"
    assert origin("test_resnet", "hub") == "hub: timm/test_resnet.r160_in1k"
    assert origin("resnet18.tv_in1k", "hub") == "hub: timm/resnet18.tv_in1k"
    assert origin("test_resnet", str(resnet)) == f"file resnet.safetensors, sha256 {digest[:12]}"


def test_an_unknown_name_is_refused_with_near_ones():
    for ask in (lambda: build("resnet19", "none", 1, 32), lambda: origin("resnet19", "none")):
        with pytest.raises(
            BackboneError, match=r"train.backbone: timm has no 'resnet19'; near it: .*resnet18"
        ):
            ask()


def test_an_unknown_tag_is_refused_with_the_known_ones():
    with pytest.raises(
        BackboneError, match=r"train.backbone: .*bogus.*; allowed are resnet18.a1_in1k"
    ):
        build("resnet18.bogus", "none", 1, 32)


def test_declaring_torchvision_s_operators_twice_is_harmless():
    declare_if_missing()
    declare_if_missing()
