"""``topic``: patterns over words (AMQP 0-9-1, section 3.1.3.3; RabbitMQ's topic exchange).

A routing key is words between dots; ``*`` in a binding key stands for exactly one word and ``#``
for any number, also none: ``*.stock.#`` matches ``usd.stock`` and ``eur.stock.db``.  The empty
key has no words, ``a.`` has two (the second is empty), as on RabbitMQ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .table import BindingSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kombu.transport.backend import Binding

__all__ = ("TopicTable",)


def _words(key: str) -> list[str]:
    return key.split(".") if key else []


class _Node:
    """A place in the trie: what follows, by word, and the bindings that end here."""

    __slots__ = ("bindings", "children", "repeats")

    def __init__(self, repeats: bool = False) -> None:
        self.children: dict[str, _Node] = {}
        self.bindings = BindingSet()
        #: A place reached by ``#`` may read any further word and stay where it is.
        self.repeats = repeats


class TopicTable:
    """A trie by words: a look-up follows the routing key, not the number of bindings."""

    reads_headers: ClassVar[bool] = False

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, binding: Binding) -> None:
        """Add a binding; adding it again is harmless."""
        node = self._root
        for word in _words(binding.routing_key):
            following = node.children.get(word)
            if following is None:
                following = node.children[word] = _Node(repeats=word == "#")
            node = following
        node.bindings.add(binding)

    def remove(self, binding: Binding) -> None:
        """Remove a binding and the branch that only led to it; unknown ones are ignored."""
        words = _words(binding.routing_key)
        path = [self._root]
        for word in words:
            following = path[-1].children.get(word)
            if following is None:
                return
            path.append(following)
        path[-1].bindings.remove(binding)
        for parent, word in zip(reversed(path[:-1]), reversed(words), strict=True):
            child = parent.children[word]
            if child.children or child.bindings:
                break
            del parent.children[word]

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[Binding]:
        """The bindings whose pattern fits; each once, though it may fit in several ways."""
        # The places that the words read so far can have led to.  Stepping all of them word by
        # word keeps a pattern with several # from costing exponential time.  A dictionary, not a
        # set, so that the order is the same at every run.
        places = _reachable({self._root: None})
        for word in _words(routing_key):
            following: dict[_Node, None] = {}
            for node in places:
                if node.repeats:
                    following[node] = None
                for key in (word, "*"):
                    child = node.children.get(key)
                    # A word of the message may itself read # or *: it is no wildcard there, and
                    # the place behind # is reached below.
                    if child is not None and not child.repeats:
                        following[child] = None
            places = _reachable(following)
        return [binding for node in places for binding in node.bindings]


def _reachable(places: dict[_Node, None]) -> dict[_Node, None]:
    """`places` and what a ``#`` that stands for no word reaches from them."""
    pending = list(places)
    while pending:
        child = pending.pop().children.get("#")
        if child is not None and child not in places:
            places[child] = None
            pending.append(child)
    return places
