"""``kombu.transport.azurestoragequeues``: that for Azure Storage Queues, from its plugin.

Without one there are its URIs: result backends for Azure's blobs read theirs by `Transport`.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

from kombu import plugins

from .forwarding import stand_in

__all__ = ("Transport",)

_SCHEME = "azurestoragequeues"

#: Credentials that are asked for by name, not given: classes of azure-identity.
_IDENTITIES = ("DefaultAzureCredential", "ManagedIdentityCredential")

#: The account of the emulators of Azure, which have it in the path of their URL.
_EMULATED = "devstoreaccount1"


class Transport:
    """The URIs of the transport; it can't connect.

    Raises:
        PluginNotFound: Always: no plugin provides the transport.
    """

    def __init__(self, client: Any, **kwargs: Any) -> None:
        plugins.find_transport(_SCHEME)

    @staticmethod
    def parse_uri(uri: str) -> tuple[Any, str]:
        """Separate ``azurestoragequeues://{credential}@{URL}``.

        Returns:
            The credential and the URL.  The credential is the text that was given, for an emulator
            a dictionary of account and key, and where it names a class of azure-identity an
            instance of that.

        Raises:
            ImportError: azure-identity is asked for and not installed.
            ValueError: It is no such URI; the message does not quote it.
        """
        credential, _, url = str(uri).removeprefix(f"{_SCHEME}://").rpartition("@")
        if not (credential and url):
            raise ValueError(
                f"Need a URI like {_SCHEME}://{{SAS or access key}}@{{URL}}"
                + "".join(f" or {_SCHEME}://{name}@{{URL}}" for name in _IDENTITIES)
            )
        if credential in _IDENTITIES:
            return _identity(credential), url
        if _EMULATED in url:
            return {"account_name": _EMULATED, "account_key": credential}, url
        return credential, url


def _identity(name: str) -> Any:
    try:
        identities = import_module("azure.identity")
    except ImportError as exc:
        raise ImportError(
            f"The credential {name} is of azure-identity, which is missing: pip install "
            "azure-identity"
        ) from exc
    return getattr(identities, name)()


with suppress(plugins.PluginNotFound):
    stand_in(__name__, _SCHEME)
