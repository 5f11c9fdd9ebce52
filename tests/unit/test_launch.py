import signal
import subprocess
import sys
import time

import pytest

from cxrfair.launch import LaunchError, command, first_host

SLURM = {
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_JOB_ID": "1234567",
    "SLURM_JOB_NODELIST": "gpu[003-004]",
    "SLURM_STEP_ID": "3",
}
WORKER = """
import os, signal, sys, time
from pathlib import Path
rank, (how, *folder) = os.environ["RANK"], sys.argv[1:]
if how == "alike":
    sys.exit("error: all the same")
if how == "second":
    if rank == "0":
        time.sleep(60)
    sys.stderr.write("error: mine alone\\n")
    sys.exit(3)
def save(*_):
    time.sleep(0.5)
    Path(*folder, f"saved{rank}").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
Path(*folder, f"up{rank}").touch()
time.sleep(60)
"""


def start(*args, folder, **options):
    """Start a module that lies in `folder`, without the test's own warnings as errors."""
    return subprocess.Popen(
        [sys.executable, *args], cwd=folder, stderr=subprocess.PIPE, text=True, **options
    )


def launch(how, folder):
    (folder / "worker.py").write_text(WORKER)
    args = ["-m", "cxrfair.launch", "--processes", "2", "--", "worker", how, str(folder)]
    return start(*args, folder=folder)


def wait_for(*files):
    until = time.monotonic() + 60
    while not all(file.exists() for file in files):
        assert time.monotonic() < until, f"{[f.name for f in files]} did not appear"
        time.sleep(0.05)


def test_one_process_is_the_module_itself():
    assert command(1, SLURM, "a.b", ["--c", "d"]) == [sys.executable, "-m", "a.b", "--c", "d"]


def test_several_on_one_machine_meet_there():
    assert command(3, {"SLURM_JOB_NUM_NODES": "1"}, "a.b", ["--c"]) == command(
        3, {}, "a.b", ["--c"]
    )
    assert command(3, {}, "a.b", ["--c"]) == [
        *[sys.executable, "-m", "cxrfair.agent", "--processes=3", "--nodes=1"],
        *["--meet=localhost:0", "--name=local", "a.b", "--c"],
    ]


def test_on_several_nodes_there_is_one_agent_each():
    made = command(8, SLURM, "a.b", ["--c"])
    assert made[:4] == ["srun", "--overlap", "--nodes=2", "--ntasks=2"]
    assert made[made.index(sys.executable) :] == [
        *[sys.executable, "-m", "cxrfair.agent", "--processes=4", "--nodes=2"],
        *["--meet=gpu003:24570", "--name=1234567.3", "a.b", "--c"],
    ]


def test_the_older_name_of_the_number_of_nodes_counts_too():
    environ = {k: v for k, v in SLURM.items() if k not in {"SLURM_JOB_NUM_NODES", "SLURM_STEP_ID"}}
    made = command(2, environ | {"SLURM_NNODES": "2"}, "a", [])
    assert "--name=1234567.0" in made


@pytest.mark.parametrize(
    ("processes", "message"), [(0, "processes: 0; 1 or"), (3, "3 on 2 nodes; a multiple of 2")]
)
def test_what_cannot_be_shared_out_is_refused(processes, message):
    with pytest.raises(LaunchError, match=message):
        command(processes, SLURM, "a", [])


@pytest.mark.parametrize(
    ("nodelist", "first"),
    [
        ("alone", "alone"),
        ("one,two", "one"),
        ("gpu[003-007,9],big1", "gpu003"),
        ("gpu[7]", "gpu7"),
        ("r[1-2]n[03,5]-x,y", "r1n03-x"),
    ],
)
def test_the_first_host_of_a_slurm_list(nodelist, first):
    assert first_host(nodelist) == first


def test_no_host_is_an_error():
    with pytest.raises(LaunchError, match="SLURM_JOB_NODELIST"):
        first_host("")


def test_one_process_replaces_the_launcher(tmp_path):
    (tmp_path / "worker.py").write_text("import os, sys; sys.exit(os.getpid() % 100 + 1)")
    process = start("-m", "cxrfair.launch", "--processes", "1", "worker", folder=tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == process.pid % 100 + 1


def test_a_refusal_is_one_line(tmp_path):
    process = start("-m", "cxrfair.launch", "--processes", "0", "worker", folder=tmp_path)
    assert process.communicate(timeout=60)[1] == "error: train.processes: 0; 1 or more\n"
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [
        ("alike", 1, "error: all the same\n"),
        ("second", 3, "error: mine alone\n"),
    ],
)
def test_the_message_and_status_of_who_failed_come_back_once(tmp_path, how, status, said):
    process = launch(how, tmp_path)
    told = process.communicate(timeout=90)[1]
    assert process.returncode == status
    assert told == said


def test_a_signal_reaches_everyone_and_a_second_one_cuts_nothing_short(tmp_path):
    process = launch("wait", tmp_path)
    wait_for(tmp_path / "up0", tmp_path / "up1")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 128 + signal.SIGTERM
    assert {f.name for f in tmp_path.glob("saved*")} == {"saved0", "saved1"}
