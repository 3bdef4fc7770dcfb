"""Names that people use, and what to tell those whose plugin is not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .errors import PluginNotFound, install_command

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("KNOWN", "KnownTransport", "find_known", "transport_not_found")


class KnownTransport(NamedTuple):
    """A scheme that Kombu's documentation names."""

    scheme: str
    #: The distribution of its plugin and the extra that pulls it; None where none is planned.
    distribution: str | None
    extra: str | None
    #: Whether that distribution exists.
    written: bool


def _family(
    distribution: str | None, extra: str | None, *schemes: str, written: bool = False
) -> Iterable[KnownTransport]:
    return [KnownTransport(scheme, distribution, extra, written) for scheme in schemes]


#: The 27 schemes of kombu 5.7, and those that are new here, by name.
KNOWN: dict[str, KnownTransport] = {
    known.scheme: known
    for family in (
        _family("kombu-memory", "memory", "memory", written=True),
        _family("kombu-amqp", "amqp", "amqp", "amqps", "pyamqp", "librabbitmq", written=True),
        _family(
            "kombu-redis",
            "redis",
            "redis",
            "rediss",
            "sentinel",
            "rediscluster",
            "redisclusters",
            written=True,
        ),
        _family("kombu-sqs", "sqs", "sqs", "SQS", written=True),
        _family("kombu-mongodb", "mongodb", "mongodb", written=True),
        _family("kombu-zookeeper", "zookeeper", "zookeeper", written=True),
        _family("kombu-etcd", "etcd", "etcd", "etcd2", written=True),
        _family("kombu-filesystem", "filesystem", "filesystem", written=True),
        _family("kombu-sql", "sqlalchemy", "sqlalchemy", "sqla"),
        _family("kombu-gcpubsub", "gcpubsub", "gcpubsub"),
        _family(None, None, "azureservicebus", "azurestoragequeues", "confluentkafka", "consul"),
        _family(None, None, "kafka", "pgmq", "pyro", "qpid", "slmq", "SLMQ"),
    )
    for known in family
}

#: What people call a broker, and the scheme that it has.
_SYNONYMS = {"rabbitmq": "amqp"}


def find_known(scheme: str) -> KnownTransport | None:
    """What is known of a scheme, or of what stands before its first ``+``."""
    return KNOWN.get(scheme) or KNOWN.get(scheme.partition("+")[0])


def transport_not_found(scheme: str, installed: Iterable[str]) -> PluginNotFound:
    """Build the error for a scheme that none of the `installed` ones is."""
    names = sorted(installed)
    sentences = [f"No installed plugin provides the transport {scheme!r}."]
    known = find_known(scheme)
    if known is None:
        sentences += _advise_unknown(scheme, names)
    elif known.written and known.extra is not None:
        sentences.append(f"Install it: {install_command(known.extra)}")
    else:
        sentences.append(_explain_unwritten(known))
        sentences.append(_list_usable(names))
    return PluginNotFound(scheme, " ".join(sentences))


def _advise_unknown(scheme: str, installed: list[str]) -> list[str]:
    nearest = _SYNONYMS.get(scheme) or _nearest(scheme, [*installed, *KNOWN])
    sentences = ["A class of your own is named as transport='package.module:Class'."]
    if nearest is None:
        return [*sentences, _list_usable(installed)]
    sentences.insert(0, f"Did you mean {nearest!r}?")
    known = KNOWN.get(nearest)
    if known is None or nearest in installed:
        return [*sentences, _list_usable(installed)]
    if known.written and known.extra is not None:
        return [*sentences, f"Install it: {install_command(known.extra)}"]
    return [*sentences, _explain_unwritten(known), _list_usable(installed)]


def _explain_unwritten(known: KnownTransport) -> str:
    if known.distribution is None:
        return f"A plugin for {known.scheme!r} is not written yet."
    return (
        f"Its plugin {known.distribution}, which the extra kombu[{known.extra}] will install, "
        f"is not written yet."
    )


def _list_usable(installed: list[str]) -> str:
    if installed:
        return f"Installed transports: {', '.join(installed)}."
    commands = {
        known.extra: install_command(known.extra)
        for known in KNOWN.values()
        if known.written and known.extra is not None
    }
    listed = ", ".join(f"{extra} ({command})" for extra, command in sorted(commands.items()))
    return f"No transport is installed. Written so far: {listed}."


def _nearest(name: str, names: Iterable[str]) -> str | None:
    # Imported here because only errors need it.
    import difflib

    # The first one of those that differ in case only: what is installed, then what is known.
    by_folded: dict[str, str] = {}
    for candidate in names:
        by_folded.setdefault(candidate.lower(), candidate)
    folded = name.lower()
    for text in (folded.partition("+")[0], folded):
        close = difflib.get_close_matches(text, by_folded, n=1, cutoff=0.6)
        if close:
            return by_folded[close[0]]
    return None
