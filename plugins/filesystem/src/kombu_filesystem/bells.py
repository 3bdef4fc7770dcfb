"""What wakes the sessions that wait at a folder: puts in this process, and the system.

Other processes are noticed by looking at the folder now and then; with `watchfiles
<https://pypi.org/project/watchfiles/>`_ installed the system tells of them at once.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

try:
    import watchfiles
except ImportError:  # the plugin's extra "watch"
    watchfiles = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ("Bells", "bells_of")

#: How long the thread that listens to the system does so at a time (milliseconds): it ends when
#: nobody is there to be woken.
_PATIENCE = 1000


class Bells:
    """The bells of the sessions at one folder.  Any thread may use it.

    Args:
        paths: The folder and those of its parts in which changes matter.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._waiting: weakref.WeakSet[threading.Event] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._listener: threading.Thread | None = None

    def add(self, bell: threading.Event) -> None:
        """Ring `bell` from now on, for as long as somebody has it."""
        with self._lock:
            self._waiting.add(bell)
            if watchfiles is not None and self._listener is None:
                self._listener = threading.Thread(
                    target=self._listen, name="kombu-folder-watch", daemon=True
                )
                self._listener.start()

    def ring(self) -> None:
        """Wake everybody."""
        with self._lock:
            waiting = list(self._waiting)
        for bell in waiting:
            bell.set()

    def _listen(self) -> None:
        try:
            for changes in watchfiles.watch(
                *self._paths,
                watch_filter=None,
                debounce=5,
                step=1,
                rust_timeout=_PATIENCE,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
            ):
                with self._lock:
                    if not self._waiting:
                        self._listener = None
                        return
                if changes:
                    self.ring()
        except OSError:
            # The folder is gone, or the system has no more watches: looking at it still works.
            return


_bells: dict[str, Bells] = {}
_bells_lock = threading.Lock()


def bells_of(*paths: Path) -> Bells:
    """The bells of a folder (and of its parts); the same for all connections of this process."""
    with _bells_lock:
        return _bells.setdefault(os.path.realpath(paths[0]), Bells(paths))


def _forked() -> None:
    global _bells_lock
    _bells_lock = threading.Lock()
    _bells.clear()


os.register_at_fork(after_in_child=_forked)
