"""Real brokers as children of the tests: on free loopback ports, with data of their own.

Nothing is shared with what the machine may run as a service, and nothing stays behind: neither
after an exception nor when the process of the tests is killed.

A plugin that needs another broker derives from `Server`, which says what to write.
"""

from __future__ import annotations

from .base import Server, ServerError, ServerMissing
from .beanstalkd import Beanstalkd
from .certificates import Certificates
from .etcd import Etcd, Etcd35
from .mongodb import MongoDB
from .programs import find_program
from .rabbitmq import RabbitMQ
from .redis import Redis, Valkey
from .redis_cluster import RedisCluster, ValkeyCluster
from .sqs import SQS
from .zookeeper import ZooKeeper

__all__ = (
    "SQS",
    "Beanstalkd",
    "Certificates",
    "Etcd",
    "Etcd35",
    "MongoDB",
    "RabbitMQ",
    "Redis",
    "RedisCluster",
    "Server",
    "ServerError",
    "ServerMissing",
    "Valkey",
    "ValkeyCluster",
    "ZooKeeper",
    "find_program",
)
