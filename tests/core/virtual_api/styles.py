"""Three transports as third parties write them, against the documented names only."""

from __future__ import annotations

from queue import Empty

from kombu.transport import memory, virtual


class ListChannel(virtual.Channel):
    """A dictionary of lists, shared by everybody: no backend at all."""

    supports_fanout = True
    from_transport_options = (*virtual.Channel.from_transport_options, "prefix")
    prefix = ""
    lists: dict[str, list] = {}

    def _name(self, queue):
        return self.prefix + queue

    def _get(self, queue, timeout=None):
        try:
            return self.lists[self._name(queue)].pop(0)
        except (KeyError, IndexError):
            raise Empty from None

    def _put(self, queue, message, **kwargs):
        self.lists.setdefault(self._name(queue), []).append(message)

    def _size(self, queue):
        return len(self.lists.get(self._name(queue), ()))

    def _purge(self, queue):
        size = self._size(queue)
        self.lists[self._name(queue)] = []
        return size

    def _new_queue(self, queue, auto_delete=False, **kwargs):
        self.lists.setdefault(self._name(queue), [])

    def _has_queue(self, queue, **kwargs):
        return self._name(queue) in self.lists

    def _delete(self, queue, exchange, routing_key, pattern, *args, **kwargs):
        self.lists.pop(self._name(queue), None)

    def _queue_bind(self, exchange, routing_key, pattern, queue):
        pass  # the state has them all

    def _put_fanout(self, exchange, message, routing_key=None, **kwargs):
        for _, _, queue in self.state.exchanges[exchange]["table"]:
            self._put(queue, message)


class ListTransport(virtual.Transport):
    Channel = ListChannel
    global_state = virtual.BrokerState()
    polling_interval = 0.01
    default_port = 4711
    driver_type = "lists"
    driver_name = "lists"
    connection_errors = (*virtual.Transport.connection_errors, LookupError)

    def __init__(self, client, **kwargs):
        super().__init__(client, **kwargs)
        self.state = self.global_state

    def driver_version(self):
        return "1.0"


class ReceiptMessage(virtual.Message):
    """A message that knows a receipt, as those of services do."""

    def __init__(self, payload, channel=None, **kwargs):
        super().__init__(payload, channel=channel, **kwargs)
        self.receipt = payload["properties"]["delivery_info"]["receipt"]


class ReceiptQoS(virtual.QoS):
    """Tells the service of each acknowledgement, and lets one message out at a time."""

    def __init__(self, channel, prefetch_count=0):
        super().__init__(channel, prefetch_count)
        self.seen = []

    def append(self, message, delivery_tag):
        self.seen.append(delivery_tag)
        return super().append(message, delivery_tag)

    def ack(self, delivery_tag):
        self.channel.acked.append(self.get(delivery_tag).receipt)
        super().ack(delivery_tag)

    def reject(self, delivery_tag, requeue=False):
        self.channel.rejected.append((self.get(delivery_tag).receipt, requeue))
        super().reject(delivery_tag, requeue=requeue)

    def can_consume(self):
        return self.channel.open_gate and super().can_consume()


class ReceiptChannel(virtual.Channel):
    """A store with receipts, whose unsettled messages go to the front."""

    QoS = ReceiptQoS
    Message = ReceiptMessage

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.acked, self.rejected, self.open_gate = [], [], True

    @property
    def store(self):
        return self.connection.store

    def _get(self, queue):
        try:
            payload = self.store.setdefault(queue, []).pop(0)
        except IndexError:
            raise Empty from None
        self.connection.receipts += 1
        payload["properties"]["delivery_info"]["receipt"] = f"r{self.connection.receipts}"
        return payload

    def _put(self, queue, message, **kwargs):
        self.store.setdefault(queue, []).append(message)

    def _restore_at_beginning(self, message):
        payload = message.serializable()
        payload["redelivered"] = True
        info = message.delivery_info
        for queue in self._lookup(info["exchange"], info["routing_key"]):
            self.store.setdefault(queue, []).insert(0, payload)

    def _size(self, queue):
        return len(self.store.get(queue, ()))

    def _purge(self, queue):
        return len(self.store.pop(queue, ()))


class ReceiptTransport(virtual.Transport):
    Channel = ReceiptChannel
    polling_interval = 0.01

    def __init__(self, client, **kwargs):
        super().__init__(client, **kwargs)
        self.store = {}
        self.receipts = 0

    def establish_connection(self):
        # Does not call its base class, as many do not.
        return self


class StampingChannel(memory.Channel):
    """Overrides one method of a transport that has a backend."""

    def _put(self, queue, message, **kwargs):
        message["headers"]["stamp"] = queue
        super()._put(queue, message, **kwargs)


class StampingTransport(memory.Transport):
    Channel = StampingChannel
