import pytest
import torch
from safetensors.torch import save_file

from cxrfair import inference
from cxrfair.backbones import BackboneError, Card, build
from cxrfair.torchvision_ops import declare_if_missing


@pytest.mark.parametrize(("name", "n_tokens"), [("test_resnet", 4), ("test_vit", 16)])
def test_one_interface_for_convolutions_and_transformers(name, n_tokens):
    net = build(name, "none", 3, 64).eval()
    image = torch.rand(2, 1, 64, 64)
    assert net(image).shape == (2, 3)
    width = net.head.in_features
    assert net.features(image).shape == (2, width)
    assert net.tokens(image).shape == (2, n_tokens, width)
    torch.testing.assert_close(net(image), net.head(net.features(image)))


def test_images_are_normalised_as_the_backbone_wants():
    net = build("resnet18", "none", 1, 32)
    assert float(net.mean) == pytest.approx((0.485 + 0.456 + 0.406) / 3)
    assert float(net.sd) == pytest.approx((0.229 + 0.224 + 0.225) / 3)


def test_an_unknown_name_is_refused_with_near_ones():
    with pytest.raises(
        BackboneError, match=r"train.backbone: timm has no 'resnet19'; near it: .*resnet18"
    ):
        build("resnet19", "none", 1, 32)


def test_weights_come_from_a_file_when_told_so(tmp_path):
    torch.manual_seed(1)
    given = build("test_resnet", "none", 1, 32)
    save_file(given.body.state_dict(), tmp_path / "w.safetensors")
    loaded = build("test_resnet", str(tmp_path / "w.safetensors"), 1, 32)
    for key, value in given.body.state_dict().items():
        torch.testing.assert_close(loaded.body.state_dict()[key], value)


def test_weights_that_cannot_be_had_are_an_error_and_nothing_else_is_used(tmp_path):
    with pytest.raises(BackboneError, match=r"train.pretrained: test_resnet from '.*gone"):
        build("test_resnet", str(tmp_path / "gone.safetensors"), 1, 32)
    (tmp_path / "pickle.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(BackboneError, match=r"train.pretrained"):
        build("test_resnet", str(tmp_path / "pickle.bin"), 1, 32)


def test_a_network_comes_back_from_its_card_and_weights():
    torch.manual_seed(2)
    net = build("test_vit", "none", 2, 48).eval()
    card = Card(
        backbone="test_vit",
        pretrained="none",
        labels=("a", "b"),
        size=48,
        method="erm",
        selected_epoch=1,
    )
    again = inference.restore(card, net.state_dict()).eval()
    image = torch.rand(2, 1, 48, 48)
    torch.testing.assert_close(net(image), again(image))


def test_declaring_torchvision_s_operators_twice_is_harmless():
    declare_if_missing()
    declare_if_missing()
