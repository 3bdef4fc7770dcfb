"""Objects that are declared first and bound to a channel when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .exceptions import NotBoundError
from .utils.deadlines import operation_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("MaybeChannelBound", "Object", "unpickle_dict")

_Bound = TypeVar("_Bound", bound="MaybeChannelBound")


def unpickle_dict(cls: type[Any], kwargs: dict[str, Any]) -> Any:
    """Make an object of its attributes again."""
    return cls(**kwargs)


def _plain(value: Any) -> Any:
    return value


#: What converters take, in words.
_WANTED: dict[Any, str] = {int: "a whole number", float: "a number", list: "a list"}


class Object:
    """A declaration: a list of attributes that can be given, copied, pickled and shown.

    Subclasses name them in `attrs`, each with a converter (`None` for none).
    """

    attrs: ClassVar[tuple[tuple[str, Callable[[Any], Any] | None], ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for name, convert in self.attrs:
            value = kwargs.get(name)
            if value is not None:
                setattr(self, name, self._converted(name, convert or _plain, value))
            else:
                # A class attribute is the default of subclasses, which may set it to anything.
                try:
                    getattr(self, name)
                except AttributeError:
                    setattr(self, name, None)

    def _converted(self, name: str, convert: Callable[[Any], Any], value: Any) -> Any:
        if convert is bool and isinstance(value, str):
            # bool("no") is True.
            raise TypeError(self._wrong(name, value, "True or False"))
        try:
            return convert(value)
        except (TypeError, ValueError) as exc:
            wanted = _WANTED.get(convert)
            if wanted is None:
                raise
            raise type(exc)(self._wrong(name, value, wanted)) from exc

    def _check_kinds(self, *kinds: tuple[str, type, str]) -> None:
        """See that attributes are of their kinds: (name, class, in words); `None` is of any.

        Raises:
            TypeError: One is not.
        """
        for name, kind, wanted in kinds:
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise TypeError(self._wrong(name, value, wanted))

    def _wrong(self, name: str, value: object, wanted: str) -> str:
        own = getattr(self, "name", None)
        who = type(self).__name__ + (f" {own!r}" if own and name != "name" else "")
        return f"{who}: {name} is {value!r} ({type(value).__name__}), wanted {wanted}"

    def as_dict(self, recurse: bool = False) -> dict[str, Any]:
        """The attributes by name; with `recurse` also those of declarations inside."""

        def shown(value: Any, convert: Any) -> Any:
            if recurse and isinstance(value, Object):
                return value.as_dict(recurse=True)
            if recurse and isinstance(value, (list, tuple, set)):
                return [shown(item, None) for item in value]
            return convert(value) if convert and value is not None else value

        return {name: shown(getattr(self, name), convert) for name, convert in self.attrs}

    def __reduce__(self) -> tuple[Any, ...]:
        return unpickle_dict, (self.__class__, self.as_dict())

    def __copy__(self: Any) -> Any:
        return self.__class__(**self.as_dict())


class MaybeChannelBound(Object):
    """A declaration that can be bound to a channel; binding makes a copy."""

    #: Whether `maybe_declare` may remember that this was declared.
    can_cache_declaration = False

    _channel: Any = None
    _is_bound = False

    def __call__(self: _Bound, channel: Any) -> _Bound:
        """A copy bound to `channel` (or to the default channel of a connection)."""
        return self.bind(channel)

    def bind(self: _Bound, channel: Any) -> _Bound:
        """A copy bound to `channel`."""
        bound: _Bound = self.__copy__()
        return bound._bind_here(channel)  # noqa: SLF001  a copy of ourselves

    def maybe_bind(self: _Bound, channel: Any) -> _Bound:
        """Bind this very object, unless it is bound or there is no channel."""
        if not self._is_bound and channel:
            self._bind_here(channel)
        return self

    def _bind_here(self: _Bound, channel: Any) -> _Bound:
        # A connection stands for its default channel, looked up when it is needed.
        self._channel = channel
        self._is_bound = True
        self.when_bound()
        return self

    def revive(self, channel: Any) -> None:
        """Move to a new channel, after the old one or its connection was lost."""
        if self._is_bound:
            self._channel = channel
            self.when_bound()

    def when_bound(self) -> None:
        """Called when the object was bound; for subclasses."""

    def _operation_timeout(self) -> float:
        """Seconds that a call may take which was given no time; see `kombu.utils.deadlines`."""
        return operation_timeout(self._channel)

    def __repr__(self) -> str:
        return self._repr_entity(type(self).__name__)

    def _repr_entity(self, item: str = "") -> str:
        item = item or type(self).__name__
        if self._is_bound:
            number = getattr(self._channel, "channel_id", None)
            return f"<{item} bound to chan:{number if number is not None else self._channel}>"
        return f"<unbound {item}>"

    @property
    def is_bound(self) -> bool:
        """Whether the object is bound to a channel."""
        return self._is_bound and self._channel is not None

    @property
    def channel(self) -> Any:
        """The channel that the object is bound to.

        Raises:
            NotBoundError: It is bound to none.
        """
        channel = self._channel
        if channel is None:
            raise NotBoundError(
                f"Can't call method on {type(self).__name__} not bound to a channel: "
                "bind it first, as in entity(channel), or pass channel=..."
            )
        if callable(channel) and not hasattr(channel, "basic_publish"):
            channel = self._channel = channel()
        default = getattr(channel, "default_channel", None)
        return channel if default is None else default
