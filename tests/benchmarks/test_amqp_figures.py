"""The figures of RabbitMQ in the documents are those that the benchmark has written."""

from __future__ import annotations

from benchmark_commands import ROOT, needs_311, run

pytestmark = needs_311


def made(what: str) -> str:
    script = "import json, rabbitmq; results = json.loads(rabbitmq.RESULTS.read_text()); "
    return run("-c", f"{script}print(rabbitmq.{what}(results))").stdout.strip()


def test_the_documents_hold_what_was_measured_last() -> None:
    for document, name, what in (
        ("docs/performance.md", "amqp", "table"),
        ("README.md", "figures", "figures"),
    ):
        text = (ROOT / document).read_text(encoding="utf-8")
        _, _, rest = text.partition(f"<!-- {name} -->\n")
        assert rest.partition(f"\n<!-- end of {name} -->")[0] == made(what), (
            f"{document}: run 'python benchmarks/rabbitmq.py --show --write'"
        )


def test_what_one_has_as_installed_comes_first() -> None:
    for what in ("table", "figures"):
        rows = [line for line in made(what).splitlines() if line.startswith("| ")]
        assert rows[2].startswith("| publish as installed: our window, 5.7 without confirms |")
