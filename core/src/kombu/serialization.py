"""Serialization: bodies to and from what travels, and which formats are accepted.

:func:`dumps` and :func:`loads` are looked up in this module at each call by the rest of the
library, so that tools which measure applications can wrap them here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kombu import serializers
from kombu.serializer_registry import (
    TRUSTED_CONTENT,
    SerializerRegistry,
    codec,
    raw_encode,
)
from kombu.utils import json
from kombu.utils.encoding import str_to_bytes

if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable, Iterable, Mapping

__all__ = (
    "TRUSTED_CONTENT",
    "SerializerRegistry",
    "codec",
    "disable_insecure_serializers",
    "dumps",
    "enable_insecure_serializers",
    "loads",
    "parenthesize_alias",
    "pickle",
    "pickle_loads",
    "pickle_protocol",
    "prepare_accept_content",
    "raw_encode",
    "register",
    "register_json",
    "register_msgpack",
    "register_pickle",
    "register_yaml",
    "registry",
    "unpickle",
    "unregister",
    "use_orjson",
)

JSON_TYPE = "application/json"
PICKLE_TYPE = "application/x-python-serialize"
YAML_TYPE = "application/x-yaml"
MSGPACK_TYPE = "application/x-msgpack"

#: The formats that consumers refuse unless they name them: a pickle may run any code.
INSECURE = ("yaml", "msgpack", "pickle")

NOTSET: Any = object()

#: The protocol that pickles are written with: set it, or the environment's PICKLE_PROTOCOL.
pickle_protocol: int = int(os.environ.get("PICKLE_PROTOCOL", "4"))

#: The serializers of this process.
registry = SerializerRegistry()
register = registry.register
unregister = registry.unregister
dumps = registry.dumps
loads = registry.loads


def pickle_loads(s: Any, load: Callable[[Any], Any] | None = None) -> Any:
    """Read a pickle from bytes, or from anything that holds them.

    Args:
        s: The bytes.
        load: Reads it from a file, in place of :func:`pickle.load`.
    """
    return serializers.pickle_decode(s, load)


def unpickle(s: Any) -> Any:
    """Read a pickle from bytes, or from text of protocol 0."""
    return pickle_loads(str_to_bytes(s))


def _pickle_dumps(obj: Any) -> bytes:
    return serializers.pickle_encode(obj, pickle_protocol)


def parenthesize_alias(first: str, second: str) -> str:
    """Write a name with its other name in parentheses."""
    return f"{first} ({second})" if first else second


def register_json() -> None:
    """Register the default format: JSON with typed forms."""
    register("json", json.encode, json.decode, JSON_TYPE, "utf-8")


def register_pickle() -> None:
    """Register Python's own format, for any object; it is refused unless asked for."""
    register("pickle", _pickle_dumps, unpickle, PICKLE_TYPE, "binary")


def register_yaml() -> None:
    """Register YAML; using it needs ``kombu[yaml]``."""
    register("yaml", serializers.yaml_encode, serializers.yaml_decode, YAML_TYPE, "utf-8")


def register_msgpack() -> None:
    """Register MessagePack; using it needs ``kombu[msgpack]``."""
    register(
        "msgpack", serializers.msgpack_encode, serializers.msgpack_decode, MSGPACK_TYPE, "binary"
    )


def register_orjson() -> None:
    """Register the name ``"orjson"``: JSON of the same meaning, written by that package."""
    register("orjson", serializers.orjson_encode, None, JSON_TYPE, "utf-8")


def use_orjson(enabled: bool = True) -> None:
    """Write and read all JSON of this process by orjson, where that changes no meaning.

    Call it before connections open: they may have kept the encoder.

    Raises:
        SerializerNotInstalled: The package is not installed; nothing was changed.
    """
    if not enabled:
        register_json()
        return
    module = serializers.fastjson()
    register("json", module.encode, module.decode, JSON_TYPE, "utf-8")


def enable_insecure_serializers(choices: Iterable[str] | None = NOTSET) -> None:
    """Accept formats that are refused by default, in every consumer without an ``accept``.

    Args:
        choices: Names or content types; pickle, yaml and msgpack if it is left out, and nothing if
            it is None.

    Raises:
        SerializerNotInstalled: A name is not registered.
    """
    for choice in INSECURE if choices is NOTSET else choices or ():
        registry.enable(choice)


def disable_insecure_serializers(allowed: Iterable[str] | None = NOTSET) -> None:
    """Refuse every format but the allowed ones, in every consumer without an ``accept``.

    Producers can still write all of them.

    Args:
        allowed: Names or content types; json if it is left out, and nothing if it is None.

    Raises:
        SerializerNotInstalled: A name is not registered.
    """
    registry.disable_all()
    for name in ("json",) if allowed is NOTSET else allowed or ():
        registry.enable(name)


def prepare_accept_content(
    content_types: Iterable[str] | str | None, name_to_type: Mapping[str, str] | None = None
) -> set[str] | None:
    """Turn names and content types into the set of content types that :func:`loads` takes.

    Args:
        content_types: Names such as ``"json"`` and content types such as ``"application/json"``, or
            None, which accepts all that are enabled.
        name_to_type: The content type of each name, in place of the registry's.

    Raises:
        SerializerNotInstalled: A name is neither registered nor brought by a plugin.
    """
    if content_types is None:
        return None
    if isinstance(content_types, str):
        content_types = (content_types,)
    names = name_to_type or {}
    return {
        names[name] if name in names else name if "/" in name else registry.content_type_of(name)
        for name in content_types
    }


def __getattr__(name: str) -> Any:
    """Import :mod:`pickle` when it is asked for as a name of this module."""
    if name != "pickle":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pickle

    return pickle


register_json()
register_pickle()
register_yaml()
register_msgpack()
register_orjson()
for _name in INSECURE:
    registry.disable(_name)
registry.set_default_serializer("json")
