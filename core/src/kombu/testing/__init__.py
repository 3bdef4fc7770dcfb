"""For the tests of transports: private servers, faults, and a ledger of what became of messages.

Install it by ``kombu[testing]``.  Nothing of kombu imports it.

* `kombu.testing.suites`: what a transport promises, judged; `kombu.testing.plugin` is
  pytest's part of it;
* `kombu.testing.kit`: promises and the broker, for further tests of that kind;
* `kombu.testing.servers`: real brokers on free loopback ports, which can be killed and frozen;
* `kombu.testing.faults`: what can go wrong between a client and its broker, done on purpose;
* `kombu.testing.ledger`: what was accepted, delivered, acknowledged, and whether that is right;
* `kombu.testing.checks`: deadlines kept, nothing left open, nothing printed;
* `kombu.testing.runs`: the seed and the scale of a run;
* `kombu.testing.fixtures`: all that is pytest's.
"""
