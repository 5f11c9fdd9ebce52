import json
import math
import os
from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from cxrfair.errors import CxrfairError
from cxrfair.methods import Groups, Method, Network, Player
from cxrfair.methods._method import NoConfig
from cxrfair.training import checkpoint
from cxrfair.training.checkpoint import Progress, load, save
from cxrfair.training.config import Adam, Sgd
from cxrfair.training.optimisers import build

GROUPS = Groups(("a", "b"), (4, 4))
ADAM = Adam(kind="adam", learning_rate=0.01, weight_decay=0.1)
ADAMW = Adam(kind="adamw", learning_rate=0.01, weight_decay=0.1)
SGD = Sgd(kind="sgd", learning_rate=0.01, weight_decay=0.1, momentum=0.9)
PLAIN = Sgd(kind="sgd", learning_rate=0.01, weight_decay=0.0, momentum=0.0)
NAN = math.nan


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # tensors are tiny, and tests may run side by side
    yield
    torch.set_num_threads(before)


class Small(Network):
    def __init__(self, channels=4):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3)
        self.norm = nn.BatchNorm2d(channels)
        self.width, self.head = channels, nn.Linear(channels, 2)

    def forward(self, image):
        return self.head(functional.relu(self.norm(self.stem(image))).mean((2, 3)))


class Duel(Method):
    """Two players, a buffer that moves and a number learnt on its own (0-dim)."""

    def __init__(self, channels=4):
        super().__init__(Small(channels), GROUPS, NoConfig())
        self.adversary = nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("weight", torch.full((2,), 0.5))
        self.register_buffer("seen", torch.tensor(0))

    def players(self):
        rival = (*self.adversary.parameters(), self.scale)
        return {
            "learner": Player(tuple(self.net.parameters())),
            "adversary": Player(rival, rate=0.5),
        }


def made(config=ADAM, seed=0, channels=4):
    torch.manual_seed(seed)
    method = Duel(channels).to(memory_format=torch.channels_last)
    return method, build(method, config)


def step(method, optimisers, number, players=("learner", "adversary")):
    """Take one step as the engine does: its random numbers are made of its number."""
    torch.manual_seed(number)
    image = torch.randn(5, 3, 6, 6).contiguous(memory_format=torch.channels_last)
    group = torch.randint(0, 2, (5,))
    for player in players:
        logit = functional.dropout(method.net(image), 0.2)
        guess = method.adversary(logit if player == "learner" else logit.detach()) * method.scale
        fooled = functional.cross_entropy(guess, group)
        loss = logit.square().mean() - fooled if player == "learner" else fooled
        optimisers[player].zero_grad()
        loss.backward()
        optimisers[player].step()
    method.weight = method.weight * torch.tensor([0.9, 1.1])
    method.seen += 5


def same(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        other = second[key]
        assert value.dtype == other.dtype
        assert torch.equal(value, other), key


def moments(optimisers):
    """Collect everything that optimisers remember of tensors."""
    found = {}
    for player, optimiser in optimisers.items():
        for place, held in optimiser.state_dict()["state"].items():
            found |= {f"{player}.{place}.{k}": v for k, v in held.items() if v is not None}
    return found


@pytest.mark.parametrize("config", [ADAM, ADAMW, SGD, PLAIN], ids=["adam", "adamw", "sgd", "plain"])
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_a_run_that_stopped_goes_on_to_the_same_bits(tmp_path, config, stop):
    method, optimisers = made(config)
    for number in range(stop):
        step(method, optimisers, number)
    save(tmp_path / "s", method, optimisers, Progress(step=stop))
    other, fresh = made(config, seed=1)
    assert load(tmp_path / "s", other, fresh).step == stop
    same(method.state_dict(), other.state_dict())
    same(moments(optimisers), moments(fresh))
    for number in range(stop, stop + 3):
        step(method, optimisers, number)
        step(other, fresh, number)
    same(method.state_dict(), other.state_dict())
    same(moments(optimisers), moments(fresh))


def test_the_runs_compared_above_do_differ_without_a_checkpoint():
    method, optimisers = made()
    other, fresh = made(seed=1)
    step(method, optimisers, 0)
    step(other, fresh, 0)
    assert not torch.equal(method.net.stem.weight, other.net.stem.weight)


def test_a_player_that_has_not_moved_yet_has_nothing_to_remember(tmp_path):
    method, optimisers = made()
    step(method, optimisers, 0, players=("learner",))
    save(tmp_path / "s", method, optimisers, Progress())
    other, fresh = made(seed=1)
    load(tmp_path / "s", other, fresh)
    assert not fresh["adversary"].state
    for number in (1, 2):
        step(method, optimisers, number)
        step(other, fresh, number)
    same(method.state_dict(), other.state_dict())


def test_memory_orders_are_kept(tmp_path):
    method, optimisers = made(SGD)
    step(method, optimisers, 0)
    save(tmp_path / "s", method, optimisers, Progress())
    other, fresh = made(SGD, seed=1)
    load(tmp_path / "s", other, fresh)
    weight = other.net.stem.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    assert fresh["learner"].state[weight]["momentum_buffer"].stride() == weight.stride()


@pytest.mark.parametrize(
    "kind",
    [
        lambda p: torch.optim.SGD(p, lr=0.1),  # remembers None
        lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True, betas=(0.5, 0.9)),
        lambda p: torch.optim.NAdam(p, lr=0.1),
        lambda p: torch.optim.Rprop(p, lr=0.1),
        lambda p: torch.optim.Adagrad(p, lr=0.1),
        lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
        lambda p: torch.optim.ASGD(p, lr=0.1),
    ],
    ids=["SGD", "Adam", "NAdam", "Rprop", "Adagrad", "RMSprop", "ASGD"],
)
def test_any_optimiser_of_torch_comes_back(tmp_path, kind):
    def pair(seed):
        method, _ = made(seed=seed)
        players = method.players()
        return method, {name: kind(player.parameters) for name, player in players.items()}

    method, optimisers = pair(0)
    for number in range(2):
        step(method, optimisers, number)
    save(tmp_path / "s", method, optimisers, Progress())
    other, fresh = pair(1)
    load(tmp_path / "s", other, fresh)
    for number in range(2, 4):
        step(method, optimisers, number)
        step(other, fresh, number)
    same(method.state_dict(), other.state_dict())


