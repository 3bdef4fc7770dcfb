"""What a channel receives: its consumers, what came for them, and what they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amqp import spec  # type: ignore[import-untyped]

from ..errors import ConsumerCancelled
from .cancelled import RAISE, go_on
from .consumers import Declared, Registry
from .overdue import Waits, cancel_frames, reject_frames
from .scanning import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..channel import Channel
    from .arrived import Arrived

__all__ = ("Consuming",)


class Consuming:
    """The receiving half of a channel.

    A message that came waits until `Connection.drain_events` hands it out, in the order in which
    all came.  Delivery tags are the broker's: they count from 1 on a channel that is opened.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._consumers = Registry()
        #: Deliveries that wait to be handed out: delivery tag, and the consumer.
        self._waiting: dict[int, str] = {}
        #: Delivery tags of what was handed out and not answered.
        self._unanswered: set[int] = set()
        self._waits = Waits()
        #: Consumers that the broker does not know at the moment: see `give_back_overdue`.
        self._stopped: set[str] = set()

    @property
    def any(self) -> bool:
        """Whether there are consumers."""
        return bool(self._consumers.all())

    # -- consumers ---------------------------------------------------------------------------

    def add(self, consumer: Declared, callback: Any, on_cancel: Any) -> None:
        """Note a consumer."""
        channel, tag = self._channel, consumer.tag
        channel.forget_routes()
        self._consumers.add(consumer)
        channel.callbacks[tag] = callback
        if on_cancel is not None:
            channel.cancel_callbacks[tag] = on_cancel
        if consumer.no_ack:
            channel.no_ack_consumers.add(tag)

    def remove(self, tag: str) -> Any:
        """Forget a consumer; returns what to call where the broker has cancelled it."""
        channel = self._channel
        channel.forget_routes()
        self._consumers.remove(tag)
        self._stopped.discard(tag)
        channel.no_ack_consumers.discard(tag)
        channel.callbacks.pop(tag, None)
        return channel.cancel_callbacks.pop(tag, None)

    def cancel(self, tag: str, nowait: bool) -> None:
        """Stop a consumer; what has come for it and was not handed out goes back."""
        channel = self._channel
        wire_tag = self._consumers.at_broker(tag)
        try:
            if channel.is_open:
                self._cancel_at_broker(wire_tag, nowait)
        finally:
            self.remove(tag)
        for delivery_tag, consumer in list(self._waiting.items()):
            if consumer == tag:
                del self._waiting[delivery_tag]
                channel.give_back(delivery_tag)

    def declare_again(self) -> None:
        """Have the broker know the consumers, on a channel that was opened again."""
        for consumer in self._consumers.all():
            self._consume_at_broker(consumer)

    def limit_again(self) -> None:
        """Have a new prefetch limit apply: the broker applies it to new consumers only."""
        for consumer in self._consumers.all():
            old = self._consumers.at_broker(consumer.tag)
            if consumer.exclusive:
                self._cancel_at_broker(old, nowait=False)
                self._consume_at_broker(consumer)
            else:
                # First the new one: a queue that is deleted with its last consumer stays.
                self._consume_at_broker(consumer)
                self._cancel_at_broker(old, nowait=False)

    def _consume_at_broker(self, consumer: Declared) -> None:
        wire_tag = self._consumers.new_tag(consumer.tag)
        self._channel.send_method(
            spec.Basic.Consume,
            "BssbbbbF",
            (
                0,
                consumer.queue,
                wire_tag,
                consumer.no_local,
                consumer.no_ack,
                consumer.exclusive,
                False,
                consumer.arguments,
            ),
            wait=spec.Basic.ConsumeOk,
        )
        self._stopped.discard(consumer.tag)
        self._consumers.replaced(consumer.tag, wire_tag)

    def _cancel_at_broker(self, wire_tag: str, nowait: bool) -> None:
        self._channel.send_method(
            spec.Basic.Cancel,
            "sb",
            (wire_tag, nowait),
            wait=None if nowait else spec.Basic.CancelOk,
        )

    # -- what the broker sends ---------------------------------------------------------------

    def cancelled(self, wire_tag: str) -> Callable[[], None] | None:
        """The broker has cancelled a consumer; returns what `drain_events` is to do."""
        if not self._consumers.is_current(wire_tag):
            return None
        tag = self._consumers.meant(wire_tag)
        return lambda: self._tell_cancelled(tag)

    def has(self, tag: str) -> bool:
        """Whether there is such a consumer."""
        return self._consumers.queue_of(tag) is not None

    def consume_again(self, consumer: Declared) -> None:
        """Have a consumer receive that the broker had cancelled."""
        self._channel.forget_routes()
        self._consume_at_broker(consumer)

    def _tell_cancelled(self, tag: str) -> None:
        queue = self._consumers.queue_of(tag) or ""
        channel = self._channel
        connection = channel.connection
        if (
            connection is not None
            and connection.consumer_cancelled != RAISE
            and channel.cancel_callbacks.get(tag) is None
        ):
            for consumer in self._consumers.all():
                if consumer.tag == tag:
                    go_on(self, channel, consumer)
            return
        callback = self.remove(tag)
        if callback is None:
            raise ConsumerCancelled(tag, queue)
        callback(tag)

    def delivered(self, wire_tag: str, delivery_tag: int, message: Any) -> Callable[[], None]:
        """A message came; returns what `drain_events` is to do."""
        channel = self._channel
        tag = self._consumers.meant(wire_tag)
        message.delivery_info["consumer_tag"] = tag
        if tag in channel.no_ack_consumers:
            # Gone from the queue already: it is for the callback, whatever happens meanwhile.
            callback, queue = channel.callbacks.get(tag), self._consumers.queue_of(tag)
            return lambda: self._hand_out(callback, message, queue, no_ack=True)
        self._waiting[delivery_tag] = tag
        generation = channel.generation
        return lambda: self._deliver(delivery_tag, message, generation)

    def route(self, wire_tag: str, length: int) -> Route | None:
        """What deliveries with a tag of the broker mean; `None` where that is not known yet.

        Args:
            wire_tag: The consumer, as the broker knows it.
            length: Of the method frame, with its ends (bytes).
        """
        channel = self._channel
        tag = self._consumers.meant(wire_tag)
        callback = channel.callbacks.get(tag)
        if callback is None:
            return None
        no_ack = tag in channel.no_ack_consumers
        queue = self._consumers.queue_of(tag)
        return Route(channel, length, tag, queue, no_ack, callback, self._waiting)

    def hand_out(self, message: Arrived) -> None:
        """Give a message to its consumer; called by `Connection.drain_events`."""
        route = message.route
        if route.no_ack:
            # Gone from the queue already: it is for the callback, whatever happens meanwhile.
            route.callback(message)
            return
        channel, delivery_tag = self._channel, message.delivery_tag
        if message._generation != channel.generation or channel.connection is None:  # noqa: SLF001
            return  # the channel was closed: the broker gives it out again
        if self._waiting.pop(delivery_tag, None) is None:
            return  # its consumer was cancelled: it went back
        callback = channel.callbacks.get(route.tag)
        if callback is None:
            channel.give_back(delivery_tag)
        else:
            self._unanswered.add(delivery_tag)
            callback(message)

    def _deliver(self, delivery_tag: int, message: Any, generation: int) -> None:
        channel = self._channel
        if generation != channel.generation or channel.connection is None:
            return  # the channel was closed: the broker gives it out again
        tag = self._waiting.pop(delivery_tag, None)
        if tag is None:
            return  # its consumer was cancelled: it went back
        callback = channel.callbacks.get(tag)
        if callback is None:
            channel.give_back(delivery_tag)
        else:
            self._hand_out(callback, message, self._consumers.queue_of(tag), no_ack=False)

    def _hand_out(self, callback: Any, raw: Any, queue: str | None, *, no_ack: bool) -> None:
        if callback is None:
            return
        message = self._channel.Message(raw, channel=self._channel, queue=queue)
        if no_ack:
            message.without_ack()
        else:
            self.handed_out(message.delivery_tag)
        callback(message)

    # -- what waits for too long -------------------------------------------------------------

    def give_back_overdue(self, now: float, limit: float) -> int:
        """Where something has waited for so long, stop the consumers and give all that waits back.

        They begin again with the next `Connection.drain_events`.  The thread of the heartbeats
        calls this, while another one uses the channel: it sends, and waits for nothing.

        Returns how many messages went back.
        """
        channel = self._channel
        connection = channel.connection
        if self._waits.oldest(list(self._waiting), now) < limit:
            return 0
        # A queue that goes with its last consumer would go, with its messages.
        taken = [each for each in self._consumers.all() if not each.no_ack]
        if connection is None or any(each.queue in connection.vanishing for each in taken):
            return 0
        stopping = [each for each in taken if each.tag not in self._stopped]
        self._stopped.update(each.tag for each in stopping)
        number = channel.channel_id or 0
        # Who takes one out of what waits is the one to answer it.
        tags = [tag for tag in list(self._waiting) if self._waiting.pop(tag, None) is not None]
        at_broker = [self._consumers.at_broker(each.tag) for each in stopping]
        connection.outgoing.send_frames(
            cancel_frames(number, at_broker) + reject_frames(number, tags)
        )
        if stopping:
            connection.incoming.events.append(self._begin_again)
        return len(tags)

    def _begin_again(self) -> None:
        for consumer in self._consumers.all():
            if consumer.tag in self._stopped and self._channel.is_open:
                self.consume_again(consumer)

    # -- answers -----------------------------------------------------------------------------

    def handed_out(self, delivery_tag: int) -> None:
        """Note a message that somebody has and is to answer."""
        self._unanswered.add(delivery_tag)

    def answer(self, delivery_tag: int) -> bool:
        """Note the answer to one message; returns whether somebody had it and had not answered."""
        try:
            self._unanswered.remove(delivery_tag)
        except KeyError:
            return False
        return True

    def waits_for(self, delivery_tag: int) -> bool:
        """Whether somebody has such a message and has not answered it."""
        return delivery_tag in self._unanswered

    def answered(self, delivery_tag: int, multiple: bool) -> list[tuple[int, bool]]:
        """What to tell the broker for an answer: delivery tags, and whether for all before, too."""
        unanswered = self._unanswered
        if not multiple:
            unanswered.discard(delivery_tag)
            return [(delivery_tag, False)]
        # Copies: the thread that reads, and others that answer, change them meanwhile.
        tags = sorted(tag for tag in list(unanswered) if not delivery_tag or tag <= delivery_tag)
        unanswered.difference_update(tags)
        first = min(list(self._waiting), default=None)
        if first is None or (tags and first > tags[-1]):
            return [(delivery_tag, True)]
        # Some that came before were not handed out yet: nobody has answered those.
        return [(tag, False) for tag in tags]

    def forget_deliveries(self) -> None:
        """Nothing that came can be answered any more."""
        self._channel.forget_routes()
        self._waiting.clear()
        self._unanswered.clear()
        self._waits = Waits()

    def clear(self) -> None:
        """Forget everything, with the channel."""
        self._consumers.clear()
        self._stopped.clear()
        self.forget_deliveries()
