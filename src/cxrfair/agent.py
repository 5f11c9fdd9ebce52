"""One machine's share of the processes of a training; `cxrfair.launch` starts it.

This is torch's elastic agent as `torchrun` runs it, except that a user sees the one message that
matters, that the exit status is the failed process's, and that a second signal does not cut short
the checkpoint that the first one asked for.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.rendezvous import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from cxrfair.distributed import AGENT, LEFT_ALONE

GRACE_S = 60  # to finish a step and write a checkpoint after a signal
SHOWN = 20_000  # characters of what a failed process wrote
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # the last: what Slurm can send early


def run(given: argparse.Namespace, logs: Path) -> int:
    """Run the module in several processes; return the exit status.

    That is 0, the status of the process that failed first, or 128 + n for signal n.
    """
    logging.disable()  # torch's account of a failure: pages around the one message that matters
    os.environ[AGENT] = str(os.getpid())
    before = {number: signal.signal(number, _stop) for number in STOPS}
    try:
        elastic_launch(_config(given, logs), sys.executable)("-m", given.module, *given.args)
    except ChildFailedError as error:
        failure = _cause(error.failures)
        sys.stderr.write(_last_words(failure, logs))
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    except RendezvousError as error:
        sys.stderr.write(f"error: {given.nodes} nodes did not meet at {given.meet}: {error}\n")
        return 1
    except SignalException as stop:
        return 128 + stop.sigval
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _cause(failures: Mapping[int, ProcessFailure]) -> ProcessFailure:
    """Return the failure behind the others: of several alike the first process's, already shown.

    Later ones are processes that had to be killed after the grace; of those at the same time, one
    that was killed did not choose to end, and some only follow.
    """
    first = min(failure.timestamp for failure in failures.values())

    def likelihood(rank: int) -> tuple[bool, bool, bool, int]:
        status = failures[rank].exitcode
        later = failures[rank].timestamp > first + 1  # whole seconds
        follows = status in {LEFT_ALONE, -signal.SIGTERM, 128 + signal.SIGTERM}
        return later, follows, status > 0, rank

    return failures[min(failures, key=likelihood)]


def _config(given: argparse.Namespace, logs: Path) -> LaunchConfig:
    """Say to torch what this machine runs and where it meets the others.

    What the first process writes to stderr is shown as it comes; of the others, which would say the
    same, it is kept in `logs`, and shown if one of them is the first to fail.
    """
    quiet = dict.fromkeys(range(1, given.processes), Std.ERR)
    return LaunchConfig(
        min_nodes=given.nodes,
        max_nodes=given.nodes,
        nproc_per_node=given.processes,
        run_id=given.name,
        rdzv_backend="c10d",
        rdzv_endpoint=given.meet,
        local_addr="localhost" if given.nodes == 1 else None,  # needs no working DNS
        max_restarts=0,  # a training resumes when its command is run again
        logs_specs=DefaultLogsSpecs(log_dir=str(logs), redirects=quiet),
        signals_to_handle="SIGHUP,SIGQUIT",  # the others are handled here
        shutdown_timeout=GRACE_S,
    )


def _stop(number: int, frame: FrameType | None) -> None:
    """Have the processes told to stop, once: schedulers and shells send their signals twice."""
    del frame
    for known in STOPS:
        signal.signal(known, signal.SIG_IGN)
    raise SignalException(f"signal {number}", signal.Signals(number))


def _last_words(failure: ProcessFailure, logs: Path) -> str:
    """Return what the user has not seen yet of the process that failed."""
    kept = sorted(logs.rglob(f"{failure.local_rank}/stderr.log"))
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in kept)[-SHOWN:]
    if failure.exitcode > 0:
        return text
    return (
        f"{text}error: train.processes: number {failure.local_rank} on this machine was ended by "
        f"{failure.signal_name()}; see the system's log for why\n"
    )


def _parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cxrfair.agent", description=__doc__)
    parser.add_argument("--processes", type=int, required=True, help="on this machine")
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--meet", required=True, help="host:port of the first machine")
    parser.add_argument("--name", required=True, help="the same for all that belong together")
    parser.add_argument("module")
    parser.add_argument("args", nargs=argparse.REMAINDER)
    return parser.parse_args(argv)


if __name__ == "__main__":
    given = _parse()
    with TemporaryDirectory() as folder:
        status = run(given, Path(folder))
    sys.exit(status)
