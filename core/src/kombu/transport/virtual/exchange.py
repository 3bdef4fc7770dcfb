"""The documented home of the exchange types: see `kombu.virtual.exchange`."""

from __future__ import annotations

from kombu.virtual.exchange import DirectExchange, ExchangeType, FanoutExchange, TopicExchange

__all__ = ("DirectExchange", "ExchangeType", "FanoutExchange", "TopicExchange")
