"""What a plugin hands over: frozen descriptions, checked when they are made.

Names of classes and modules stand in them as text, so that a driver is imported only when a
connection is opened.  A value that does not fit raises `TypeError` or `ValueError` at once, in the
plugin's own code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = (
    "CompressorSpec",
    "ExchangeTypeSpec",
    "SerializerSpec",
    "TransportSpec",
)

#: RFC 3986 also allows a dot, but a transport with a dot in its name is the path of a class.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+-]*")
_OBJECT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_CONTENT_TYPE = re.compile(r"[^\s/;]+/[^\s/;]+")


def _require_text(owner: object, field: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(
            f"{type(owner).__name__}.{field}: wanted text, found {type(value).__name__} {value!r}"
        )
    if not value:
        raise ValueError(f"{type(owner).__name__}.{field}: wanted text, found an empty string")


def _require_callable(owner: object, field: str, value: object) -> None:
    if not callable(value):
        raise TypeError(
            f"{type(owner).__name__}.{field}: wanted a function, "
            f"found {type(value).__name__} {value!r}"
        )


def _require_match(
    owner: object, field: str, value: object, pattern: re.Pattern[str], wanted: str
) -> None:
    _require_text(owner, field, value)
    if not pattern.fullmatch(str(value)):
        raise ValueError(f"{type(owner).__name__}.{field}: wanted {wanted}, found {value!r}")


def _require_texts(owner: object, field: str, value: object) -> None:
    # A plain string is a sequence too: ("redis") without its comma would be five schemes.
    if not isinstance(value, tuple):
        raise TypeError(
            f"{type(owner).__name__}.{field}: wanted a tuple of texts, "
            f"found {type(value).__name__} {value!r}"
        )
    for item in value:
        _require_text(owner, field, item)


@dataclass(frozen=True)
class TransportSpec:
    """A transport.

    Exactly one of ``backend`` and ``transport`` is given, as ``"package.module:Class"``: a
    `kombu.transport.backend.Backend`, which the core drives, or a class that implements the whole
    of `kombu.transport.base` by itself.
    """

    #: What the transport is called, such as ``"redis"``.
    name: str
    #: The URL schemes that it serves, each also an entry point of the group ``kombu.transports``.
    schemes: tuple[str, ...]
    backend: str | None = None
    transport: str | None = None
    #: The port of a URL without one; None where ports have no meaning.
    default_port: int | None = None
    #: The kind of broker and of client, as shown to people and read by tools; both default to
    #: ``name``.
    driver_type: str = ""
    driver_name: str = ""
    #: The extra of the core that installs it: ``"redis"`` for ``kombu[redis]``, None for none.
    extra: str | None = None
    #: Whether the transport reads the URL itself, instead of its parsed parts.
    can_parse_url: bool = False
    #: One sentence for people.
    summary: str = ""

    def __post_init__(self) -> None:
        _require_text(self, "name", self.name)
        _require_texts(self, "schemes", self.schemes)
        if not self.schemes:
            raise ValueError(f"TransportSpec.schemes of {self.name!r}: wanted at least one scheme")
        for scheme in self.schemes:
            _require_match(self, "schemes", scheme, _SCHEME, "letters, digits, '+' and '-'")
        if (self.backend is None) == (self.transport is None):
            raise ValueError(
                f"TransportSpec {self.name!r}: wanted either backend= or transport=, "
                f"found backend={self.backend!r} and transport={self.transport!r}"
            )
        field = "transport" if self.backend is None else "backend"
        _require_match(self, field, getattr(self, field), _OBJECT_PATH, "'package.module:Class'")
        self._check_port()
        if self.extra is not None:
            _require_text(self, "extra", self.extra)
        if not self.driver_type:
            object.__setattr__(self, "driver_type", self.name)
        if not self.driver_name:
            object.__setattr__(self, "driver_name", self.name)

    def _check_port(self) -> None:
        port = self.default_port
        if port is None:
            return
        if not isinstance(port, int):
            raise TypeError(
                f"TransportSpec.default_port of {self.name!r}: wanted a number, found {port!r}"
            )
        if not 0 <= port <= 65535:
            raise ValueError(
                f"TransportSpec.default_port of {self.name!r}: wanted 0 to 65535, found {port}"
            )


@dataclass(frozen=True)
class SerializerSpec:
    """A serializer."""

    #: What it is called in ``serializer="..."``; also its entry point's name.
    name: str
    #: From an object to text or bytes.
    encoder: Callable[[Any], str | bytes]
    #: From what arrived to an object: text, or bytes where ``content_encoding`` is ``"binary"``.
    decoder: Callable[[Any], Any]
    content_type: str
    #: Name of a text codec, or ``"binary"``.
    content_encoding: str = "utf-8"

    def __post_init__(self) -> None:
        _require_text(self, "name", self.name)
        _require_callable(self, "encoder", self.encoder)
        _require_callable(self, "decoder", self.decoder)
        _require_match(self, "content_type", self.content_type, _CONTENT_TYPE, "'type/subtype'")
        _require_text(self, "content_encoding", self.content_encoding)


@dataclass(frozen=True)
class CompressorSpec:
    """A compressor."""

    #: What it is called in ``compression="..."``; also its entry point's name.
    name: str
    #: From bytes to fewer bytes.
    encoder: Callable[[bytes], bytes]
    #: The way back.
    decoder: Callable[[bytes], bytes]
    content_type: str
    #: Further names, each also an entry point of the group ``kombu.compressors``.
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_text(self, "name", self.name)
        _require_callable(self, "encoder", self.encoder)
        _require_callable(self, "decoder", self.decoder)
        _require_match(self, "content_type", self.content_type, _CONTENT_TYPE, "'type/subtype'")
        _require_texts(self, "aliases", self.aliases)

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)


@dataclass(frozen=True)
class ExchangeTypeSpec:
    """An exchange type.

    ``route(bindings, routing_key, headers)`` gets the exchange's bindings
    (`kombu.transport.backend.Binding`) and gives those that the message takes, in their order.  It
    does no I/O, keeps no state and may be called by any thread.
    """

    #: What it is called in ``Exchange(type="...")``; also its entry point's name.
    name: str
    route: Callable[[Sequence[Any], str, Mapping[str, Any]], Iterable[Any]]
    #: Makes a look-up table (`kombu.exchange_types.Table`) which gives the same answers faster;
    #: None: ``route`` is asked for every message.
    compile: Callable[[], Any] | None = None
    #: Whether the answer depends on the headers; if not, it may be remembered by routing key.
    reads_headers: bool = True

    def __post_init__(self) -> None:
        _require_text(self, "name", self.name)
        _require_callable(self, "route", self.route)
        if self.compile is not None:
            _require_callable(self, "compile", self.compile)
