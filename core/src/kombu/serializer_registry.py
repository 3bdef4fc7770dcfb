"""The table of serializers: by name for those who write, by content type for those who read."""

from __future__ import annotations

import codecs
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.exceptions import (
    ContentDisallowed,
    DecodeError,
    EncodeError,
    KombuError,
    SerializerNotInstalled,
)
from kombu.utils.encoding import bytes_to_str

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kombu.plugins import SerializerSpec

__all__ = ("SKIP_DECODE", "TRUSTED_CONTENT", "SerializerRegistry", "codec", "raw_encode")

#: Content types that every consumer takes: they are handed over without being decoded.
TRUSTED_CONTENT = frozenset(("application/data", "application/text"))

#: Content encodings that stand for bytes, not for text.
SKIP_DECODE = frozenset(("binary", "ascii-8bit"))

#: How many content types without a decoder are remembered: senders choose them.
_MOST_UNREADABLE = 1000

# What is neither text nor bytes for sure: asking for the class is quicker than for its bases.
_STRUCTURES: frozenset[object] = frozenset((dict, list, tuple))

# Bodies without a serializer: no plugin is asked for these.
_PLAIN = TRUSTED_CONTENT | {"text/plain", "application/octet-stream"}


class codec(NamedTuple):  # noqa: N801 - the documented name
    """How a format is written."""

    content_type: str
    content_encoding: str
    encoder: Callable[[Any], Any]


def raw_encode(data: Any) -> tuple[str, str, Any]:
    """Label a body as data that is not to be decoded: text as UTF-8, anything else as it is.

    Returns:
        (content type, content encoding, body).

    Raises:
        UnicodeEncodeError: The text holds a lone surrogate.
    """
    if isinstance(data, str):
        return "application/data", "utf-8", data.encode()
    return "application/data", "binary", data


