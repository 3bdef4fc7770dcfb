"""Workers of Celery in processes of their own, as people run them."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import environments

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("kill_all", "worker")

HERE = Path(__file__).parent


@contextmanager
def worker(
    python: Path, pool: str, log: Path, variables: dict[str, str], *options: str
) -> Iterator[Any]:
    """A worker, told to end at the end, by SIGTERM, which lets it finish what it has.

    Args:
        python: The interpreter of an environment with Celery.
        pool: Its kind of pool, of two.
        log: The file that it writes to, after what is there.
        variables: Of its environment.
        options: Further ones of the command line.
    """
    command = (python, "-m", "celery", "-A", "shop", "worker", "--pool", pool, "-c", "2")
    with log.open("a") as output:
        process = subprocess.Popen(
            [*command, "--loglevel", "info", "-n", "w@here", *options],
            cwd=HERE,
            env={**environments.clean_environ(), **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
            # Its children are to go with it.
            start_new_session=True,
        )
        try:
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        finally:
            kill_all(process)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and its children by SIGKILL, as a machine that goes does."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
