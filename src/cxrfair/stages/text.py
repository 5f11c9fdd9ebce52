"""Labels' names to numbers."""

from pathlib import Path

from cxrfair.stages._cli import call
from cxrfair.text import Text, TextConfig, phrases
from cxrfair.text_encoders import encode
from cxrfair.training import device


def text(*, labels: tuple[str, ...], config: TextConfig, text: Path) -> None:
    """Read what a study's labels say, once, for every training that compares images with it."""
    device.make_deterministic(threads=1)  # a few phrases; sums are then the same everywhere
    said = phrases(labels, config)
    embedding, origin = encode(said, config.encoder)
    Text(labels, said, origin, embedding).save(text)


if __name__ == "__main__":
    call(text)
