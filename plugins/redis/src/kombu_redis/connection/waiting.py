"""Waiting for several descriptors, also where there is no `select.poll`."""

from __future__ import annotations

import select

__all__ = ("readable",)


def readable(seconds: float, *descriptors: int) -> set[int]:
    """Which of some descriptors can be read from, or are broken; waits for the first one."""
    if not hasattr(select, "poll"):  # eventlet's patches
        return set(select.select(descriptors, (), (), seconds)[0])
    poll = select.poll()
    for fd in descriptors:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(seconds * 1000)}
