"""Kombu's transport for AMQP 0-9-1: RabbitMQ and its kind, on the `amqp` package."""

from __future__ import annotations
