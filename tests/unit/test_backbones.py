import copy
import shutil
from functools import cache

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from cxrfair.backbones import BackboneError, Card, Form, TimmNetwork, build, compile_body
from cxrfair.methods import Network

SIZE, LABELS = 64, 3
# name, channels, features, grid: every way there is to pool and to lay out cells.
NETWORKS = [
    ("test_resnet", 1, 96, (2, 2)),
    ("test_resnet", 3, 96, (2, 2)),
    ("test_convnext", 3, 64, (2, 2)),  # a norm after pooling
    ("test_efficientnet", 1, 256, (2, 2)),
    ("test_vit", 1, 64, (4, 4)),
    ("test_vit", 3, 64, (4, 4)),
    ("test_vit2", 1, 64, (4, 4)),  # a class token nobody reads: the mean of the patches
    ("test_vit3", 1, 96, (4, 4)),  # attention pooling
    ("resnet18", 3, 512, (2, 2)),
    ("densenet121", 1, 1024, (2, 2)),
    ("vit_tiny_patch16_224", 1, 192, (4, 4)),
    ("vit_pwee_patch16_reg1_gap_256", 1, 256, (4, 4)),  # a register, no class token
    ("deit_tiny_distilled_patch16_224", 1, 192, (4, 4)),  # two tokens before the patches
    ("swin_tiny_patch4_window7_224", 1, 768, (2, 2)),  # channels last
]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small only wait for one another's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def built(name, channels=1):
    torch.manual_seed(3)
    return build(name, "none", LABELS, SIZE, channels).eval()


def own(name):
    """Give a network that a test may change."""
    return copy.deepcopy(built(name))


@pytest.fixture(params=NETWORKS, ids=lambda p: f"{p[0]}-{p[1]}")
def made(request):
    name, channels, width, grid = request.param
    return built(name, channels), name, width, grid


@pytest.fixture(scope="module")
def image():
    return torch.rand(2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(4))


def test_one_pass_gives_all_a_method_may_use(made, image):
    net, _, width, grid = made
    assert isinstance(net, Network)
    assert net.width == net.head.in_features == width
    tokens, pooled, logit, found = net.represent(image)
    assert tokens.shape == (2, grid[0] * grid[1], width)
    assert pooled.shape == (2, width)
    assert logit.shape == (2, LABELS)
    assert (logit.dtype, found) == (torch.float32, grid)
    torch.testing.assert_close(logit, net.head(pooled))
    assert torch.equal(logit, net(image))


def test_the_body_runs_once_for_all_of_it(image):
    net = own("test_resnet")
    passes = []
    net.body.conv1.register_forward_hook(lambda *_: passes.append(1))
    net.represent(image)
    assert len(passes) == 1


def test_evaluation_is_the_same_twice_and_for_each_image_alone(made, image):
    net, *_ = made
    assert torch.equal(net(image), net(image))
    torch.testing.assert_close(net(image)[1:], net(image[1:]), rtol=1e-4, atol=1e-4)


def test_weights_are_named_as_timm_names_them(made):
    net, *_ = made
    body = {f"body.{key}" for key in net.body.state_dict()}
    assert set(net.state_dict()) == body | {"head.weight", "head.bias"}


def test_a_backward_pass_reaches_every_weight(made, image):
    net, *_ = made
    net.zero_grad()
    net(image).square().sum().backward()
    unreached = [name for name, weight in net.named_parameters() if weight.grad is None]
    assert not unreached
    assert all(torch.isfinite(weight.grad).all() for weight in net.parameters())
    net.zero_grad()


def test_a_built_network_is_in_training_mode_with_untouched_statistics():
    net = build("test_resnet", "none", 1, 32)
    assert all(module.training for module in net.modules())
    assert net.body.state_dict()["bn1.num_batches_tracked"] == 0


def test_the_seed_decides_the_first_weights():
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build("test_vit", "none", 2, 32).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_vit", "test_vit3", "swin_tiny_patch4_window7_224"]
)
def test_tokens_lie_row_by_row_over_the_grid(name, image):
    net = own(name)
    before, _, _, (rows, columns) = net.represent(image)
    side = SIZE // rows
    changed = image.clone()
    changed[:, :, :side, -side:] = 1 - changed[:, :, :side, -side:]  # the cell at the top right
    moved = (net.represent(changed).tokens - before).norm(dim=2)
    assert moved.argmax(1).tolist() == [columns - 1, columns - 1]


