"""The four kinds of things that plugins hand over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .catalog import COMPRESSORS, EXCHANGE_TYPES, SERIALIZERS, TRANSPORTS
from .descriptors import CompressorSpec, ExchangeTypeSpec, SerializerSpec, TransportSpec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = (
    "COMPRESSOR",
    "EXCHANGE_TYPE",
    "KINDS",
    "SERIALIZER",
    "TRANSPORT",
    "Found",
    "Kind",
    "SpecT",
    "word_for_group",
)

SpecT = TypeVar("SpecT", TransportSpec, SerializerSpec, CompressorSpec, ExchangeTypeSpec)


@dataclass(frozen=True, eq=False)
class Kind(Generic[SpecT]):
    """Where one kind of descriptor comes from and which names it goes by."""

    #: For messages: ``"transport"``.
    word: str
    #: Entry-point group and hook.
    group: str
    hook: str
    spec_type: type[SpecT]
    #: All names that a descriptor can be looked up by.
    names: Callable[[SpecT], tuple[str, ...]]
    #: Whether a message's content type names it too.
    has_content_type: bool = False


@dataclass(frozen=True)
class Found(Generic[SpecT]):
    """A descriptor and who provides it."""

    spec: SpecT
    #: Name of the distribution, or the name it was registered by in this process.
    provider: str
    #: The provider as shown in messages, with its version.
    owner: str


TRANSPORT: Kind[TransportSpec] = Kind(
    "transport", TRANSPORTS, "kombu_transports", TransportSpec, lambda spec: spec.schemes
)
SERIALIZER: Kind[SerializerSpec] = Kind(
    "serializer", SERIALIZERS, "kombu_serializers", SerializerSpec, lambda spec: (spec.name,), True
)
COMPRESSOR: Kind[CompressorSpec] = Kind(
    "compressor", COMPRESSORS, "kombu_compressors", CompressorSpec, lambda spec: spec.names, True
)
EXCHANGE_TYPE: Kind[ExchangeTypeSpec] = Kind(
    "exchange type",
    EXCHANGE_TYPES,
    "kombu_exchange_types",
    ExchangeTypeSpec,
    lambda spec: (spec.name,),
)

KINDS: tuple[Kind[Any], ...] = (TRANSPORT, SERIALIZER, COMPRESSOR, EXCHANGE_TYPE)

_WORDS = {kind.group: kind.word for kind in KINDS} | {"kombu.matchers": "matcher"}


def word_for_group(group: str) -> str:
    """What an entry point of `group` is called in a message."""
    return _WORDS.get(group, "plugin")
