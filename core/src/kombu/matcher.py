"""Matchers: which names a pattern means, as broadcast commands use them."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.utils.encoding import bytes_to_str

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = (
    "MatcherNotInstalled",
    "MatcherRegistry",
    "match",
    "register",
    "register_glob",
    "register_pcre",
    "registry",
    "unregister",
)

Matcher = Any  # Callable[..., object]: its result is taken as true or false


class MatcherNotInstalled(Exception):
    """No matcher is registered under a name."""


class MatcherRegistry:
    """Matchers by name.

    Register before messages flow: threads share the table, which is not locked.
    """

    MatcherNotInstalled = MatcherNotInstalled

    #: The matchers that take the pattern first and the data second.
    matcher_pattern_first: ClassVar[list[str]] = ["pcre"]

    def __init__(self) -> None:
        self._matchers: dict[str, Matcher] = {}
        self._default_matcher: Matcher = None

    def register(self, name: str, matcher: Callable[..., object]) -> None:
        """Add a matcher, called as ``matcher(data, pattern)``, or replace the one of that name."""
        self._matchers[name] = matcher

    def unregister(self, name: str) -> None:
        """Remove a matcher.

        Raises:
            MatcherNotInstalled: There is none of this name.
        """
        try:
            del self._matchers[name]
        except KeyError:
            raise _unknown(name, self._matchers) from None

    def _set_default_matcher(self, name: str) -> None:
        """Use this matcher where none is asked for.

        Raises:
            MatcherNotInstalled: There is none of this name.
        """
        self._default_matcher = self._matcher_of(name)

    def match(
        self,
        data: str | bytes,
        pattern: str | bytes,
        matcher: str | None = None,
        matcher_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Tell whether `data`, such as a host's name, fits `pattern`.

        Args:
            data: The text.
            pattern: What it should be like, in the matcher's language.
            matcher: The name of the matcher: ``"glob"`` (shell patterns) unless it is given, or
                ``"pcre"`` (regular expressions, from the beginning).
            matcher_kwargs: Further arguments of the matcher.

        Returns:
            Something true or false.

        Raises:
            MatcherNotInstalled: There is no matcher of this name.
        """
        found = self._matcher_of(matcher) if matcher else self._default_matcher
        first, second = bytes_to_str(data), bytes_to_str(pattern)
        if matcher in self.matcher_pattern_first:
            first, second = second, first
        return found(first, second, **(matcher_kwargs or {}))

    def _matcher_of(self, name: str) -> Matcher:
        if name not in self._matchers:
            self._load_plugin(name)
        try:
            return self._matchers[name]
        except KeyError:
            raise _unknown(name, self._matchers) from None

    def _load_plugin(self, name: str) -> None:
        # Imported at the first unknown name: most programs never meet one.
        from kombu import plugins

        found = plugins.find_matcher(name)
        if found is not None:
            self.register(name, found)


def _unknown(name: str, known: Iterable[str]) -> MatcherNotInstalled:
    return MatcherNotInstalled(
        f"No matcher installed for {name}: known are {', '.join(sorted(known))}. "
        "Install the plugin that brings it, or call kombu.matcher.register()"
    )


#: The matchers of this process.
registry = MatcherRegistry()
match = registry.match
register = registry.register
unregister = registry.unregister


def register_glob() -> None:
    """Register shell patterns, such as ``worker?@*.example.com``, as the default."""
    register("glob", fnmatch)
    registry._set_default_matcher("glob")  # noqa: SLF001 - the name that is documented


def register_pcre() -> None:
    """Register regular expressions."""
    register("pcre", re.match)


register_glob()
register_pcre()
