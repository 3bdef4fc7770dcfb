"""Tells when a quorum queue had a leader: a process within each node of RabbitMQ writes it down.

To ask ``rabbitmqctl`` takes a second or more, which is too coarse for what is to be measured.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kombu.testing.servers import RabbitMQ

__all__ = ("Watch",)

#: Looks fifty times a second what the node's own member of the queue is, and notes changes.
_PROGRAM = """
Watch = fun Again(Last) ->
  Now = case ets:lookup(ra_state, '%2F_{queue}') of [Row | _] -> element(2, Row); [] -> none end,
  case Now of
    Last -> ok;
    _ -> file:write_file("{file}",
           io_lib:format("~b ~s~n", [os:system_time(millisecond), Now]), [append])
  end,
  timer:sleep(20),
  Again(Now)
end,
spawn(fun() -> Watch(unknown) end),
ok.
"""


class Watch:
    """The members of a quorum queue of the virtual host ``/``, on several nodes.

    Args:
        queue: Its name.
        folder: Where the nodes write.
    """

    def __init__(self, queue: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._queue, self._folder = queue, folder
        # The clock of the nodes is that of the day.
        self._ahead = time.time() - time.monotonic()

    def begin(self, node: RabbitMQ) -> None:
        """Watch the member of a node, until the node ends: again after each of its starts."""
        file = self._file(node)
        node.control("eval", _PROGRAM.format(queue=self._queue, file=file), within=60)

    def states(self, node: RabbitMQ) -> list[tuple[float, str]]:
        """Since when (`time.monotonic`) the member was what: ``leader``, ``follower``, ..."""
        try:
            lines = self._file(node).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [
            (int(at) / 1000 - self._ahead, state) for at, state in (line.split() for line in lines)
        ]

    def state(self, node: RabbitMQ) -> str:
        """What the member of a node is, as it was noted last."""
        found = self.states(node)
        return found[-1][1] if found else "unknown"

    def leader(self, nodes: Iterable[RabbitMQ]) -> RabbitMQ | None:
        """The node whose member leads: the newest that said so."""
        leading = [
            (self.states(node)[-1][0], node) for node in nodes if self.state(node) == "leader"
        ]
        return max(leading, key=lambda each: each[0])[1] if leading else None

    def led_since(self, nodes: Iterable[RabbitMQ], moment: float, until: float) -> float | None:
        """From when on, at a moment or after it, one of these nodes had the leader.

        `None` where none had until the second moment.
        """
        found = []
        for node in nodes:
            states = self.states(node)
            for (at, state), (end, _) in zip(states, [*states[1:], (until, "")], strict=True):
                if state == "leader" and end > moment and at < until:
                    found.append(max(at, moment))
        return min(found, default=None)

    def _file(self, node: RabbitMQ) -> Path:
        return self._folder / f"{node.port}.states"
