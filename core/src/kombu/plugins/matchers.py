"""Finds a pattern matcher by name.  Matchers are plain functions and need no descriptor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .catalog import MATCHERS
from .errors import PluginLoadError
from .loader import conflict_of_distributions

if TYPE_CHECKING:
    from collections.abc import Callable

    from .catalog import Catalog
    from .loader import PluginLoader

__all__ = ("find_matcher",)


def find_matcher(
    catalog: Catalog, loader: PluginLoader, name: str
) -> Callable[[str, str], bool] | None:
    """See `kombu.plugins.find_matcher`."""
    candidates = catalog.candidates(MATCHERS, name)
    if not candidates:
        return None
    if len(candidates) > 1:
        raise conflict_of_distributions("matcher", candidates)
    value: Any = loader.import_value(candidates[0])
    # The documented value is a tuple with the function; the function itself will do.
    if isinstance(value, (tuple, list)) and len(value) == 1:
        value = value[0]
    if not callable(value):
        raise PluginLoadError(
            name,
            f"{candidates[0].owner} provides the matcher {name!r} by {value!r}, wanted is a "
            f"function (value, pattern) -> bool. Report this to the plugin's author.",
        )
    function: Callable[[str, str], bool] = value
    return function
