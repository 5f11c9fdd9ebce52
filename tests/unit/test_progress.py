import io
import itertools

import pytest
from rich.console import Console

from cxrfair import progress


@pytest.fixture
def ticking(monkeypatch):
    clock = itertools.count(0, 10)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))


@pytest.fixture
def terminal(monkeypatch):
    """A forced terminal whose width a test sets and whose text it reads."""
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)

    def drawn(shown, width):
        console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
        console.print(shown)
        return console.file.getvalue().splitlines()

    return drawn


@pytest.mark.usefixtures("ticking")
def test_a_log_gets_sparse_lines_with_rate_and_time_left(capsys):
    assert list(progress.track(range(5), "decode", "images")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err.splitlines() == [
        "decode: 2 of 5, 0.1 images/s, 30 s left",
        "decode: 4 of 5, 0.1 images/s, 10 s left",
        "decode: 5 in 60.0 s, 0.083 images/s",
    ]


@pytest.mark.usefixtures("ticking")
def test_a_log_of_a_training_says_epoch_rate_time_left_and_numbers_by_name(capsys):
    with progress.meter("train", "images", total=36_000, epochs=4) as meter:
        meter.advance(9000, {"loss": 0.5})
        meter.advance(1204, {"loss": 0.41234, "adversary_loss": 0.7, "GPU memory": "3 GB"})
    assert capsys.readouterr().err.splitlines() == [
        "train: epoch 2 of 4, 1,204 of 9,000 images, 510 images/s, 51 s left, "
        "loss 0.412, adversary_loss 0.7, GPU memory 3 GB",
        "train: epoch 2 of 4, 10,204 images in 30.0 s, 340 images/s, "
        "loss 0.412, adversary_loss 0.7, GPU memory 3 GB",
    ]


@pytest.mark.usefixtures("ticking")
def test_what_an_earlier_process_did_counts_for_the_place_and_not_for_the_rate(capsys):
    with progress.meter("train", "images", total=1000, done=700, epochs=10) as meter:
        meter.advance(50)
        meter.advance(50)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "train: epoch 8 of 10, 100 of 100 images, 5 images/s, 40 s left"
    assert last == "train: epoch 8 of 10, 100 images in 30.0 s, 3.3 images/s"


@pytest.mark.usefixtures("ticking")
def test_of_several_processes_the_first_one_shows(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with progress.meter("train", "images", total=1000, epochs=10) as meter:
        meter.advance(50)
        meter.advance(50)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("ticking")
def test_without_a_total_there_is_no_time_left(capsys):
    assert list(progress.track(iter("abcd"), "read", "files")) == list("abcd")
    assert capsys.readouterr().err.splitlines()[0] == "read: 2 of ?, 0.1 files/s"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(12.4, "12 s"), (599, "599 s"), (1500, "25 min"), (7260, "2 h 1 min"), (3599, "1 h 0 min")],
)
def test_a_long_time_is_not_written_in_seconds(seconds, words):
    assert progress._duration(seconds) == words


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(progress.track(iter("ab"), "decode", "images", total=2)) == ["a", "b"]
    assert "2 of 2" in capsys.readouterr().err


@pytest.mark.usefixtures("ticking")
def test_the_bar_of_a_training_fits_eighty_columns(terminal):
    name = "train quickstart/nih_chestxray14/erm/seed-0"
    meter = progress.meter(name, "images", total=108_000, epochs=12)
    meter.advance(19_204, {f"{player}_loss": 0.7 for player in ("adversary", "critic", "patch")})
    lines = terminal(meter, 80)
    assert [line.strip() for line in lines[::2]] == [
        name,
        "epoch 3 of 12, 1,204 of 9,000 images  adversary_loss 0.7  critic_loss 0.7",
    ]
    assert lines[1].rstrip().endswith("18%  1,920 images/s  46 s left")
    assert lines[3].strip() == "patch_loss 0.7"
    assert len(lines) == 4


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize("width", [30, 40, 200])
def test_no_line_of_a_bar_is_wrapped(terminal, width):
    meter = progress.meter("train " + "x" * 60, "images", total=100, epochs=2)
    meter.advance(60, {"a_rather_long_name_of_a_loss_of_a_player": 0.1, "loss": 0.2})
    lines = terminal(meter, width)
    assert all(len(line) <= width for line in lines)
    assert len(lines) == (3 if width == 200 else 5)


@pytest.mark.usefixtures("ticking")
def test_a_number_stays_until_it_comes_again(terminal):
    meter = progress.meter("train", "images", total=100, epochs=2)
    for numbers in ({"loss": 0.5, "memory": "1 GB"}, {"memory": "2 GB"}, {}, None):
        meter.advance(1, numbers)
    assert terminal(meter, 80)[2].strip().endswith("loss 0.5  memory 2 GB")


@pytest.mark.usefixtures("ticking")
def test_a_bar_at_its_end_says_how_long_it_took(terminal):
    meter = progress.meter("train", "images", total=100, epochs=2)
    meter.advance(100)
    assert "100%  10 images/s  in 10 s" in terminal(meter, 80)[1]


@pytest.mark.parametrize("seen", [True, False])
def test_an_error_inside_passes_through(monkeypatch, capsys, seen):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: seen, raising=False)

    def stop():
        for item in progress.track([1], "x", "y"):
            raise KeyError(item)

    with pytest.raises(KeyError):
        stop()
    with pytest.raises(KeyError), progress.meter("x", "y", total=2, epochs=1):
        raise KeyError
    assert "in 0.0 s" not in capsys.readouterr().err
