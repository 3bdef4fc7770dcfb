"""A connection to a cluster as a `kombu.transport.backend.Backend`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from kombu_redis.backend import RedisBackend
from kombu_redis.connection.greeting import Greeting
from kombu_redis.connection.talk import PATIENCE, Talk

from .connection.talk import ClusterTalk
from .keys import ClusterKeys
from .options import ClusterOptions
from .scripts import GREETING
from .session import ClusterSession

if TYPE_CHECKING:
    from kombu_redis.session import RedisSession

    from .connection.slots import Node, Slots

__all__ = ("ClusterBackend",)

_PLAIN = Greeting(())


class ClusterBackend(RedisBackend):
    """One connection to a cluster.

    Args:
        slots: The map of the cluster.
        options: The transport options.
    """

    keys_class: ClassVar[type[ClusterKeys]] = ClusterKeys
    keys: ClusterKeys

    def __init__(self, slots: Slots, options: ClusterOptions | None = None) -> None:
        options = options or ClusterOptions()
        self.slots = slots
        self._replicas = (options.replicas, options.replicas_timeout)
        # No kombu 5.7 works with a cluster.
        super().__init__(
            lambda _: slots.address(slots.masters[0]), replace(options, fanout_interop=False)
        )

    def lines(self) -> ClusterTalk:
        """Further lines to the masters, not open yet."""
        return ClusterTalk(self.slots, self.line_to, self._replicas)

    def line_to(self, node: Node) -> Talk:
        """A line to one node."""
        return self._talk(node, GREETING)

    def bare_line_to(self, node: Node) -> Talk:
        """A line on which no script is run."""
        return self._talk(node, _PLAIN)

    def _talk(self, node: Node, greeting: Greeting) -> Talk:
        address = self.slots.address(node)
        patience = self.options.socket_timeout or PATIENCE
        return self.named(Talk(lambda _: address, self.set_clock, patience, greeting))

    def new_session(self) -> RedisSession:
        """What asks the store; it is not told of a fork."""
        return ClusterSession(self)

    def forked(self) -> None:
        """The child closes the descriptors and has no claims."""
        super().forked()
        self.slots.forked()

    def close(self, deadline: float) -> None:
        """Give back what was claimed and not settled."""
        super().close(deadline)
        self.slots.close()
