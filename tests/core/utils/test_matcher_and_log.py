from __future__ import annotations

import io
import logging
import subprocess
import sys
from typing import Any

import pytest

from kombu import log, matcher, plugins
from kombu.log import LOG_LEVELS, Log, LogMixin, get_logger, get_loglevel, setup_logging
from kombu.matcher import MatcherNotInstalled, MatcherRegistry, match

# -- matchers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "pattern", "name", "answer"),
    [
        ("worker1@host", "worker?@*", None, True),
        ("worker1@host", "worker?@*", "glob", True),
        ("worker1@host", "worker?@other", "glob", False),
        ("worker1@host", r"worker\d@", "pcre", True),
        ("my worker1@host", r"worker\d@", "pcre", False),
        (b"worker1@host", "worker?@*", None, True),
        ("worker1@host", b"worker.@", "pcre", True),
        ("a", "b", "", False),
    ],
)
def test_patterns_match(data: Any, pattern: Any, name: str | None, answer: bool) -> None:
    assert bool(match(data, pattern, name)) is answer


def test_an_unknown_matcher_is_named_with_those_that_are_known() -> None:
    with pytest.raises(MatcherNotInstalled, match=r"for nope: known are glob, pcre"):
        match("a", "b", "nope")
    assert matcher.registry.MatcherNotInstalled is MatcherNotInstalled


def test_matchers_can_be_registered() -> None:
    registry = MatcherRegistry()
    registry.register("pair", lambda first, second, **kwargs: (first, second, kwargs))
    assert registry.match("data", "pattern", "pair") == ("data", "pattern", {})
    assert registry.match("data", "pattern", "pair", {"k": 1}) == ("data", "pattern", {"k": 1})
    registry.matcher_pattern_first = ["pair"]  # type: ignore[misc]
    assert registry.match("data", "pattern", "pair") == ("pattern", "data", {})
    registry._set_default_matcher("pair")
    assert registry.match("data", "pattern") == ("data", "pattern", {})
    registry.unregister("pair")
    with pytest.raises(MatcherNotInstalled):
        registry.unregister("pair")
    with pytest.raises(MatcherNotInstalled):
        registry._set_default_matcher("pair")


def test_an_installed_matcher_is_loaded_at_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def find_matcher(name: str) -> Any:
        asked.append(name)
        return lambda data, pattern: data == pattern

    monkeypatch.setattr(plugins, "find_matcher", find_matcher)
    registry = MatcherRegistry()
    assert registry.match("a", "a", "equal") is True
    assert registry.match("a", "b", "equal") is False
    assert asked == ["equal"]


# -- log -------------------------------------------------------------------------------


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def test_levels_map_both_ways() -> None:
    assert len(LOG_LEVELS) == 14
    assert LOG_LEVELS["WARN"] == LOG_LEVELS["WARNING"] == 30
    assert LOG_LEVELS[50] == "CRITICAL"
    for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "NOTSET"):
        assert LOG_LEVELS[LOG_LEVELS[name]] == name
    assert get_loglevel("DEBUG") == 10
    assert get_loglevel(15) == 15
    assert get_loglevel(None) is None
    with pytest.raises(KeyError, match="no log level 'debug'"):
        get_loglevel("debug")


def test_a_logger_drops_what_nobody_handles() -> None:
    logger = get_logger("kombu.tests.silent")
    assert [type(handler) for handler in logger.handlers] == [logging.NullHandler]
    assert get_logger("kombu.tests.silent") is get_logger(logger) is logger
    assert len(logger.handlers) == 1


def test_classes_log_under_their_name(records: pytest.LogCaptureFixture) -> None:
    class Service(LogMixin):
        pass

    service = Service()
    service.debug("a %s", "b")
    service.info("%r and %d", "b", 3)
    service.warn("100%%")
    service.log(logging.INFO, "%(a)s", {"a": 1})
    assert [r.getMessage() for r in records.records] == [
        "Service - a b",
        "Service - 'b' and 3",
        "Service - 100%%",
        "Service - 1",
    ]
    assert {r.name for r in records.records} == {"Service"}
    assert service.is_enabled_for("DEBUG")
    assert service.get_loglevel("INFO") == 20


def test_errors_are_logged_with_the_traceback_of_what_is_handled(
    records: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Log("service")
    try:
        raise ValueError("inner")
    except ValueError:
        service.error("failed")
        service.critical("failed")
        monkeypatch.setattr(log, "DISABLE_TRACEBACKS", "1")
        service.error("quiet")
    service.error("nothing is handled")
    first, second, quiet, last = records.records
    assert first.exc_info is not None
    assert first.exc_info[0] is ValueError
    assert second.exc_info is not None
    assert second.levelno == logging.CRITICAL
    assert not quiet.exc_info
    assert not last.exc_info


def test_arguments_that_cannot_be_described_do_not_break_logging(
    records: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("inner")

        __str__ = __repr__

    Log("service").info("%s %r", Broken(), Broken())
    assert records.records[0].getMessage().count("<Unrepresentable") == 2


def test_deferred_arguments_are_computed_only_if_logged(records: pytest.LogCaptureFixture) -> None:
    from kombu.utils.functional import lazy

    computed: list[int] = []
    value = lazy(lambda: computed.append(1) or "value")
    service = Log("service")
    service.logger.setLevel(logging.WARNING)
    service.info("%s", value)
    assert computed == []
    service.warn("%s", value)
    assert records.records[-1].getMessage() == "service - value"
    service.logger.setLevel(logging.NOTSET)


def test_a_log_has_a_name_and_a_logger() -> None:
    assert Log("a").logger.name == "a"
    assert Log("a", logger="b").logger.name == "b"
    assert Log("a", logger=logging.getLogger("c")).logger.name == "c"
    assert Log("a", logger="b").annotate("text") == "a - text"


def test_places_of_a_format_are_found() -> None:
    assert list(log.naive_format_parts("a %s b %r c %d %% d")) == ["s", "r", "d", None, " "]
    assert list(log.safeify_format("%s %d", (b"x", 3))) == ["x", 3]
    assert list(log.safeify_format("%s", ("x",), {"s": str.upper})) == ["X"]
    with pytest.raises(IndexError):
        list(log.safeify_format("%s", ()))


def test_the_root_logger_is_set_up_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    root = logging.Logger("root")
    monkeypatch.setattr(logging, "getLogger", lambda: root)
    file = io.StringIO()
    assert setup_logging("INFO", file) is root
    assert root.level == logging.INFO
    root.info("text")
    assert file.getvalue() == "text\n"
    setup_logging("DEBUG")
    assert root.level == logging.INFO
    assert len(root.handlers) == 1
    root.handlers.clear()
    path = tmp_path / "log"
    setup_logging(logfile=str(path))
    root.error("to a file")
    assert root.level == logging.ERROR
    assert path.read_text() == "to a file\n"
    root.handlers[0].close()
    root.handlers.clear()
    setup_logging()
    assert isinstance(root.handlers[0], logging.StreamHandler)


def test_the_handlers_of_logging_come_with_it() -> None:
    """As celery.contrib.testing takes for granted."""
    code = "import kombu.log, sys; print('logging.handlers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
