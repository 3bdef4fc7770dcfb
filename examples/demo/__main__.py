"""The command line of the demo."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kombu import Connection
from kombu.exceptions import KombuError
from kombu.plugins import PluginError

from .dispatch import NoReplyError
from .interruption import Interrupted, deferred
from .report import find_differences, table
from .run import count_by_messages
from .sources import find_sources, standard_library

#: Exit codes beside 0, and 128 + the signal that ended the run.
FAILED = 1
UNUSABLE = 2

#: Seconds that finding the broker may take.
_CONNECT_TIMEOUT = 10.0


@click.command()
@click.option("--url", default="memory://", show_default=True, help="The broker to use.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=min(4, os.cpu_count() or 1),
    show_default="one for each processor, at most 4",
    help="How many threads count.",
)
@click.argument(
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=False,
)
def main(url: str, workers: int, folder: Path | None) -> None:
    """Count the lines, words and imports of the Python files in FOLDER by way of a broker.

    Every file is published through a topic exchange by the name of its package; threads, each with
    a connection of its own, count and reply.  Without FOLDER the files are those of the
    interpreter's own standard library.
    """
    console = Console()
    try:
        sys.exit(demonstrate(console, url, workers, folder or standard_library()))
    except PluginError as exc:
        fail(str(exc), UNUSABLE)
    except Interrupted as exc:
        fail("Interrupted: the threads have ended and the queues are deleted.", exc.exit_code)
    except KeyboardInterrupt:
        fail("Interrupted.", 130)
    except (NoReplyError, KombuError, OSError) as exc:
        fail(f"{type(exc).__name__}: {exc}", FAILED)


def demonstrate(console: Console, url: str, workers: int, folder: Path) -> int:
    """Run the demo and show what it gave; return the exit code."""
    files = find_sources(folder)
    if not files:
        fail(f"There is no .py file in {click.format_filename(folder)}.", UNUSABLE)
    with connect(url) as connection:
        click.echo(
            f"{len(files):,} files of {click.format_filename(folder)} "
            f"through {connection.as_uri()}, {workers} workers"
        )
        bar = progress_bar(console)
        with deferred() as interruption, bar:
            task = bar.add_task("counting", total=len(files))
            outcome = count_by_messages(
                connection,
                url,
                files,
                workers,
                interruption.check,
                lambda counted: bar.update(task, completed=counted),
            )
    console.print(table(outcome))
    differences = find_differences(outcome, files)
    if differences:
        shown = "\n".join(differences[:10])
        fail(f"{len(differences):,} files differ from a direct count:\n{shown}", FAILED)
    click.echo(f"All {len(files):,} counts are those of a direct count.")
    return 0


def connect(url: str) -> Connection:
    """A connection that is open; raises what says why the broker can't be reached."""
    try:
        connection = Connection(url)
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--url") from exc
    return connection.ensure_connection(max_retries=1, timeout=_CONNECT_TIMEOUT)


def progress_bar(console: Console) -> Progress:
    """The progress bar; where nobody watches it shows nothing."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def fail(message: str, code: int) -> NoReturn:
    """End the program, with a message on the standard error."""
    click.echo(message, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main(prog_name="scripts/demo")
