"""Every example of docs/programs.md runs, and its last advice works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kombu import Connection
from kombu.mixins import ConsumerMixin
from kombu.pidbox import Mailbox
from kombu.utils.limits import TokenBucket

from .blocks import run_blocks

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_blocks(PAGE) == TEXT.count("```python")
    assert capsys.readouterr().out.splitlines() == [
        "got {'n': 1}",
        "took 1",
        "took 2",
        "0",
        "[{'clock@home': 3}]",
    ]


def test_every_method_to_override_is_on_the_page() -> None:
    hooks = {name for name in vars(ConsumerMixin) if name.startswith("on_")}
    for name in hooks | {"get_consumers", "extra_context"}:
        assert f"`{name}(" in TEXT


def test_a_node_comes_back_in_a_consuming_program() -> None:
    class Commanded(ConsumerMixin):
        def __init__(self, connection: Connection) -> None:
            self.connection = connection
            self.restart_limit = TokenBucket(1_000, capacity=1_000)
            self.node = Mailbox("commanded")(connection).Node("one")
            self.node.handlers["stop"] = self.stop
            self.starts = 0

        def stop(self, state: Any) -> None:
            self.should_stop = True

        def get_consumers(self, _: Any, channel: Any) -> list[Any]:
            self.starts += 1
            node = self.node
            return [
                node.Consumer(
                    channel=channel,
                    callbacks=[node.handle_message],
                    on_decode_error=node.on_decode_error,
                )
            ]

        def on_consume_ready(self, connection: Any, channel: Any, *args: Any, **kw: Any) -> None:
            if self.starts == 1:
                connection.transport.close_connection(connection.connection)
            else:
                Mailbox("commanded")(connection).cast(["one"], "stop")

    with Connection("memory://docs-commanded") as connection:
        program = Commanded(connection)
        program.run(timeout=10)
    assert program.starts == 2