def test_step_counts_stay_on_the_cpu_and_settings_of_the_machine_are_its_own(tmp_path):
    method, optimisers = made()
    step(method, optimisers, 0)
    optimisers["learner"].param_groups[0]["lr"] = 0.003  # as a schedule leaves it
    save(tmp_path / "s", method, optimisers, Progress())
    other, _ = made(seed=1)
    loops = {
        name: torch.optim.Adam(player.parameters, lr=0.01, weight_decay=0.1, foreach=False)
        for name, player in other.players().items()
    }
    load(tmp_path / "s", other, loops)
    (group,) = loops["learner"].param_groups
    assert (group["lr"], group["fused"], group["foreach"]) == (0.003, None, False)
    count = loops["learner"].state[other.net.head.bias]["step"]
    assert (count.device.type, count.item(), count.shape) == ("cpu", 1, ())


def test_values_that_are_no_tensors_are_kept_as_they_are(tmp_path):
    method, optimisers = made(PLAIN)
    kept = {"nothing": None, "yes": True, "part": 0.1, "many": [1, 2.5, None]}
    optimisers["adversary"].state[method.scale] = dict(kept)
    save(tmp_path / "s", method, optimisers, Progress())
    other, fresh = made(PLAIN, seed=1)
    load(tmp_path / "s", other, fresh)
    assert fresh["adversary"].state[other.scale] == kept


def test_memories_go_to_parameters_by_name_not_by_place(tmp_path):
    method, optimisers = made()
    step(method, optimisers, 0)
    save(tmp_path / "s", method, optimisers, Progress())
    other, _ = made(seed=1)
    turned = {
        name: torch.optim.Adam(reversed(player.parameters), lr=0.01, weight_decay=0.1, fused=True)
        for name, player in other.players().items()
    }
    load(tmp_path / "s", other, turned)
    names = dict(other.named_parameters())
    for name, parameter in method.net.named_parameters(prefix="net"):
        for key, value in optimisers["learner"].state[parameter].items():
            assert torch.equal(value, turned["learner"].state[names[name]][key])


def whole_progress():
    return Progress(
        epoch=3,
        step=17,
        totals={"loss": 0.1 + 0.2, "bad": NAN, "huge": 1e308, "tiny": 5e-324, "inf": -math.inf},
        history=[(1, "loss", 0.5), (1, "validation_auroc", NAN), (2, "loss", 1 / 3)],
        best_epoch=2,
        best_score=-math.inf,
        best={"a": torch.ones(2)},
        early_epoch=1,
        early={"a": torch.zeros(2), "b": torch.tensor(3)},
        resumed=4,
    )


def test_progress_comes_back_as_it_was(tmp_path):
    progress = whole_progress()
    save(tmp_path / "s", *made(), progress)
    back = load(tmp_path / "s", *made(seed=1))
    same(progress.best, back.best)
    same(progress.early, back.early)
    for key, value in vars(progress).items():
        if key not in {"best", "early"}:
            assert repr(getattr(back, key)) == repr(value)  # equal but for NaN, to the last bit


