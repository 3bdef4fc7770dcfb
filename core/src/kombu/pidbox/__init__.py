"""Mailboxes: commands to processes, and their replies."""

from __future__ import annotations

from .mailbox import Mailbox
from .node import Node

__all__ = ("Mailbox", "Node")
