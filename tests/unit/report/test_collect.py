"""What a report says of how its models were made."""

import json

import pytest

from cxrfair.report.collect import Facts, Files, _cards, _own_settings, _sighted, _words
from cxrfair.sights import NOTHING

FACTS = Facts(
    scale="demo",
    simulated=(),
    resamples=40,
    confidence=0.9,
    min_group_size=20,
    epochs=12,
    batch_size=64,
    optimiser={"kind": "adamw", "learning_rate": 0.001, "weight_decay": 0.0001},
    recipes={"ubaia": {"batch_size": 48, "epochs": 64}},
)
CARD = {
    "backbone": "test_resnet", "origin": "none (random)", "channels": 1, "size": 64, "epochs": 12,
    "selected_epoch": 7, "measure": "auroc",
}  # fmt: skip
MADE_WITH = {
    "resumed": "0", "device": "cpu (AVX2)", "precision": "fp32", "processes": "1",
    "cxrfair": "1", "torch": "2", "timm": "3", "numpy": "4",
}  # fmt: skip


@pytest.fixture
def words(made, tmp_path):
    """Words for models that differ from the usual ones by what is given for each."""

    def said(cards=({},), runs=({},), **changes):
        paths = {"cards": (), "made_with": ()}
        for name, usual, found in (("cards", CARD, cards), ("made_with", MADE_WITH, runs)):
            for number, changed in enumerate(found):
                path = tmp_path / f"{name}{number}.json"
                path.write_text(json.dumps(usual | changed))
                paths[name] += (path,)
        empty = dict.fromkeys(Files.model_fields, ())
        single = ("metrics", "summary", "matched", "label_shift", "curves", "selection")
        files = Files(**{**empty, **dict.fromkeys(single, tmp_path), **paths})
        return _words(made.study(**changes), files, FACTS)

    return said


def test_trainings_that_were_stopped_and_went_on_are_counted(words):
    assert words(runs=[{}, {}])["Stopped and resumed"] == "none"
    resumed = [{"resumed": "2"}, {}, {"resumed": "1"}]
    assert words(runs=resumed)["Stopped and resumed"] == "2 of 3 trainings"


def test_what_differs_between_models_is_listed(words):
    cards = [{"origin": "own.safetensors", "backbone": "test_vit"}, {}, {}]
    said = words(cards, [{"precision": "bf16", "device": "GPU", "processes": "2"}, {}])
    assert said["Backbone"] == "test_resnet, test_vit"
    assert said["Pretrained weights"] == "none (random), own.safetensors"
    assert said["Precision"] == "bf16, fp32"
    assert said["Processor"] == "GPU, cpu (AVX2)"
    assert said["Processes of a training"] == "1, 2"
    assert said["Versions"] == "cxrfair 1, torch 2, timm 3, numpy 4"


def test_epochs_are_numbers_and_not_words(words):
    said = words([{"selected_epoch": 9, "epochs": 12}, {"selected_epoch": 10, "epochs": 12}])
    assert said["Weights kept from epoch"] == "9 to 10"
    assert said["Epochs trained"] == "12"
    assert said["Training"] == "at most 12 epochs, batch 64, adamw, learning rate 0.001"


def test_a_variant_s_own_settings_are_told(made, words):
    assert words()["Variants' own settings"] == "none"
    variants = {
        "erm": {"method": "erm", "train": {"backbone": "test_vit", "epochs": 3}},
        "dro": {"method": "group_dro", "settings": {"step_size": 0.5}},
        "audit": {"method": "ubaia", "train": {"epochs": 5}},
    }
    assert _own_settings(made.study(variants=variants), FACTS.recipes) == (
        "erm: train.backbone test_vit, erm: train.epochs 3, dro: settings.step_size 0.5, "
        "audit: train.batch_size 48, audit: train.epochs 5"
    )
    assert words(variants=variants)["Variants' own settings"].startswith("erm: train.")


def test_pictures_are_kept_of_simulated_data_sets_alone(made, tmp_path):
    of = made.study()
    paths = (tmp_path / "nih.npz", tmp_path / "mimic.npz")
    for path in paths:
        made.sighted(of).write(path)
    found = _sighted(of, paths, ("mimic", "elsewhere"))
    assert list(found) == ["mimic"]
    assert found["mimic"].labels == made.sighted(of).labels
    assert _sighted(of, paths, ()) == _sighted(of, (), ("nih", "mimic")) == {}
    NOTHING.write(paths[1])
    assert _sighted(of, paths, ("mimic",)) == {}


def test_an_external_data_set_has_no_cards(made, tmp_path):
    of = made.study(external=("mimic",))
    files = dict.fromkeys(Files.model_fields, ())
    for number in range(4):
        (tmp_path / f"{number}").write_text(json.dumps({"number": number}))
    paths = tuple(tmp_path / f"{number}" for number in range(4))
    cards = _cards(of, Files.model_construct(**{**files, "cards": paths}))
    assert {key: card["number"] for key, card in cards.items()} == {
        ("nih", "erm", 0): 0,
        ("nih", "erm", 1): 1,
        ("nih", "dro", 0): 2,
        ("nih", "dro", 1): 3,
    }
