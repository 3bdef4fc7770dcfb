"""The four exchange types of AMQP 0-9-1 (section 3.1.3) as pure routing functions.

An exchange type is a `Table`: bindings go in and come out, and `Table.match` tells which of them a
message takes.  Nothing here does I/O, locks or looks at a clock; the caller keeps two threads from
changing one table at a time.

A plugin may hand over a plain function ``route(bindings, routing_key, headers)`` instead:
`LinearTable` makes a table of it.
"""

from __future__ import annotations

from .direct import DirectTable
from .fanout import FanoutTable
from .headers import HeadersTable
from .table import LinearTable, Route, Table, TableFactory
from .topic import TopicTable

__all__ = (
    "BUILTIN",
    "DirectTable",
    "FanoutTable",
    "HeadersTable",
    "LinearTable",
    "Route",
    "Table",
    "TableFactory",
    "TopicTable",
)

#: The types that need no plugin, by name.
BUILTIN: dict[str, TableFactory] = {
    "direct": DirectTable,
    "topic": TopicTable,
    "fanout": FanoutTable,
    "headers": HeadersTable,
}
