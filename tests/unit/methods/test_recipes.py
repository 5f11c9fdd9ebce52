import copy
import math

import numpy as np
import pytest
import yaml

from cxrfair import methods
from cxrfair.methods import Groups
from cxrfair.methods._method import NoConfig
from cxrfair.methods.chexclusion import Chexclusion
from cxrfair.methods.ubaia import Ubaia
from cxrfair.scales import SCALES, resolve, train_section
from cxrfair.training.config import TrainConfig

RECIPES = pytest.mark.parametrize("name", ["ubaia", "chexclusion"])
PARAMS = {
    "train": {"epochs": 12, "optimiser": {"kind": "adamw", "rate": 1, "decay": 2}, "augment": {}},
    "recipes": {"ubaia": {"epochs": 64, "optimiser": {"kind": "adam", "rate": 5}}, "jtt": None},
}


@pytest.fixture(scope="module")
def at(repo):
    """Resolve params.yaml at a scale."""
    params = yaml.safe_load((repo / "params.yaml").read_text())
    return lambda scale: resolve(params | {"scale": scale})


def test_a_variant_goes_before_its_methods_recipe_and_that_before_train():
    own = {"optimiser": {"rate": 7}, "augment": {"flip": 0.0}}
    assert train_section(PARAMS, {"method": "ubaia", "train": own}) == {
        "epochs": 64,
        # Another kind: nothing of train's optimiser is left; the variant names none, so it is kept.
        "optimiser": {"kind": "adam", "rate": 7},
        "augment": {"flip": 0.0},
    }


@pytest.mark.parametrize("method", ["erm", "jtt", None])
def test_without_a_recipe_train_holds(method):
    assert train_section(PARAMS, {"method": method}) == PARAMS["train"]
    assert train_section(PARAMS, {"method": method, "train": {"epochs": 3}})["epochs"] == 3


def test_resolving_changes_nothing_that_it_is_given():
    before = copy.deepcopy(PARAMS)
    train_section(PARAMS, {"method": "ubaia", "train": {"optimiser": {"rate": 7}}})["epochs"] = 0
    assert before == PARAMS


@RECIPES
def test_the_recipe_is_that_of_the_paper(at, name):
    made = train_section(at("paper"), {"method": name})
    assert (made["backbone"], made["pretrained"], made["channels"]) == ("densenet121", "hub", 3)
    assert (made["epochs"], made["batch_size"], made["select"]) == (64, 48, "best")
    assert made["optimiser"] == {"kind": "adam", "learning_rate": 5e-4, "weight_decay": 0.0}
    assert (
        made["schedule"].items() >= {"kind": "plateau", "patience_epochs": 3, "factor": 0.5}.items()
    )
    assert made["validation"].items() >= {"measure": "loss", "patience_epochs": 10}.items()
    still = dict.fromkeys(("shift", "intensity", "crop"), 0.0)
    assert made["augment"] == {"flip": 0.5, "rotation_degrees": 15.0, **still}


@RECIPES
@pytest.mark.parametrize("scale", SCALES)
def test_the_recipe_stands_at_every_scale(at, name, scale):
    params = at(scale)
    made = TrainConfig.model_validate(train_section(params, {"method": name}))
    published = train_section(at("paper"), {"method": name})
    for key in ("optimiser", "schedule", "augment", "batch_size", "select"):
        assert made.model_dump()[key] == published[key]
    if scale == "demo":
        plain = params["train"]
        assert (made.backbone, made.epochs) == (plain["backbone"], plain["epochs"])


@RECIPES
def test_methods_of_a_recipe_are_plain_risk_minimisation_by_hand(line, batch, step, name):
    kind = methods.get(name)
    assert kind in {Ubaia, Chexclusion}
    assert not kind.uses_groups
    net = line()
    for parameter in net.head.parameters():
        parameter.data.zero_()
    # Logit 0 costs ln 2 whatever the target; gradient of each logit: (p - y) / n.
    losses = step(kind(net, Groups(("all",), (2,)), NoConfig()), batch(np.eye(3)[:2], [[1], [0]]))
    assert losses == {"learner": pytest.approx(math.log(2))}
    assert net.head.weight.tolist()[0] == pytest.approx([1 / 4, -1 / 4, 0])
