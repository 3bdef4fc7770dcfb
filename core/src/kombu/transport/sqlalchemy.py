"""``kombu.transport.sqlalchemy``: the transport for databases, by SQLAlchemy, from its plugin."""

from __future__ import annotations

from .forwarding import stand_in

stand_in(__name__, "sqlalchemy")
