"""What goes out: messages, their confirms, and what is sent again."""

from __future__ import annotations
