"""Identifiers of objects, unlike those of all other processes."""

from __future__ import annotations

import os
import threading
from typing import Any
from uuid import NAMESPACE_OID, uuid3, uuid4

__all__ = ("generate_oid", "get_node_id", "oid_from")

_node: list[int] = []


def get_node_id() -> int:
    """A random number that stands for this process and its children."""
    if not _node:
        _node.append(uuid4().int)
    return _node[0]


def generate_oid(node_id: int, process_id: int, thread_id: int, instance: Any) -> str:
    """A UUID made of these: the same ones give the same UUID.

    Args:
        node_id: The host, see `get_node_id`.
        process_id: The process.
        thread_id: The thread.
        instance: The object, by its identity.
    """
    # Not for secrets: the hash only makes one name of four numbers.
    name = f"{node_id:x}-{process_id:x}-{thread_id:x}-{id(instance):x}"
    return str(uuid3(NAMESPACE_OID, name))


def oid_from(instance: Any, threads: bool = True) -> str:
    """The identifier of an object, another one in each process.

    Args:
        instance: The object; the identifier is unique for as long as it lives.
        threads: Another one in each thread, too.
    """
    thread = threading.get_ident() if threads else 0
    return generate_oid(get_node_id(), os.getpid(), thread, instance)
