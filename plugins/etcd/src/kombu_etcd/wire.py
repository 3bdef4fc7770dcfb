"""Messages and declarations as values of keys, and how large they may be."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ChannelError, DecodeError
from kombu.transport.backend import Envelope, QueueSpec
from kombu.utils.json import dumps, loads
from kombu.virtual.envelope import from_wire

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("MAX_DATA", "read_message", "read_spec", "too_large", "write_spec")

#: What a value may hold (bytes): a request of 1.5 MiB is the server's limit
#: (``--max-request-bytes``), and keys come with it.
MAX_DATA = 1_572_864 - 8192


def too_large(queue: str, size: int, most: int) -> ChannelError:
    """The error for a message that the server would not take."""
    return ChannelError(
        f"PRECONDITION_FAILED - a message of {size} bytes for queue {queue!r} is larger than etcd "
        f"takes: wanted are {most} bytes at most, and little in its headers. Store it elsewhere "
        "and send where it is, or compress it",
        (60, 40),
        "Basic.publish",
        406,
    )


def read_message(raw: bytes, queue: str) -> Envelope:
    """The message of a key; what another program put there becomes its body as it is."""
    try:
        return from_wire(raw)
    except DecodeError:
        return Envelope(raw, None, None, {}, {}, "", queue)


def write_spec(spec: QueueSpec) -> str:
    """A declaration as the value of a key."""
    plain = QueueSpec(spec.name)
    write: Callable[[Any], str] = dumps
    return write({k: v for k, v in asdict(spec).items() if v != getattr(plain, k) or k == "name"})


def read_spec(raw: bytes) -> QueueSpec:
    """The declaration of a queue."""
    return QueueSpec(**loads(raw))
