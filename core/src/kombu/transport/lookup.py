"""From the name of a transport to its class."""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from kombu import plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.plugins import TransportSpec

__all__ = (
    "DEFAULT_TRANSPORT",
    "TRANSPORT_ALIASES",
    "get_transport_cls",
    "resolve_transport",
    "supports_librabbitmq",
    "transport_class",
    "transport_spec",
)

#: What a connection uses that names no transport.
DEFAULT_TRANSPORT = "amqp"

_DOCUMENTED = {
    "SLMQ": "kombu.transport.SLMQ.Transport",
    "SQS": "kombu.transport.SQS:Transport",
    "amqp": "kombu.transport.pyamqp:Transport",
    "amqps": "kombu.transport.pyamqp:SSLTransport",
    "azureservicebus": "kombu.transport.azureservicebus:Transport",
    "azurestoragequeues": "kombu.transport.azurestoragequeues:Transport",
    "confluentkafka": "kombu.transport.confluentkafka:Transport",
    "consul": "kombu.transport.consul:Transport",
    "etcd": "kombu.transport.etcd:Transport",
    "filesystem": "kombu.transport.filesystem:Transport",
    "gcpubsub": "kombu.transport.gcpubsub:Transport",
    "kafka": "kombu.transport.confluentkafka:Transport",
    "librabbitmq": "kombu.transport.librabbitmq:Transport",
    "memory": "kombu.transport.memory:Transport",
    "mongodb": "kombu.transport.mongodb:Transport",
    "pgmq": "kombu.transport.pgmq:Transport",
    "pyamqp": "kombu.transport.pyamqp:Transport",
    "pyro": "kombu.transport.pyro:Transport",
    "qpid": "kombu.transport.qpid:Transport",
    "redis": "kombu.transport.redis:Transport",
    "rediss": "kombu.transport.redis:Transport",
    "sentinel": "kombu.transport.redis:SentinelTransport",
    "slmq": "kombu.transport.SLMQ.Transport",
    "sqla": "kombu.transport.sqlalchemy:Transport",
    "sqlalchemy": "kombu.transport.sqlalchemy:Transport",
    "sqs": "kombu.transport.SQS:Transport",
    "zookeeper": "kombu.transport.zookeeper:Transport",
}

#: Where a program may put names of its own, or change those that are here.  The value is the path
#: of a class, a class, or a function without arguments that returns one of both.  An entry as it
#: was is looked up among the plugins instead, so the table says nothing about what is installed.
TRANSPORT_ALIASES: dict[str, str | type | Callable[[], Any]] = dict(_DOCUMENTED)

_MISSING = object()

#: Where the class of a transport that is only a backend comes from.  By name: the virtual layer
#: stands above this one.
_VIRTUAL_FACTORY = "kombu.virtual.backed:transport_class_for"

_classes: dict[TransportSpec, type] = {}


def resolve_transport(transport: Any = None) -> Any:
    """Return the class of a transport.

    Args:
        transport: A URL scheme; the path of a class, ``"package.module:Class"`` or
            ``"package.module.Class"``; a class or another callable, which is returned as it is;
            None for the default, amqp.

    Raises:
        PluginNotFound: (a `KeyError`) No plugin provides the scheme.
        PluginError: Its plugin does not work; see `kombu.plugins.find_transport`.
        ImportError, AttributeError: The path leads nowhere.
    """
    if transport is None:
        transport = DEFAULT_TRANSPORT
    if not isinstance(transport, str):
        return transport
    changed = _changed_alias(transport)
    if changed is not _MISSING:
        return _resolve_alias(changed)
    if _is_path(transport):
        return _import_object(transport)
    return transport_class(plugins.find_transport(transport))


def get_transport_cls(transport: Any = None) -> Any:
    """Return the class of a transport; the same as `resolve_transport`."""
    return resolve_transport(transport)


def transport_spec(transport: Any = None) -> TransportSpec | None:
    """Return the descriptor of a transport that comes from a plugin.

    None for a class, a path and an entry of `TRANSPORT_ALIASES` that the program added or changed:
    those name a class, for which `resolve_transport` is to be asked, and no plugin.  Raises as
    `kombu.plugins.find_transport` does.
    """
    if transport is None:
        transport = DEFAULT_TRANSPORT
    if not isinstance(transport, str) or _is_path(transport):
        return None
    if _changed_alias(transport) is not _MISSING:
        return None
    return plugins.find_transport(transport)


def transport_class(spec: TransportSpec) -> type:
    """Import the class that a descriptor names, or make one that drives its backend.

    This is where a driver is imported.  The same descriptor always gives the same class.

    Raises:
        PluginLoadError: It can't be imported, which is how a missing driver shows.
    """
    known = _classes.get(spec)
    if known is not None:
        return known
    # The backend too is imported here, so that a driver that it misses is told as what it is.
    cls = plugins.load_object(spec, spec.transport or spec.backend or "")
    if spec.transport is None:
        cls = _import_object(_VIRTUAL_FACTORY)(spec)
    # Two threads may both come here: the first class stands.
    return _classes.setdefault(spec, cls)


def supports_librabbitmq() -> None:
    """Whether librabbitmq is supported: it never is; kept for its documented name."""


def _changed_alias(name: str) -> Any:
    for key in (name, name.partition("+")[0]):
        value = TRANSPORT_ALIASES.get(key, _MISSING)
        if value is not _MISSING and value != _DOCUMENTED.get(key):
            return value
    return _MISSING


def _resolve_alias(value: Any) -> Any:
    if callable(value) and not isinstance(value, type):
        value = value()
    if not isinstance(value, str):
        return value
    if _is_path(value):
        return _import_object(value)
    return transport_class(plugins.find_transport(value))


def _is_path(name: str) -> bool:
    return ":" in name or "." in name


def _import_object(path: str) -> Any:
    module, colon, name = path.partition(":")
    if not colon:
        module, _, name = path.rpartition(".")
    return attrgetter(name)(import_module(module))
