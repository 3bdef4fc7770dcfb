"""Stores messages in a cluster: one script for each queue, on the master that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu_redis.connection import errors
from kombu_redis.publish.putting import Putter

from ..connection.trouble import TROUBLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu_redis.publish.putting import Part

    from ..backend import ClusterBackend
    from ..connection.talk import ClusterTalk
    from ..register import Register
    from .bindings import ClusterBindings

__all__ = ("ClusterPutter",)


class ClusterPutter(Putter):
    """Stores messages for one session, all at once.

    Args:
        backend: The connection.
        talk: The session's lines.
        bindings: Asks, beside the scripts, whether bindings have changed.
        register: Told of the queues.
    """

    def __init__(
        self,
        backend: ClusterBackend,
        talk: ClusterTalk,
        bindings: ClusterBindings,
        register: Register,
    ) -> None:
        super().__init__(backend, talk, bindings, None)
        # The bindings may lie on another master, which is asked by itself.
        self._heard = _nothing
        self._names = backend.keys
        self._cluster = talk
        self._binding = bindings
        self._register = register

    def _run(self, parts: Sequence[Part], deadline: float) -> Sequence[Any]:
        questions = self._binding.questions({part.exchange for part in parts})
        calls = [self._call(part) for part in parts] + [call for _, call in questions]
        self._register.enter([part.queue for part in parts])
        answers = self._cluster.attempt(calls, deadline)
        for (exchange, _), told in zip(questions, answers[len(parts) :], strict=True):
            if isinstance(told, Exception):
                raise self._error(told)
            self._binding.heard(told[0], exchange, told[1])
        return answers[: len(parts)]

    def _error(self, answer: Exception) -> Exception:
        if isinstance(answer, TROUBLE):
            return answer
        return errors.refused(self._cluster.where, answer)

    def _new_keys(self, part: Part) -> tuple[str, ...]:
        nothing = self._names.nothing(part.queue)
        return (nothing, nothing, *self._names.queue(part.queue))


def _nothing(version: bytes, exchange: str, count: int) -> None:
    pass