def test_a_map_that_is_not_square_keeps_rows_and_columns_apart():
    net = own("test_resnet")
    wide = torch.rand(1, 1, 64, 96)
    tokens, _, _, grid = net.represent(wide)
    maps = net.body.forward_features(net.normalise(wide))
    assert grid == (2, 3)
    torch.testing.assert_close(tokens[:, 1 * 3 + 2], maps[:, :, 1, 2])


def test_three_channels_are_each_normalised_as_the_backbone_wants(image):
    ready = build("resnet18", "none", 1, 32, 3).normalise(image)
    assert ready.shape == (2, 3, SIZE, SIZE)
    assert ready.is_contiguous(memory_format=torch.channels_last)
    for channel, (mean, sd) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        torch.testing.assert_close(ready[:, channel], (image[:, 0] - mean) / sd)


def test_one_channel_takes_the_mean_of_the_colours_statistics(image):
    ready = build("resnet18", "none", 1, 32).normalise(image)
    mean, sd = (0.485 + 0.456 + 0.406) / 3, (0.229 + 0.224 + 0.225) / 3
    torch.testing.assert_close(ready, (image - mean) / sd)


def test_logits_stay_float32_where_the_rest_is_not(image):
    net = own("test_resnet")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tokens, pooled, logit, _ = net.represent(image)
    assert tokens.dtype == pooled.dtype == torch.bfloat16
    torch.testing.assert_close(logit, net.head(pooled.float()), rtol=0, atol=0)


def test_drawing_changes_nothing_and_keeps_no_gradient(made, image):
    net, _, _, grid = made
    before = {key: value.clone() for key, value in net.state_dict().items()}
    logit = net(image)
    flags = [getattr(module, "fused_attn", None) for module in net.modules()]
    kind, maps = net.draw(image)
    assert maps.shape == (2, 1 if kind == "attention" else LABELS, *grid)
    assert not maps.requires_grad
    assert torch.isfinite(maps).all()
    assert [getattr(module, "fused_attn", None) for module in net.modules()] == flags
    assert not any(module._forward_pre_hooks for module in net.modules())
    assert torch.equal(net(image), logit)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("test_vit", "attention"),
        ("deit_tiny_distilled_patch16_224", "attention"),
        ("test_vit2", "class_activation"),
        ("test_vit3", "class_activation"),
        ("test_resnet", "class_activation"),
    ],
)
def test_what_is_drawn_is_what_the_head_reads(name, kind, image):
    assert own(name).draw(image)[0] == kind


@pytest.mark.parametrize("name", ["test_vit", "deit_tiny_distilled_patch16_224"])
def test_attention_is_that_of_the_class_token_in_the_last_block(name, image):
    net = own(name)
    layer, given = net.body.blocks[-1].attn, []
    nn.init.normal_(layer.qkv.weight, std=0.3)  # far from an even spread
    hook = layer.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    tokens = net.represent(image).tokens
    hook.remove()
    n, t, _ = given[0].shape
    q, k, _ = layer.qkv(given[0]).view(n, t, 3, layer.num_heads, -1).permute(2, 0, 3, 1, 4)
    whole = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(3).mean(1)
    patches = whole[:, 0, t - tokens.shape[1] :]
    wanted = patches / patches.sum(1, keepdim=True)
    maps = net.draw(image)[1]
    torch.testing.assert_close(maps.flatten(1), wanted)
    torch.testing.assert_close(maps.sum((1, 2, 3)), torch.ones(2))
    assert maps.max() > 1.5 / tokens.shape[1]  # and not an even spread


@pytest.mark.parametrize("name", ["test_resnet", "densenet121", "swin_tiny_patch4_window7_224"])
def test_class_activation_averages_to_the_logit(name, image):
    net = own(name)
    _, maps = net.draw(image)
    torch.testing.assert_close(maps.mean((2, 3)) + net.head.bias, net(image), rtol=1e-4, atol=1e-4)


def test_class_activation_is_the_head_on_each_cell(image):
    net = own("test_resnet")
    tokens = net.represent(image).tokens
    wanted = torch.einsum("npd,kd->nkp", tokens, net.head.weight).view(2, LABELS, 2, 2)
    torch.testing.assert_close(net.draw(image)[1], wanted)


