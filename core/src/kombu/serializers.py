"""The formats that come with the core, as plain functions.

PyYAML, msgpack, orjson and :mod:`pickle` are imported when a body of theirs is first met.
"""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

from kombu.exceptions import SerializerNotInstalled

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = (
    "fastjson",
    "msgpack_decode",
    "msgpack_encode",
    "orjson_decode",
    "orjson_encode",
    "pickle_decode",
    "pickle_encode",
    "yaml_decode",
    "yaml_encode",
)


def _needed(module: str, package: str, extra: str) -> ModuleType:
    """Import what a format needs.

    Raises:
        SerializerNotInstalled: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as exc:
        # Imported here because only this error needs it.
        from kombu.plugins.errors import install_command

        raise SerializerNotInstalled(
            f"the serializer {extra!r} needs the package {package}, which cannot be imported "
            f"({exc}): {install_command(extra)}"
        ) from exc


def yaml_encode(obj: Any) -> Any:
    """Write YAML, plain values only."""
    return _needed("yaml", "PyYAML", "yaml").safe_dump(obj)


def yaml_decode(body: Any) -> Any:
    """Read YAML, plain values only; tags that name Python objects are refused."""
    return _needed("yaml", "PyYAML", "yaml").safe_load(
        bytes(body) if isinstance(body, (bytearray, memoryview)) else body
    )


def msgpack_encode(obj: Any) -> Any:
    """Write MessagePack, with bytes and text apart."""
    return _needed("msgpack", "msgpack", "msgpack").packb(obj, use_bin_type=True)


def msgpack_decode(body: Any) -> Any:
    """Read MessagePack; keys are text or bytes."""
    return _needed("msgpack", "msgpack", "msgpack").unpackb(body, raw=False)


def orjson_encode(obj: Any) -> Any:
    """Write JSON by orjson, where it changes no meaning."""
    return fastjson().encode(obj)


def orjson_decode(body: Any) -> Any:
    """Read JSON by orjson, where it changes no meaning."""
    return fastjson().decode(body)


def fastjson() -> ModuleType:
    """Import :mod:`kombu.utils.fastjson`.

    Raises:
        SerializerNotInstalled: orjson is not installed.
    """
    return _needed("kombu.utils.fastjson", "orjson", "orjson")


def pickle_encode(obj: Any, protocol: int) -> bytes:
    """Write a pickle of the protocol with this number."""
    # 3 ms to import, and refused by consumers unless they ask for it.
    import pickle

    return pickle.dumps(obj, protocol)


def pickle_decode(body: Any, load: Callable[[BytesIO], Any] | None = None) -> Any:
    """Read a pickle, which may run any code: only from senders that are trusted.

    Args:
        body: Bytes, or anything that holds them.
        load: Reads it from a file, in place of :func:`pickle.load`.
    """
    import pickle

    return (load or pickle.load)(BytesIO(body))
