"""The consumers of a channel, as they are declared; does no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Declared", "Registry")


@dataclass(frozen=True)
class Declared:
    """A consumer, with what it takes to declare it again."""

    tag: str
    queue: str
    no_ack: bool
    no_local: bool
    exclusive: bool
    arguments: Mapping[str, Any] | None


class Registry:
    """Consumers by their tags, and by the tags that the broker knows them by.

    Both are the same, unless a consumer was declared again while it ran: the broker applies a new
    prefetch limit to new consumers only.
    """

    def __init__(self) -> None:
        self._declared: dict[str, Declared] = {}
        self._at_broker: dict[str, str] = {}
        #: What the broker's tags mean, of consumers that were replaced, too: messages may be on
        #: their way.
        self._means: dict[str, str] = {}
        self._again = 0

    def add(self, consumer: Declared) -> None:
        """Note a consumer; before its first message can come."""
        self._declared[consumer.tag] = consumer
        self._at_broker[consumer.tag] = self._means[consumer.tag] = consumer.tag

    def new_tag(self, tag: str) -> str:
        """A further tag for the broker to know a consumer by."""
        self._again += 1
        new = f"{tag}~{self._again}"
        self._means[new] = tag
        return new

    def replaced(self, tag: str, new: str) -> None:
        """The broker knows the consumer by another tag now."""
        self._at_broker[tag] = new

    def remove(self, tag: str) -> None:
        """Forget a consumer."""
        self._declared.pop(tag, None)
        self._at_broker.pop(tag, None)

    def clear(self) -> None:
        """Forget all."""
        self._declared.clear()
        self._at_broker.clear()
        self._means.clear()

    def at_broker(self, tag: str) -> str:
        """The tag that the broker knows a consumer by."""
        return self._at_broker.get(tag, tag)

    def meant(self, wire_tag: str) -> str:
        """The consumer that a tag of the broker means."""
        return self._means.get(wire_tag, wire_tag)

    def is_current(self, wire_tag: str) -> bool:
        """Whether the broker still knows a consumer by this tag."""
        return self._at_broker.get(self.meant(wire_tag)) == wire_tag

    def queue_of(self, tag: str) -> str | None:
        """The queue that a consumer receives from."""
        consumer = self._declared.get(tag)
        return None if consumer is None else consumer.queue

    def all(self) -> list[Declared]:
        """All consumers, in the order in which they were declared."""
        return list(self._declared.values())
