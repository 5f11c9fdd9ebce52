import hashlib

from cxrfair import environment


def test_the_same_machine_gives_the_same_words():
    assert environment.describe("cpu", 2) == environment.describe("cpu", 2)
    assert environment.describe("cpu", 2)["threads"] == "2"
    assert environment.describe("cpu", 2)["torch"].startswith("2.")


def test_files_are_hashed_as_dvc_does(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert environment.md5(tmp_path / "a") == hashlib.md5(b"abc").hexdigest()


def test_a_fingerprint_changes_with_any_part_and_their_order():
    prints = {
        environment.fingerprint(parts) for parts in (["a", "b"], ["b", "a"], ["a"], ["a", "c"])
    }
    assert len(prints) == 4


def test_the_commit_is_named_and_unknown_outside_git(tmp_path, monkeypatch, repo):
    monkeypatch.chdir(repo)
    assert environment.git_commit()
    monkeypatch.chdir(tmp_path)
    assert environment.git_commit() == "unknown"
