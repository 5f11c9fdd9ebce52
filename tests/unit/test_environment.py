import dataclasses
import hashlib
import json

from cxrfair import environment

RAN = environment.Conditions("cpu", 2, 1, "fp32", 7, 0)
FROM = {"git.commit": "abc", "dvc.md5.cohort": "0" * 32}


def test_the_same_facts_give_the_same_words():
    assert environment.describe(RAN, FROM) == environment.describe(RAN, FROM)
    assert json.dumps(environment.describe(RAN, FROM))


def test_a_run_is_described_by_machine_packages_conditions_and_origin():
    words = environment.describe(RAN, FROM)
    assert words["torch"].startswith("2.")
    assert words.items() >= {"device": "cpu", "threads": "2", "processes": "1"}.items()
    assert words.items() >= {"precision": "fp32", "seed": "7", "resumed": "0"}.items()
    assert words.items() >= FROM.items()
    assert {*environment.PACKAGES, "python", "system"} < set(words)
    assert all(isinstance(word, str) for word in words.values())


def test_every_condition_shows():
    for name in ("device", "threads", "processes", "precision", "seed", "resumed"):
        other = dataclasses.replace(RAN, **{name: 99})
        assert environment.describe(other, FROM) != environment.describe(RAN, FROM)


def test_the_origin_is_the_commit_and_each_input_by_name(monkeypatch):
    monkeypatch.setattr(environment, "git_commit", lambda: "abc-dirty")
    found = environment.origin({"cohort": "1", "index": "2"})
    assert found == {"git.commit": "abc-dirty", "dvc.md5.cohort": "1", "dvc.md5.index": "2"}


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
