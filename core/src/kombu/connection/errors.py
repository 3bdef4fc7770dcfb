"""The errors of a transport as those of the library."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kombu.exceptions import AccessRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .connection import Connection

__all__ = ("as_library_errors",)


@contextmanager
def as_library_errors(
    connection: Connection,
    connection_error: type[Exception],
    channel_error: type[Exception],
) -> Iterator[None]:
    """Raise recoverable errors of the transport as `connection_error` and `channel_error`.

    What went wrong is the cause; errors that are one of the two already pass, and so does
    `AccessRefused`, which nothing here can cure.
    """
    try:
        yield
    except (connection_error, channel_error, AccessRefused):
        raise
    except connection.recoverable_connection_errors as exc:
        raise connection_error(str(exc)) from exc
    except connection.recoverable_channel_errors as exc:
        raise channel_error(str(exc)) from exc
