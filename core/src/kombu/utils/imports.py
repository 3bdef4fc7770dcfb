"""Objects by the name of their module."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("symbol_by_name",)


def symbol_by_name(
    name: Any,
    aliases: Mapping[str, Any] | None = None,
    imp: Callable[..., Any] | None = None,
    package: str | None = None,
    sep: str = ".",
    default: Any = None,
    **kwargs: Any,
) -> Any:
    """Import the object that `name` says, such as ``"package.module:Class"`` or ``"os.path"``.

    Args:
        name: Module and object divided by a colon, or by the last `sep`; without either, a module.
            Anything but text is returned as it is.
        aliases: Short names, each with the name, or the object, that it stands for.
        imp: Imports the module in place of :func:`importlib.import_module`.
        package: The package that relative names, and names without a dot, start from.
        sep: What divides a module from an object where there is no colon.
        default: Returned where the module or the object does not exist, if it is not None.
        **kwargs: Passed on to `imp`.

    Raises:
        ImportError: The module does not exist, or could not be imported.
        AttributeError: The module has no such object.
        ValueError: The name is empty.
    """
    if aliases:
        name = aliases.get(name, name) if isinstance(name, str) else name
    if not isinstance(name, str):
        return name
    divider = ":" if ":" in name else sep
    module_name, _, symbol = name.rpartition(divider)
    if not module_name:
        symbol, module_name = "", (package or symbol)
    if not module_name:
        raise ValueError(f"cannot import {name!r}: wanted a name such as 'package.module:Class'")
    try:
        module = (imp or importlib.import_module)(module_name, package=package, **kwargs)
        return getattr(module, symbol) if symbol else module
    except (ImportError, AttributeError):
        if default is None:
            raise
    return default
