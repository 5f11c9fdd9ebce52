"""The stage in which all models answer to pictures made under interventions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from cxrfair import tables
from cxrfair.backbones import Card, build
from cxrfair.stages import answer
from cxrfair.stages._cli import as_json, call

MODELS = [("vanilla", 0), ("vanilla", 1), ("erm", 0)]
LABELS = ("edema", "nodule")
WORLDS = [("male", "male"), ("female", "male"), ("male", "female"), ("female", "female")]
IDS, SIZE = ["i0", "i1", "i2"], 32


def card():
    return Card(
        backbone="test_resnet",
        pretrained="none",
        origin="random",
        channels=1,
        labels=LABELS,
        size=SIZE,
        method="erm",
        settings={"weighted_bce": False},
        groups=(),
        batch_statistics="one mixed forward pass",
        provenance="none",
        source="none",
        measure="auroc",
        selected_epoch=1,
        early_epoch=1,
        epochs=2,
    )


def worlds():
    """Three images in four worlds; rows of pictures in no order."""
    rows = [(i, "sex", shown, ill) for shown, ill in WORLDS for i in IDS]
    frame = pd.DataFrame(rows, columns=["image_id", "attribute", "shown", "ill"])
    return frame.assign(row=np.random.default_rng(4).permutation(len(rows)))


def trained(number, name):
    torch.manual_seed(number)
    network = build("test_resnet", "none", len(LABELS), SIZE)
    save_file(network.state_dict(), f"{name}.safetensors")
    Path(f"{name}.json").write_text(as_json(card().model_dump()))
    return network.eval()


@pytest.fixture
def flags(tmp_path, monkeypatch):
    """What the stage is given, in an empty folder; models that differ in their weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    exactly = torch.are_deterministic_algorithms_enabled()
    pixels = np.random.default_rng(0).integers(0, 255, (12, SIZE, SIZE)).astype(np.uint8)
    np.save("pixels.npy", pixels)
    tables.INTERVENTIONS.write(worlds(), Path("worlds"))
    for number in range(len(MODELS)):
        trained(number, f"m{number}")
    yield {
        "--models": json.dumps(MODELS),
        "--weights": [f"m{number}.safetensors" for number in range(len(MODELS))],
        "--cards": [f"m{number}.json" for number in range(len(MODELS))],
        **{"--pixels": "pixels.npy", "--worlds": "worlds", "--threads": "1"},
        "--answers": "answers.parquet",
    }
    torch.use_deterministic_algorithms(exactly)


def run(flags):
    pairs = ((k, *(v if isinstance(v, list) else [v])) for k, v in flags.items())
    call(answer.answer, [word for words in pairs for word in words])
    return tables.ANSWERS.read(Path("answers.parquet"))


def test_each_model_answers_to_every_picture_by_its_own_weights(flags, capfd):
    found = run(flags)
    assert len(found) == len(MODELS) * len(WORLDS) * len(IDS) * len(LABELS)
    pixels = torch.tensor(np.load("pixels.npy")).float()[:, None] / 255
    key = ["attribute", "shown", "ill", "image_id"]
    for number, (variant, seed) in enumerate(MODELS):
        with torch.no_grad():
            scores = torch.sigmoid(trained(number, "again")(pixels)).numpy()
        own = found[(found["variant"] == variant) & (found["seed"] == seed)]
        for k, label in enumerate(LABELS):
            told = own[own["label"] == label].set_index(key)["score"]
            row = worlds().set_index(key)["row"].reindex(told.index)
            np.testing.assert_allclose(told, scores[row, k], atol=1e-6)
    assert "answer: 3 in" in capfd.readouterr().err


def test_twice_the_same_is_the_same_bytes_whatever_order_models_are_in(flags):
    run(flags)
    before = Path("answers.parquet").read_bytes()
    turned = {k: flags[k][::-1] for k in ("--weights", "--cards")}
    run({**flags, **turned, "--models": json.dumps(MODELS[::-1])})
    assert Path("answers.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w[w["row"] != 11], "12 pictures for 11 rows, 11 of them different"),
        (lambda w: w.assign(row=w["row"] + 1), "12 pictures for 12 rows, 12 of them different"),
        (lambda w: w.assign(row=w["row"] // 2), "12 pictures for 12 rows, 6 of them different"),
    ],
)
def test_pictures_that_are_not_those_of_the_table_end_in_one_message_and_no_file(
    flags, change, says
):
    tables.INTERVENTIONS.write(change(worlds()), Path("worlds"))
    with pytest.raises(SystemExit, match=f"error: answer: {says}; allowed: one picture a row"):
        run(flags)
    assert not Path("answers.parquet").exists()


def test_weights_of_another_network_end_in_one_message_and_no_file(flags):
    save_file(build("test_vit", "none", 2, SIZE).state_dict(), "m2.safetensors")
    with pytest.raises(SystemExit, match="error: weights of test_resnet: .* do not fit"):
        run(flags)
    assert not Path("answers.parquet").exists()
