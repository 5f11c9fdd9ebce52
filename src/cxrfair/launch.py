"""Start a module in as many processes as a training asks for: `python -m cxrfair.launch`.

One process is the module itself. Several on one machine are started by torch's elastic agent, the
one behind `torchrun`; in a Slurm job of several nodes by one agent a node.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence

from cxrfair.errors import CxrfairError

FIRST_PORT, PORTS = 20000, 10000  # below those that systems hand out by themselves


class LaunchError(CxrfairError):
    """Processes that cannot be started as asked."""


def command(
    processes: int, environ: Mapping[str, str], module: str, args: Sequence[str]
) -> list[str]:
    """Return the command that runs `python -m module args` in `processes` processes.

    `processes` counts those of all nodes together: it decides the result, the nodes do not.

    Raises
    ------
    LaunchError
        Fewer than one process, or a number that the nodes of the Slurm job cannot share evenly.
    """
    if processes < 1:
        raise LaunchError(f"train.processes: {processes}; 1 or more")
    python = [sys.executable, "-m"]
    if processes == 1:
        return [*python, module, *args]
    nodes = int(environ.get("SLURM_JOB_NUM_NODES", environ.get("SLURM_NNODES", "1")))
    if processes % nodes:
        raise LaunchError(f"train.processes: {processes} on {nodes} nodes; a multiple of {nodes}")
    agent = [*python, "cxrfair.agent", f"--processes={processes // nodes}", f"--nodes={nodes}"]
    if nodes == 1:
        return [*agent, "--meet=localhost:0", "--name=local", module, *args]
    job, step = int(environ["SLURM_JOB_ID"]), int(environ.get("SLURM_STEP_ID", "0"))
    host = first_host(environ["SLURM_JOB_NODELIST"])
    meet = [f"--meet={host}:{FIRST_PORT + (job + step) % PORTS}", f"--name={job}.{step}"]
    return [*_one_a_node(nodes), *agent, *meet, module, *args]


def first_host(nodelist: str) -> str:
    """Return the first name of a Slurm list of hosts, such as `gpu[003-007,9],big1`."""
    found = re.match(r"(?:\[[^\]]*\]|[^,\[\]])+", nodelist)
    if found is None:
        raise LaunchError(f"SLURM_JOB_NODELIST: {nodelist!r}; a list of hosts")
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", found.group())


def _one_a_node(nodes: int) -> list[str]:
    """Return srun for one task a node, which may use all of the job's processors there.

    Snakemake runs a job's command in a step of its own, so the new one must overlap with it.
    """
    tasks = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
    return ["srun", "--overlap", *tasks, "--cpu-bind=none", "--kill-on-bad-exit=1"]


def main(argv: Sequence[str] | None = None) -> None:
    """Become the command: signals go straight to it, and its exit status is this one's."""
    parser = argparse.ArgumentParser(prog="python -m cxrfair.launch", description=__doc__)
    parser.add_argument("--processes", type=int, required=True, help="on all nodes together")
    parser.add_argument("module", help="for example cxrfair.stages.train")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="what the module is given")
    given = parser.parse_args(argv)
    try:
        become = command(given.processes, os.environ, given.module, given.args)
    except LaunchError as error:
        sys.exit(f"error: {error}")
    os.execvp(become[0], become)


if __name__ == "__main__":
    main()
