"""What the server does in one step, in Lua.

Every script is given its keys, none makes a name of its own.  A queue comes as a group of keys
(`kombu_redis.wire.keys.Keys.queue`): its declaration, its bell, its delayed messages, its dead
letters, and its lists, the most urgent first; ``at`` is the place before the first of them.

A declaration is text, flags before a ``|`` and the options as JSON behind it.  It begins with ``|``
where there are no options, with ``?`` where nobody declared the queue, and with ``D`` where the
queue was deleted, which is remembered for a while so that what was held then does not bring it
back.  Messages are opaque, but for their end: ours end with ``}}``, before which a queue's time to
live is written.
"""

from __future__ import annotations

from .bindings import BIND, LOAD, UNBIND
from .claims import ABANDONED, ACK, FETCH, RELEASE, RENEW, SWEEP
from .index import ENLIST, GATHER, PRUNE, SURVEY
from .parts import BOOK, COMMON, QUEUES, RING, STORE
from .publish import PUT
from .queues import DECLARE, DELETE, FIND, KEEP, PURGE
from .script import Script
from .upkeep import UPKEEP

__all__ = ("PARTS", "RING", "SCRIPTS", "Script")

#: What other scripts are made of, too.
PARTS = (*QUEUES, BOOK)


class SCRIPTS:
    """All scripts."""

    put = Script(COMMON, STORE, PUT)
    fetch = Script(*QUEUES, BOOK, FETCH)
    ack = Script(ACK)
    release = Script(COMMON, STORE, RELEASE)
    renew = Script(COMMON, RENEW)
    keep = Script(KEEP)
    sweep = Script(COMMON, SWEEP)
    abandoned = Script(COMMON, ABANDONED)
    upkeep = Script(*QUEUES, BOOK, UPKEEP)
    declare = Script(*QUEUES, DECLARE)
    find = Script(*QUEUES, FIND)
    purge = Script(COMMON, PURGE)
    delete = Script(COMMON, DELETE)
    bind = Script(BIND)
    unbind = Script(UNBIND)
    load = Script(LOAD)
    enlist = Script(COMMON, ENLIST)
    gather = Script(*QUEUES, BOOK, GATHER)
    survey = Script(*QUEUES, SURVEY)
    prune = Script(COMMON, PRUNE)
