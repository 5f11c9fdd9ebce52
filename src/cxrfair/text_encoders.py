"""Phrases to numbers by a language model that is only read.

The only importer of transformers.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor

from cxrfair import torchvision_ops
from cxrfair.errors import CxrfairError
from cxrfair.text import BUNDLED, HUB, MODULE, PACKAGE, WEIGHTS, Array, encoder_fault, made_of

torchvision_ops.declare_if_missing()

# transformers imports torchvision, which needs the line above.
from transformers import AutoModel, AutoTokenizer  # noqa: E402
from transformers.utils import cached_file, logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()

# What transformers, torch and tokenizers raise of files that do not fit; OSError: no file, no hub.
REFUSALS = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ImportError,
    SafetensorError,
)
UNUSED = "pooler."  # a layer on top of the last hidden states, which are what is read


class EncoderError(CxrfairError):
    """An encoder cannot be had, or cannot read what it is given."""


class Source(NamedTuple):
    """Where an encoder is loaded from, the options that go with it, and how it is named.

    `options` are of all its files, `words` of the tokenizer alone.
    """

    place: str
    options: dict[str, Any]
    words: dict[str, Any]
    origin: str


def encode(phrases: Sequence[str], encoder: str) -> tuple[Array, str]:
    """Read phrases: the mean of the last hidden states of each one's tokens.

    Tokens are all that the encoder makes of a phrase, those that open and close it too (Reimers &
    Gurevych 2019, arXiv:1908.10084, section 3); what fills up the shorter ones does not count.
    Nothing is downloaded for `minilm` and folders, and no pickle is opened for any.

    Parameters
    ----------
    phrases
        What to read (n).
    encoder
        `text.encoder` of params.yaml.

    Returns
    -------
    embedding
        (n, w), float32, w the width of the encoder: 384 of `minilm`, 768 of the others by name.
    origin
        `minilm: <package> <version>, sha256 <12 digits>`, `hub: <repository> at <12 digits of the
        commit>` or `folder <name>, sha256 <12 digits>`. The sum is over all files of the encoder.

    Raises
    ------
    EncoderError
        If the encoder is not there, lacks weights of its own, cannot be reached, or a phrase is too
        long for it. Nothing else is used in its place.
    """
    if fault := encoder_fault(encoder):
        raise EncoderError(fault)
    source = _from_hub(encoder) if encoder in HUB else _from_folder(encoder)
    with _refusing(encoder):
        tokenizer, body = _load(encoder, source)
        embedding = _pooled(encoder, tokenizer, body, list(phrases))
    if bad := int((~torch.isfinite(embedding)).any(1).sum()):
        raise EncoderError(f"text.encoder: {encoder}: {bad} phrases are not finite; allowed: 0")
    values: Array = embedding.numpy()
    return values, source.origin


def _from_folder(encoder: str) -> Source:
    """Name an encoder that is on this machine by the sum of its files."""
    if encoder == BUNDLED:
        folder = Path(import_module(MODULE).get_model_path())
        name = f"{BUNDLED}: {PACKAGE} {version(PACKAGE)}"
    else:
        folder = Path(encoder)
        name = f"folder {folder.resolve().name}"  # not its path, which may tell of people
    total = hashlib.sha256()
    for path in made_of(folder):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.name} {digest}\n".encode())
    origin = f"{name}, sha256 {total.hexdigest()[:12]}"
    return Source(str(folder), {"local_files_only": True}, {}, origin)


def _from_hub(encoder: str) -> Source:
    """Download an encoder's weights, if they are not there yet, and name it by its commit."""
    repository = HUB[encoder]
    try:
        weights = cached_file(repository.name, WEIGHTS, revision=repository.revision)
    except OSError as error:
        raise EncoderError(
            f"text.encoder: {encoder}: no {WEIGHTS} of {repository.name} from the hub: "
            f"{_brief(error)}; docs/text.md says how to use a folder instead"
        ) from error
    # The commit, not the branch: that is what is named, and transformers has main converted by a
    # service of the hub where it lacks safetensors.
    commit = Path(weights).parent.name
    words = {} if repository.cased is None else {"do_lower_case": not repository.cased}
    return Source(
        repository.name, {"revision": commit}, words, f"hub: {repository.name} at {commit[:12]}"
    )


def _load(encoder: str, source: Source) -> tuple[Any, Any]:
    """Load tokenizer and network, of which every weight that is used must be in the file."""
    options = source.options | {"trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(source.place, **options, **source.words)
    body, report = AutoModel.from_pretrained(
        source.place,
        **options,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(UNUSED))
    if missing:
        raise EncoderError(
            f"text.encoder: {encoder}: {len(missing)} weights that its file lacks, e.g. "
            f"{missing[0]}; allowed: 0"
        )
    return tokenizer, body.eval()


def _pooled(encoder: str, tokenizer: Any, body: Any, phrases: list[str]) -> Tensor:
    """Return the mean hidden state of each phrase's tokens, (n, w)."""
    tokens = tokenizer(phrases, padding=True, return_tensors="pt")
    longest, room = tokens["input_ids"].shape[1], tokenizer.model_max_length
    room = min(room, getattr(body.config, "max_position_embeddings", room))
    if longest > room:
        raise EncoderError(
            f"text.encoder: {encoder}: a phrase of {longest} tokens; allowed: {room}"
        )
    with torch.no_grad():
        hidden: Tensor = body(**tokens).last_hidden_state
    counts: Tensor = tokens["attention_mask"][..., None].to(hidden.dtype)
    return (hidden * counts).sum(1) / counts.sum(1)


@contextmanager
def _refusing(encoder: str) -> Iterator[None]:
    """Turn what others raise of an encoder into one error of ours."""
    try:
        yield
    except REFUSALS as error:
        raise EncoderError(
            f"text.encoder: {encoder}: {_brief(error)}; allowed is a language model that "
            "transformers reads from safetensors"
        ) from error


def _brief(error: Exception) -> str:
    """Say an error of others on one line."""
    return shorten(str(error) or type(error).__name__, 300, placeholder=" ...")
