import os
import signal
import socket
import subprocess
import sys

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from cxrfair import agent

MEMBER = """
import torch
from cxrfair.distributed import gather, join
torch.set_num_threads(1)
with join(torch.device("cpu"), 2) as here:
    print(here.rank, gather(torch.tensor([here.rank + 5])).tolist())
"""


def failures(*statuses, late=()):
    made = {r: ProcessFailure(r, 100 + r, status, "") for r, status in enumerate(statuses)}
    for rank, failure in made.items():
        failure.timestamp = 60 if rank in late else rank % 2
    return {rank: failure for rank, failure in made.items() if failure.exitcode}


@pytest.mark.parametrize(
    ("failed", "cause"),
    [
        (failures(1, 1, 1), 0),
        (failures(70, 0, 3), 2),
        (failures(-15, 3), 1),
        (failures(143, 3), 1),
        (failures(1, -9), 1),
        (failures(-9, 1, late=[0]), 1),
        (failures(70, 70), 0),
    ],
    ids=str,
)
def test_the_cause_is_who_did_not_just_follow(failed, cause):
    assert agent._cause(failed).local_rank == cause


def test_the_last_words_are_what_was_kept(tmp_path):
    kept = tmp_path / "run" / "attempt_0" / "1" / "stderr.log"
    kept.parent.mkdir(parents=True)
    kept.write_text("x" * agent.SHOWN + "error: no\n")
    failed = failures(-9, 3, -9)
    assert agent._last_words(failed[1], tmp_path).endswith("xerror: no\n")
    assert len(agent._last_words(failed[1], tmp_path)) == agent.SHOWN
    assert agent._last_words(failed[2], tmp_path) == (
        "error: train.processes: number 2 on this machine was ended by SIGKILL; "
        "see the system's log for why\n"
    )


def test_a_second_signal_is_ignored(monkeypatch):
    handlers = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    with pytest.raises(agent.SignalException) as caught:
        agent._stop(signal.SIGTERM, None)
    assert caught.value.sigval == signal.SIGTERM
    assert handlers == dict.fromkeys(agent.STOPS, signal.SIG_IGN)


def test_two_agents_meet_as_two_nodes_would(tmp_path):
    (tmp_path / "member.py").write_text(MEMBER)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        meet = f"--meet=localhost:{free.getsockname()[1]}"
    args = ["-m", "cxrfair.agent", "--processes=1", "--nodes=2", meet, "--name=7.0", "member"]
    environ = os.environ | {"PYTHONUNBUFFERED": "1"}
    agents = [
        subprocess.Popen(
            [sys.executable, *args], cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environ
        )
        for _ in range(2)
    ]
    told = sorted(agent.communicate(timeout=90)[0] for agent in agents)
    assert told == ["0 [5, 6]\n", "1 [5, 6]\n"]
    assert [agent.returncode for agent in agents] == [0, 0]
