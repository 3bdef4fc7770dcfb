"""The last resort for messages that cannot be given back to the broker."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("emergency_dump_state",)


def emergency_dump_state(
    state: object,
    open_file: Callable[..., IO[bytes]] = open,
    dump: Callable[..., object] | None = None,
    stderr: IO[str] | None = None,
) -> str:
    """Write `state` to a new temporary file, and the file's name to the error output.

    What cannot be written by `dump` is written as text for people.

    Args:
        state: What would be lost otherwise.
        open_file: Opens the file; called as ``open_file(path, "wb")``.
        dump: Writes the state; called as ``dump(state, file, protocol=0)``.  Without it, pickle.
        stderr: Where to name the file, in place of ``sys.stderr``.

    Returns:
        The path of the file.
    """
    # None of these is needed unless messages are about to be lost.
    import os
    import pickle
    from pprint import pformat
    from tempfile import mkstemp

    descriptor, path = mkstemp()
    os.close(descriptor)
    out = stderr or sys.stderr
    out.write(f"EMERGENCY DUMP STATE TO FILE -> {path} <-\n")
    with open_file(path, "wb") as file:
        try:
            (dump or pickle.dump)(state, file, protocol=0)
        except Exception as exc:
            out.write(f"Cannot pickle state: {exc!r}. Fallback to pformat.\n")
            file.write(pformat(state).encode())
            file.flush()
    return path
