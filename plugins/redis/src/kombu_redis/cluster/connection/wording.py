"""How a script is put to a node, and its answer read.

A message that replicas are to have is followed by ``WAIT``: there are two answers then.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from kombu.exceptions import RecoverableConnectionError
from kombu_redis.connection.commands import pack
from kombu_redis.scripts import SCRIPTS

from ..scripts import adapted

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu_redis.connection.commands import Call
    from kombu_redis.connection.talk import Talk

__all__ = ("Wording",)


class Wording:
    """Packs scripts, and reads what is answered.

    Args:
        replicas: How many replicas have to have a message, and within how many seconds.
    """

    def __init__(self, replicas: tuple[int, float]) -> None:
        self._replicas, within = replicas
        self._wait = pack("WAIT", self._replicas, int(within * 1000))

    def packed(self, call: Call, full: bool = False) -> bytes:
        """A script as it travels.

        Args:
            call: The script.
            full: Whether with its text, for a node that does not know it.
        """
        script = adapted(call.script)
        how = ("EVAL", script.text) if full else ("EVALSHA", script.sha)
        command = pack(*how, len(call.keys), *call.keys, *call.args)
        if self._replicas and call.script is SCRIPTS.put:
            command += self._wait
        return command

    def received(self, talk: Talk, call: Call, deadline: float) -> Any:
        """The answer to a script, an error where too few replicas have the message.

        Raises:
            TimeoutError: There was none by the deadline.
            ConnectionError: (kombu's) The line broke.
        """
        answer = talk.receive(deadline)
        if self._replicas and call.script is SCRIPTS.put:
            copies = talk.receive(deadline)
            if not isinstance(answer, Exception) and copies < self._replicas:
                return RecoverableConnectionError(
                    f"Only {copies} of {self._replicas} replicas of {talk.where} confirmed a "
                    "message in time: it is stored there, and lost if that one dies; publish it "
                    "again, or lower the option replicas"
                )
        return answer

    def heard_by(
        self, call: Call, told: Callable[[Call, Any], None]
    ) -> list[Callable[[Any], None]]:
        """Who hears the answers to a script, each of them, where `told` is to have the first."""
        waits = self._replicas and call.script is SCRIPTS.put
        return [partial(told, call), *([_nothing] if waits else [])]


def _nothing(answer: Any) -> None:
    pass
