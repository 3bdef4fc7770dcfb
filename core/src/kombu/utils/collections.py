"""Containers with an equality of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ("EqualityDict", "HashedSeq", "eqhash")

K = TypeVar("K")
V = TypeVar("V")


class HashedSeq(list[Any]):
    """A list that can be a dictionary's key: its hash is computed once, when it is made.

    It must not be changed afterwards.
    """

    __slots__ = ("hashvalue",)

    def __init__(self, *seq: Hashable) -> None:
        super().__init__(seq)
        self.hashvalue = hash(seq)

    def __hash__(self) -> int:  # type: ignore[override]
        return self.hashvalue

    def __reduce__(self) -> tuple[Any, ...]:
        # Hashes of text differ between processes.
        return type(self), tuple(self)


def eqhash(o: Any) -> Any:
    """Return what stands for `o` as a key: its ``__eqhash__()``, else its hash."""
    try:
        return o.__eqhash__()
    except AttributeError:
        return hash(o)


class EqualityDict(dict[K, V]):
    """A dictionary whose keys are the same if their ``__eqhash__`` is, whatever their identity.

    The dictionary holds the hashes; iterating it yields those, not the keys that were given.
    """

    def __getitem__(self, key: Any) -> V:
        known = eqhash(key)
        # Asked first: the dictionary itself would call __missing__ with the hash, which does not
        # tell what to make.
        if dict.__contains__(self, known):
            return dict.__getitem__(self, known)
        return self.__missing__(key)

    def __missing__(self, key: Any) -> V:
        raise KeyError(key)

    def __setitem__(self, key: Any, value: V) -> None:
        super().__setitem__(eqhash(key), value)

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(eqhash(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(eqhash(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of `key`, else `default`."""
        return super().get(eqhash(key), default)
