"""The page on AMQP: its examples run, and it names every option and scheme."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import RabbitMQ
from kombu_amqp.options import AmqpOptions
from kombu_amqp.plugin import kombu_transports

from .blocks import run_blocks

if TYPE_CHECKING:
    from kombu.testing.servers import Server

PAGE = Path(__file__).parents[2] / "docs" / "transports" / "amqp.md"

rabbitmq = server_fixture(RabbitMQ, scope="module")


def test_the_examples_run(rabbitmq: Server) -> None:
    assert run_blocks(PAGE, url=rabbitmq.url) == PAGE.read_text().count("```python") > 0


def test_every_option_and_scheme_is_named() -> None:
    text = PAGE.read_text()
    for field in fields(AmqpOptions):
        assert f"`{field.name}`" in text, field.name
    for spec in kombu_transports():
        for scheme in spec.schemes:
            assert f"{scheme}://" in text, scheme
