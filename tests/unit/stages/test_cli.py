from pathlib import Path
from typing import Any

import pytest

from cxrfair.config import Section
from cxrfair.errors import CxrfairError
from cxrfair.stages._cli import as_json, call


class Part(Section):
    size: int


def test_a_signature_is_the_command_line():
    seen = {}

    def stage(
        name: str,
        seed: int,
        files: tuple[Path, ...],
        labels: tuple[str, ...],
        free: dict[str, Any],
        config: Part,
    ) -> None:
        seen.update(locals())

    call(
        stage,
        [
            "--name",
            "x",
            "--seed",
            "3",
            "--files",
            "a",
            "b",
            "--labels",
            '["u", "v"]',
            "--free",
            '{"k": 1}',
            "--config",
            '{"size": 2}',
        ],
    )
    seen.pop("seen", None)
    assert seen == {
        "name": "x", "seed": 3, "files": (Path("a"), Path("b")), "labels": ("u", "v"),
        "free": {"k": 1}, "config": Part(size=2),
    }  # fmt: skip


@pytest.mark.parametrize(("word", "wanted"), [("true", True), ("false", False)])
def test_truth_values_are_words_of_json(word, wanted):
    seen = []

    def stage(simulated: bool) -> None:
        seen.append(simulated)

    call(stage, ["--simulated", word])
    assert seen == [wanted]
    with pytest.raises(SystemExit, match="--simulated: 'no'; allowed: true, false"):
        call(stage, ["--simulated", "no"])


def test_every_flag_is_required():
    def stage(seed: int) -> None:
        del seed

    with pytest.raises(SystemExit):
        call(stage, [])


def test_what_a_user_can_put_right_is_one_message_and_anything_else_a_traceback():
    def told(name: str) -> None:
        raise CxrfairError(f"{name}: wrong")

    with pytest.raises(SystemExit, match="^error: x: wrong$"):
        call(told, ["--name", "x"])

    def broken(name: str) -> None:
        raise KeyError(name)

    with pytest.raises(KeyError):
        call(broken, ["--name", "x"])


def test_json_is_the_same_text_every_time_and_never_nan():
    assert as_json({"b": 1, "a": 2}) == '{\n  "a": 2,\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        as_json({"a": float("nan")})
