from __future__ import annotations

import pytest
from styles import ListChannel, ListTransport, ReceiptTransport, StampingTransport

from kombu import Connection
from kombu.transport import memory


@pytest.fixture(params=[ListTransport, ReceiptTransport, StampingTransport])
def transport(request):
    return request.param


@pytest.fixture(autouse=True)
def _clean():
    yield
    ListChannel.lists.clear()
    ListTransport.global_state.clear()
    memory.Channel.queues.clear()
    memory.Transport.global_state.clear()


@pytest.fixture
def connection(transport):
    with Connection(transport=transport) as connection:
        yield connection


@pytest.fixture
def channel(connection):
    return connection.channel()
