"""Attributes that are computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("cached_property",)

T = TypeVar("T")

_MISSING = object()


class cached_property(Generic[T]):  # noqa: N801 - the documented name
    """A property whose value is kept in the instance's ``__dict__`` under the property's name.

    Deleting the attribute, or its entry in ``__dict__``, makes the next access compute it anew.
    Two threads that meet at the first access may both compute it; the one that stores first wins,
    and both get its value.

    Args:
        fget: Computes the value from the instance.
        fset: Called as ``fset(instance, value)`` at assignment; what it returns is kept.
        fdel: Called as ``fdel(instance, value)`` at deletion, if a value was kept.
    """

    def __init__(
        self,
        fget: Callable[[Any], T] | None = None,
        fset: Callable[[Any, Any], T] | None = None,
        fdel: Callable[[Any, T], object] | None = None,
    ) -> None:
        self.fget = fget
        self.fset = fset
        self.fdel = fdel
        self.attrname: str | None = getattr(fget, "__name__", None)
        self.__doc__ = fget.__doc__ if fget is not None else None

    def __set_name__(self, owner: type, name: str) -> None:
        self.attrname = name

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> T | cached_property[T]:
        if instance is None:
            return self
        values = self._values(instance)
        value = values.get(self.attrname, _MISSING)
        if value is _MISSING:
            if self.fget is None:
                raise AttributeError(
                    f"{type(instance).__name__}.{self.attrname} was never set, and has no function "
                    "that computes it"
                )
            value = values.setdefault(self.attrname, self.fget(instance))
        found: T = value
        return found

    # Without an instance they are as `__get__` is, which Celery's tests hold them to.
    def __set__(self, instance: object, value: Any) -> Any:
        if instance is None:
            return self
        if self.fset is not None:
            value = self.fset(instance, value)
        self._values(instance)[self.attrname] = value
        return None

    def __delete__(self, instance: object) -> Any:
        if instance is None:
            return self
        values = self._values(instance)
        if self.attrname not in values:
            return None
        value = values.pop(self.attrname)
        if self.fdel is not None:
            self.fdel(instance, value)
        return None

    def setter(self, fset: Callable[[Any, Any], T]) -> cached_property[T]:
        """Return a copy of this property with `fset` for assignment; used as a decorator."""
        return type(self)(self.fget, fset, self.fdel)

    def deleter(self, fdel: Callable[[Any, T], object]) -> cached_property[T]:
        """Return a copy of this property with `fdel` for deletion; used as a decorator."""
        return type(self)(self.fget, self.fset, fdel)

    def _values(self, instance: object) -> dict[Any, Any]:
        try:
            return instance.__dict__
        except AttributeError:
            raise TypeError(
                f"the cached property {self.attrname!r} needs a __dict__ to keep its value "
                f"in: add '__dict__' to the __slots__ of {type(instance).__name__}"
            ) from None
