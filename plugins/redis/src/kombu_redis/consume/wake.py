"""A descriptor by which a thread that waits is woken."""

from __future__ import annotations

import os

__all__ = ("Wake",)


class Wake:
    """Wakes who waits for `fileno` to be readable; `ring` may be called by any thread."""

    def __init__(self) -> None:
        self._pipe: tuple[int, int] | None = None

    def fileno(self) -> int:
        """The descriptor, which is opened when it is asked for first."""
        if self._pipe is None:
            self._pipe = os.pipe()
            for fd in self._pipe:
                os.set_blocking(fd, False)
        return self._pipe[0]

    def ring(self) -> None:
        """Wake."""
        pipe = self._pipe
        if pipe is not None:
            try:
                os.write(pipe[1], b"!")
            except OSError:
                pass  # full, which wakes as well, or closed just now

    def silence(self) -> None:
        """Have it readable no more."""
        if self._pipe is not None:
            try:
                while len(os.read(self._pipe[0], 64)) == 64:
                    pass
            except BlockingIOError:
                pass

    def close(self) -> None:
        """Close the descriptors."""
        pipe, self._pipe = self._pipe, None
        for fd in pipe or ():
            os.close(fd)