def test_no_score_yet_is_nan(tmp_path):
    save(tmp_path / "s", *made(), Progress())
    assert math.isnan(load(tmp_path / "s", *made()).best_score)


@given(number=st.floats(), name=st.text(max_size=5))
def test_every_double_survives(tmp_path_factory, number, name):
    path = tmp_path_factory.mktemp("c") / "s"
    bare, history = nn.Linear(1, 1), [(1, name, number)]
    save(path, bare, {}, Progress(totals={name: number}, history=history, best_score=number))
    back = load(path, bare, {})
    found = [back.totals[name], back.history[0][2], back.best_score]
    assert [repr(value) for value in found] == [repr(number)] * 3
    assert back.history[0][1] == name


def test_weights_kept_beside_the_run_do_not_lie_in_the_file(tmp_path):
    method, optimisers = made()
    path = tmp_path / "s"
    save(path, method, optimisers, whole_progress())
    back = load(path, method, optimisers)
    with path.open("r+b") as file:  # worse than replacing it
        file.write(b"\0" * path.stat().st_size)
    assert back.best["a"].tolist() == [1, 1]


class Odd(nn.Module):
    """Tied weights, views of one storage, bfloat16, numbers without axes, no entries at all."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.short = nn.Parameter(torch.randn(2, 3).bfloat16())
        long = torch.randn(10)
        self.register_buffer("left", long[:6])
        self.register_buffer("right", long[4:])
        self.register_buffer("turned", torch.randn(3, 4).t())
        self.register_buffer("number", torch.tensor(7))
        self.register_buffer("empty", torch.zeros(0, 2))
        self.register_buffer("truth", torch.tensor([True, False]))


def test_odd_tensors_come_back(tmp_path):
    torch.manual_seed(0)
    odd = Odd()
    save(tmp_path / "s", odd, {"learner": torch.optim.SGD(odd.parameters(), lr=1.0)}, Progress())
    torch.manual_seed(1)
    other = Odd()
    load(tmp_path / "s", other, {"learner": torch.optim.SGD(other.parameters(), lr=1.0)})
    same(odd.state_dict(), other.state_dict())
    assert other.first.weight is other.second.weight
    assert other.turned.stride() == odd.turned.stride()


def test_no_file_is_a_run_that_has_not_begun(tmp_path):
    assert load(tmp_path / "none", *made()) == Progress()


def test_a_failed_write_keeps_the_last_state(tmp_path, monkeypatch):
    method, optimisers = made()
    step(method, optimisers, 0)
    save(tmp_path / "s", method, optimisers, Progress(epoch=1))

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path / "s", method, optimisers, Progress(epoch=2))
    assert load(tmp_path / "s", *made(seed=1)).epoch == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    seen = []

    def flushed(number):
        seen.append((os.fstat(number).st_size, (tmp_path / "s").exists()))

    monkeypatch.setattr(checkpoint.os, "fsync", flushed)
    save(tmp_path / "s", *made(), Progress())
    assert seen == [((tmp_path / "s").stat().st_size, False)]


def test_the_same_state_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        method, optimisers = made()
        step(method, optimisers, 0)
        save(tmp_path / name, method, optimisers, whole_progress())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_cut_off_file_is_named_with_what_to_do(tmp_path, share):
    path = tmp_path / "s"
    save(path, *made(), Progress())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    method, optimisers = made(seed=1)
    with pytest.raises(CxrfairError) as caught:
        load(path, method, optimisers)
    assert str(caught.value).startswith(f"checkpoint {path}: it is damaged (")
    assert str(caught.value).endswith("; delete it to start the run again")


def test_foreign_files_are_damaged_ones(tmp_path):
    path = tmp_path / "s"
    for metadata in (None, {"format": "pt"}, {"cxrfair": "{"}):
        save_file({"a": torch.ones(1)}, path, metadata)
        with pytest.raises(CxrfairError, match="it is damaged"):
            load(path, *made())
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(CxrfairError, match="it is damaged"):
        load(path, *made())


def other_run(tmp_path, method, optimisers):
    """Load a file of `made()` and return what is said against it; nothing may have changed."""
    path = tmp_path / "s"
    original, moved = made(seed=1)
    step(original, moved, 0)
    save(path, original, moved, Progress())
    before = {key: value.clone() for key, value in method.state_dict().items()}
    with pytest.raises(CxrfairError) as caught:
        load(path, method, optimisers)
    same(before, method.state_dict())
    assert all(not optimiser.state for optimiser in optimisers.values())
    said = str(caught.value)
    start, end = f"checkpoint {path}: it is of another run: ", "; delete it to start again"
    assert said.startswith(start)
    assert said.endswith(end)
    return said.removeprefix(start).removesuffix(end)


def test_another_shape_is_another_run(tmp_path):
    said = other_run(tmp_path, *made(channels=8))
    expected = "net.head.weight is (2, 4) torch.float32 in it and (2, 8) torch.float32"
    assert said == f"{expected} in this method"


def test_another_precision_is_another_run(tmp_path):
    method, _ = made()
    method.seen = method.seen.float()
    said = other_run(tmp_path, method, build(method, ADAM))
    assert said == "seen is () torch.int64 in it and () torch.float32 in this method"


def test_other_names_are_another_run(tmp_path):
    method, _ = made()
    method.register_buffer("more", torch.zeros(1))
    said = other_run(tmp_path, method, build(method, ADAM))
    assert said == "more is absent in it and (1,) torch.float32 in this method"
    del method.more, method.weight
    said = other_run(tmp_path, method, build(method, ADAM))
    assert said == "weight is (2,) torch.float32 in it and absent in this method"


def test_other_players_are_another_run(tmp_path):
    method, optimisers = made()
    left = {"learner": optimisers["learner"]}
    assert other_run(tmp_path, method, left) == "player 'adversary' is in it only"
    more = optimisers | {"third": optimisers["adversary"]}
    assert other_run(tmp_path, method, more) == "player 'third' is not in it"


def test_another_optimiser_or_setting_is_another_run(tmp_path):
    said = other_run(tmp_path, *made(ADAMW))
    assert said == "player 'adversary' is moved by Adam in it, here by AdamW"
    said = other_run(tmp_path, *made(ADAM.model_copy(update={"weight_decay": 0.2})))
    assert said == "player 'adversary' has weight_decay 0.1 in it, here 0.2"


def test_a_player_of_other_parameters_is_another_run(tmp_path):
    method, optimisers = made()
    (rest := list(method.adversary.parameters())).append(method.net.head.bias)
    optimisers["adversary"] = torch.optim.Adam(rest, lr=0.01, weight_decay=0.1, fused=True)
    said = other_run(tmp_path, method, optimisers)
    assert said == "player 'adversary' moves other parameters (net.head.bias, scale)"


def test_other_groups_of_the_same_parameters_are_another_run(tmp_path):
    method, optimisers = made()
    groups = [{"params": [parameter]} for parameter in method.players()["adversary"].parameters]
    optimisers["adversary"] = torch.optim.Adam(groups, lr=0.01, weight_decay=0.1, fused=True)
    said = other_run(tmp_path, method, optimisers)
    assert said == "player 'adversary' moves other parameters (other groups)"


def test_parameters_whose_names_begin_alike_are_told_apart(tmp_path):
    def pair():
        module = nn.ParameterDict(
            OrderedDict({"a": torch.ones(2), "a/b": torch.ones(2), "a/b/exp_avg": torch.ones(2)})
        )
        return module, {"learner": torch.optim.Adam(module.parameters(), lr=0.1)}

    module, optimisers = pair()
    for number, parameter in enumerate(module.values()):
        parameter.grad = torch.full((2,), number + 1.0)
    optimisers["learner"].step()
    save(tmp_path / "s", module, optimisers, Progress())
    other, fresh = pair()
    load(tmp_path / "s", other, fresh)
    same(moments(optimisers), moments(fresh))


def test_names_in_the_file_can_be_read_by_people(tmp_path):
    method, optimisers = made()
    step(method, optimisers, 0)
    save(tmp_path / "s", method, optimisers, whole_progress())
    with safe_open(tmp_path / "s", "pt") as file:
        keys = set(file.keys())
        meta = json.loads(file.metadata()["cxrfair"])
    assert {
        "method/net.stem.weight",
        "method/weight",
        "optimiser/adversary/scale/exp_avg",
        "optimiser/learner/net.norm.bias/step",
        "best/a",
        "early/b",
    } <= keys
    assert meta["progress"]["step"] == 17


@pytest.mark.gpu
@pytest.mark.parametrize("config", [ADAM, ADAMW, SGD], ids=lambda c: c.kind)
def test_a_run_on_a_gpu_goes_on_to_the_same_bits(tmp_path, config):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")

    def placed(seed):
        torch.manual_seed(seed)
        method = Duel().to("cuda", memory_format=torch.channels_last)
        return method, build(method, config)

    def move(optimisers):
        for optimiser in optimisers.values():
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    parameter.grad = parameter.detach().cos()
            optimiser.step()

    method, optimisers = placed(0)
    move(optimisers)
    save(tmp_path / "s", method, optimisers, Progress())
    other, fresh = placed(1)
    load(tmp_path / "s", other, fresh)
    for _ in range(2):
        move(optimisers)
        move(fresh)
    same(method.state_dict(), other.state_dict())
    same(moments(optimisers), moments(fresh))
