import pytest

from cxrfair import progress


def test_a_log_gets_sparse_lines_with_rate_and_time_left(capsys, monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    assert list(progress.track(range(5), "decode", "images")) == [0, 1, 2, 3, 4]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "decode: 2 of 5, 0.1 images/s, 30 s left"
    assert lines[-1].startswith("decode: 5 in ")
    assert len(lines) == 3


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(progress.track(iter("ab"), "decode", "images", total=2)) == ["a", "b"]
    assert "2/2" in capsys.readouterr().err


def test_an_error_inside_passes_through():
    def stop():
        for item in progress.track([1], "x", "y"):
            raise KeyError(item)

    with pytest.raises(KeyError):
        stop()
