"""Small tools of the library, each group in a module of its own.

The names below are gathered here as the documented API has them.  Each is imported at its first
use; only :func:`uuid` is imported at once, because its module bears the same name and would hide
the function.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kombu.utils.uuid import uuid

if TYPE_CHECKING:
    from kombu.utils.collections import EqualityDict
    from kombu.utils.compat import fileno, maybe_fileno, nested, register_after_fork
    from kombu.utils.div import emergency_dump_state
    from kombu.utils.functional import (
        fxrange,
        fxrangemax,
        maybe_list,
        reprcall,
        reprkwargs,
        retry_over_time,
    )
    from kombu.utils.imports import symbol_by_name
    from kombu.utils.objects import cached_property

__all__ = (
    "EqualityDict",
    "cached_property",
    "emergency_dump_state",
    "fileno",
    "fxrange",
    "fxrangemax",
    "maybe_fileno",
    "maybe_list",
    "nested",
    "register_after_fork",
    "reprcall",
    "reprkwargs",
    "retry_over_time",
    "symbol_by_name",
    "uuid",
)

_MODULE_OF = {
    "EqualityDict": "collections",
    "cached_property": "objects",
    "emergency_dump_state": "div",
    "fileno": "compat",
    "fxrange": "functional",
    "fxrangemax": "functional",
    "maybe_fileno": "compat",
    "maybe_list": "functional",
    "nested": "compat",
    "register_after_fork": "compat",
    "reprcall": "functional",
    "reprkwargs": "functional",
    "retry_over_time": "functional",
    "symbol_by_name": "imports",
}
_MODULES = frozenset(("collections", "compat", "div", "encoding", "functional", "imports")).union(
    ("json", "objects", "text", "time", "url")
)


def __getattr__(name: str) -> Any:
    """Import what is asked for, and remember it."""
    value: Any
    if name in _MODULE_OF:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    setattr(sys.modules[__name__], name, value)
    return value


def __dir__() -> list[str]:
    """Every public name, whether it is imported yet or not."""
    return sorted({*globals(), *_MODULE_OF, *_MODULES})