@pytest.mark.parametrize(
    ("name", "norm"), [("test_convnext", "head.norm"), ("test_vit2", "fc_norm")]
)
def test_class_activation_is_normalised_as_the_pooled_features_are(name, norm, image):
    net = own(name)
    layer = net.body.get_submodule(norm)
    nn.init.normal_(layer.weight)
    tokens, _, _, grid = net.represent(image)
    level = nn.functional.layer_norm(tokens, (net.width,), layer.weight, layer.bias, layer.eps)
    wanted = torch.einsum("npd,kd->nkp", level, net.head.weight).view(2, LABELS, *grid)
    torch.testing.assert_close(net.draw(image)[1], wanted)


def test_drawing_in_training_mode_or_of_hidden_attention_is_refused(image):
    with pytest.raises(BackboneError, match="training mode"):
        own("test_vit").train().draw(image)
    with pytest.raises(BackboneError, match="Cait does not show its attention"):
        build("cait_xxs24_224", "none", 1, SIZE).eval().draw(image)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("mobilenetv3_small_050", 64, r"\(4, 288\), but .* are \(4, 1024\)"),
        ("mixer_s16_224", 64, "mixer_s16_224 at 64 px: .*patches on a grid"),
        ("coat_tiny", 64, "coat_tiny at 64 px: .*patches on a grid"),
        ("inception_v3", 64, "inception_v3 at 64 px: .*[Kk]ernel"),
    ],
)
def test_networks_without_common_cells_are_refused_when_built(name, size, message):
    with pytest.raises(BackboneError, match=f"train.backbone: {name}.*{message}|{message}"):
        build(name, "none", 1, size)


@pytest.mark.parametrize(("stride", "side"), [(8, 8), (16, 4), (32, 2), (None, 2)])
def test_a_final_map_is_as_fine_as_asked_for_with_the_same_weights(stride, side, image):
    network = build("test_resnet", "none", LABELS, SIZE, form=Form(stride=stride))
    assert network.grid == (side, side)
    assert network.represent(image).tokens.shape[1] == side**2
    plain = build("test_resnet", "none", LABELS, SIZE)
    network.load_state_dict(plain.state_dict())


def test_patches_cannot_be_dilated():
    with pytest.raises(BackboneError, match="test_vit at 64 px: .*output_stride"):
        build("test_vit", "none", LABELS, SIZE, form=Form(stride=8))


def test_two_channels_are_refused():
    with pytest.raises(BackboneError, match=r"train.channels: 2; allowed are 1 and 3"):
        build("test_resnet", "none", 1, 32, 2)


CARD = {
    "backbone": "test_vit",
    "pretrained": "none",
    "origin": "none (random)",
    "channels": 1,
    "labels": ("a", "b"),
    "size": 48,
    "method": "erm",
    "settings": {},
    "groups": ("sex",),
    "batch_statistics": "one mixed forward pass",
    "provenance": "none",
    "source": "none",
    "measure": "auroc",
    "selected_epoch": 2,
    "early_epoch": 1,
    "epochs": 3,
}


def test_a_card_goes_through_json_and_lacks_nothing():
    card = Card(**CARD)
    assert Card.model_validate_json(card.model_dump_json()) == card
    for key in CARD:
        with pytest.raises(ValidationError, match=key):
            Card(**{k: v for k, v in CARD.items() if k != key})


def test_a_card_names_a_file_without_its_folder():
    assert (
        Card(**CARD | {"pretrained": "/home/someone/w.safetensors"}).pretrained == "w.safetensors"
    )


class Small(nn.Module):
    """As much of a timm network as there must be, and quick to compile."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.5,) * 3}

    def forward_features(self, image):
        return torch.tanh(self.conv(image))

    def forward_head(self, maps, pre_logits):
        return maps.mean((2, 3)) if pre_logits else None


@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler warns of torch itself
def test_a_compiled_network_is_the_same_network():
    torch.manual_seed(6)
    plain = TimmNetwork(Small(), 4, (2, 2), 2, 1)
    compiled = copy.deepcopy(plain)
    compile_body(compiled)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    image = torch.rand(2, 1, 8, 8)
    for net in (plain, compiled):
        net(image).square().sum().backward()
    torch.testing.assert_close(compiled(image), plain(image))
    for a, b in zip(compiled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    again = copy.deepcopy(compiled)
    nn.init.zeros_(again.body.conv.weight)
    nn.init.zeros_(again.body.conv.bias)
    torch.testing.assert_close(again(image), again.head.bias.expand(2, 2))  # with its own weights