class SerializerRegistry:
    """Serializers, and which content types are refused unless a consumer names them.

    Register before messages flow: threads share the tables, which are not locked.
    """

    def __init__(self) -> None:
        self._encoders: dict[str, codec] = {}
        self._decoders: dict[str, Callable[[Any], Any]] = {}
        self._default: codec | None = None
        self._default_name: str | None = None
        self._disabled_content_types: set[str] = set()
        # Content types that no plugin reads, as of `kombu.plugins.changes`.
        self._unreadable: set[str] = set()
        self._unreadable_as_of: object = None
        self.type_to_name: dict[str, str] = {}
        self.name_to_type: dict[str, str] = {}

    def register(
        self,
        name: str,
        encoder: Callable[[Any], Any] | None,
        decoder: Callable[[Any], Any] | None,
        content_type: str,
        content_encoding: str = "utf-8",
    ) -> None:
        """Add a serializer, or replace the one of the same name.

        Args:
            name: What producers call it.
            encoder: Makes text or bytes of a value; None where the format can only be read.
            decoder: Makes the value of a body, which may be text, bytes, bytearray or memoryview,
                and may be empty.  None where the format can only be written, or where the content
                type has a decoder already and this is another way to write it.
            content_type: The MIME type that travels with the body.
            content_encoding: The character set, or ``"binary"``.
        """
        if encoder is not None:
            self._encoders[name] = codec(content_type, content_encoding, encoder)
        if decoder is not None:
            self._decoders[content_type] = decoder
        if decoder is not None or content_type not in self._decoders:
            self.type_to_name[content_type] = name
        self.name_to_type[name] = content_type
        if name == self._default_name and encoder is not None:
            self.set_default_serializer(name)

    def unregister(self, name: str) -> None:
        """Remove a serializer, and the decoder that it registered.

        Raises:
            SerializerNotInstalled: No serializer has this name.
        """
        try:
            content_type = self.name_to_type.pop(name)
        except KeyError:
            raise self._unknown(name) from None
        self._encoders.pop(name, None)
        if self.type_to_name.get(content_type) == name:
            self._decoders.pop(content_type, None)
            del self.type_to_name[content_type]

    def enable(self, name: str) -> None:
        """Accept a format, by name or content type, in consumers without an ``accept``.

        Raises:
            SerializerNotInstalled: No serializer has this name.
        """
        self._disabled_content_types.discard(self.content_type_of(name))

    def disable(self, name: str) -> None:
        """Refuse a format, by name or content type, in consumers without an ``accept``.

        Raises:
            SerializerNotInstalled: No serializer has this name.
        """
        self._disabled_content_types.add(self.content_type_of(name))

    def disable_all(self) -> None:
        """Refuse every format that has a decoder, in consumers without an ``accept``."""
        self._disabled_content_types.update(self._decoders)

    def content_type_of(self, name: str) -> str:
        """Return the content type of a serializer; a content type is returned as it is.

        Raises:
            SerializerNotInstalled: The name is neither registered nor brought by a plugin.
        """
        if "/" in name:
            return name
        if name not in self.name_to_type and not self._load_plugin(name):
            raise self._unknown(name)
        return self.name_to_type[name]

    def set_default_serializer(self, name: str) -> None:
        """Write bodies that are neither text nor bytes in this format, where none is asked for.

        Raises:
            SerializerNotInstalled: No serializer has this name.
        """
        self._default = self._encoder_of(name)
        self._default_name = name

    #: The name that Celery knows.
    _set_default_serializer = set_default_serializer

    def dumps(self, data: Any, serializer: str | None = None) -> tuple[str, str, Any]:
        """Make of a body what travels.

        Without a serializer text and bytes travel as they are, and anything else in the default
        format.

        Args:
            data: The body.
            serializer: The name of a serializer, or ``"raw"`` for a body that is labelled as data
                and not changed.

        Returns:
            (content type, content encoding, text or bytes).

        Raises:
            SerializerNotInstalled: The name is neither registered nor brought by a plugin.
            EncodeError: The body cannot be expressed in the format.
        """
        chosen: codec | None = None
        if serializer:
            chosen = self._encoders.get(serializer)
        elif data.__class__ in _STRUCTURES:
            chosen = self._default
        if chosen is None:
            chosen = self._encoder_for(data, serializer)
        content_type, content_encoding, encode = chosen
        try:
            return content_type, content_encoding, encode(data)
        except KombuError:
            raise
        except Exception as exc:
            raise EncodeError(
                f"the body, of type {type(data).__name__}, cannot be written as {content_type}: "
                f"{exc}"
            ) from exc

    def _encoder_for(self, data: Any, serializer: str | None) -> codec:
        """Choose the encoder of a body whose serializer is not in the table."""
        if serializer == "raw":
            encoding = "utf-8" if isinstance(data, str) else "binary"
            return codec("application/data", encoding, _raw_body)
        if serializer:
            return self._encoder_of(serializer)
        if isinstance(data, bytes):
            return codec("application/data", "binary", _raw_body)
        if isinstance(data, str):
            return codec("text/plain", "utf-8", _raw_body)
        if self._default is None:
            raise EncodeError(
                f"the body, of type {type(data).__name__}, needs a serializer, and this registry "
                "has no default one: name one of " + _listed(self._encoders)
            )
        return self._default

    def _encoder_of(self, name: str) -> codec:
        if name not in self._encoders:
            self._load_plugin(name)
        try:
            return self._encoders[name]
        except KeyError:
            raise self._unknown(name) from None

    def loads(
        self,
        data: Any,
        content_type: str | None,
        content_encoding: str | None,
        accept: Collection[str] | None = None,
        force: bool = False,
        _trusted_content: Collection[str] = TRUSTED_CONTENT,
    ) -> Any:
        """Make the value that a body stands for.

        The content type is checked before anything is decoded and before any plugin is asked.

        Args:
            data: What travelled; None is returned as it is.
            content_type: Its MIME type; absent means ``application/data``.
            content_encoding: Its character set; absent means UTF-8.
            accept: The content types, or names, that may be decoded.  None means all that are not
                disabled.
            force: Decode a disabled content type too, where `accept` is None.
            _trusted_content: Content types that are always accepted.

        Raises:
            ContentDisallowed: The content type is not accepted; the body was not looked at.
            DecodeError: The body is not of its content type, or is empty where the format has
                no empty bodies.
            SerializerNotInstalled: The content type is known, and what reads it is not installed.
        """
        if content_type.__class__ is not str or not content_type:
            content_type = bytes_to_str(content_type) if content_type else "application/data"
        if accept is not None:
            if content_type not in accept and content_type not in _trusted_content:
                self._check_accepted_by_name(content_type, accept)
        elif content_type in self._disabled_content_types and not force:
            raise self._refused_as_disabled(content_type)
        if data is None:
            return None
        try:
            decode = self._decoders[content_type]
        except KeyError:
            plugin_decode = self._decoder_of(content_type)
            if plugin_decode is None:
                return _decode_text(data, content_encoding)
            decode = plugin_decode
        try:
            return decode(data)
        except KombuError:
            raise
        except Exception as exc:
            reason = str(exc) or type(exc).__name__
            raise DecodeError(f"the body is not {content_type}: {reason}") from exc

    def _decoder_of(self, content_type: str) -> Callable[[Any], Any] | None:
        if content_type in _PLAIN:
            return None
        # Imported at the first unknown name: most programs never meet one.
        from kombu import plugins

        if plugins.changes != self._unreadable_as_of or len(self._unreadable) > _MOST_UNREADABLE:
            # Read before the question: what changes meanwhile is asked for again.
            self._unreadable_as_of = plugins.changes
            self._unreadable = set()
        elif content_type in self._unreadable:
            return None
        unreadable = self._unreadable
        if not self._adopt(plugins.find_serializer_for(content_type)):
            unreadable.add(content_type)
        return self._decoders.get(content_type)

    def _load_plugin(self, name: str) -> bool:
        """Register the serializer of a plugin, and tell whether there was one."""
        # See _decoder_of().
        from kombu import plugins

        return self._adopt(plugins.find_serializer(name))

    def _adopt(self, found: SerializerSpec | None) -> bool:
        if found is None:
            return False
        decoder = found.decoder
        if found.content_encoding not in SKIP_DECODE:
            # A plugin that writes text reads text, whether its body travelled as such or as bytes.
            decoder = partial(_decode_as_text, decoder, found.content_encoding)
        self.register(
            found.name, found.encoder, decoder, found.content_type, found.content_encoding
        )
        return True

    def _check_accepted_by_name(self, content_type: str, accept: Collection[str]) -> None:
        name = self.type_to_name.get(content_type)
        if name is not None and name in accept:
            return
        raise ContentDisallowed(
            f"Refusing to deserialize untrusted content of type {self._described(content_type)}; "
            f"this consumer accepts {_listed(accept)}. To accept it, add "
            f"{name or content_type!r} to the consumer's accept argument (accept_content in Celery)"
        )

    def _refused_as_disabled(self, content_type: str) -> ContentDisallowed:
        enabled = set(self._decoders) - self._disabled_content_types
        name = self.type_to_name.get(content_type, content_type)
        return ContentDisallowed(
            f"Refusing to deserialize disabled content of type {self._described(content_type)}; "
            f"without an accept argument consumers accept {_listed(enabled)}. To accept it, give "
            f"the consumer accept=[{name!r}], or call kombu.enable_insecure_serializers([{name!r}])"
        )

    def _described(self, content_type: str) -> str:
        return f"{self.type_to_name.get(content_type, content_type)} ({content_type})"

    def _unknown(self, name: str) -> SerializerNotInstalled:
        return SerializerNotInstalled(
            f"No encoder/decoder installed for {name}: known are {_listed(self.name_to_type)}. "
            "Install the plugin that brings it, or call kombu.serialization.register()"
        )


def _raw_body(data: Any) -> Any:
    return raw_encode(data)[2]


def _decode_as_text(decode: Callable[[Any], Any], encoding: str, body: Any) -> Any:
    return decode(body if isinstance(body, str) else codecs.decode(body, encoding))


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _decode_text(data: Any, content_encoding: str | None) -> Any:
    """Decode a body that has no serializer: text by its character set, bytes not at all."""
    encoding = (content_encoding or "utf-8").lower()
    if isinstance(data, str) or encoding in SKIP_DECODE:
        return data
    try:
        return codecs.decode(data, encoding)
    except Exception as exc:
        raise DecodeError(f"the body is not text in {encoding}: {exc}") from exc
