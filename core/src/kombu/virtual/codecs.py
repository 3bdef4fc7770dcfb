"""How a body travels inside the text of a 5.7 envelope: documented as ``Channel.codecs``.

Pure: no I/O, no lock, no clock.
"""

from __future__ import annotations

import base64

from kombu.utils.encoding import bytes_to_str, str_to_bytes

__all__ = ("Base64",)


class Base64:
    """Bytes as text: what ``body_encoding`` ``"base64"`` stands for."""

    def encode(self, s: str | bytes) -> str:
        """The text for `s`; text is taken as UTF-8."""
        return str(bytes_to_str(base64.b64encode(str_to_bytes(s))))

    def decode(self, s: str | bytes) -> bytes:
        """The bytes that `encode` was given."""
        return base64.b64decode(str_to_bytes(s))
